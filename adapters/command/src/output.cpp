#include "output.hpp"

#include <cerrno>
#include <cstring>

#include "errors.hpp"

namespace mtlspop::command {

std::ostream& Output::Stream() {
  if (!IsFile()) return terminal_.Out;
  if (!isOpen_) {
    file_.open(path_, std::ios::binary | std::ios::trunc);
    if (!file_) CannotWrite();
    isOpen_ = true;
  }
  return file_;
}

void Output::Write(std::string_view bytes) {
  if (path_.empty() && terminal_.IsOutTerminal && bytes.find('\0') != std::string_view::npos) {
    Fail(
        errors::WriteFailed, "The answer is not text, and standard output is a terminal",
        "Give -o FILE to keep it, or -o - to see it all the same");
  }
  if (!Stream().write(bytes.data(), static_cast<std::streamsize>(bytes.size()))) CannotWrite();
}

void Output::Finish() {
  if (!Stream().flush()) CannotWrite();
}

void Output::CannotWrite() const {
  std::string const why = std::strerror(errno);
  if (!IsFile()) Fail(errors::WriteFailed, "Standard output cannot be written: " + why, "Check what reads it");
  Fail(
      errors::WriteFailed, "The file " + path_ + " cannot be written: " + why,
      "Check the path, who may write there, and the space that is left");
}

}  // namespace mtlspop::command
