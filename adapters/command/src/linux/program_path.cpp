#include "program_path.hpp"

#include <unistd.h>

#include <filesystem>
#include <system_error>

#include "errors.hpp"

namespace mtlspop::command {
namespace {

bool IsFile(std::string const& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored);
}

bool IsExecutable(std::string const& path) { return IsFile(path) && ::access(path.c_str(), X_OK) == 0; }

[[noreturn]] void NotExecutable(std::string const& path) {
  Fail(errors::ProgramNotExecutable, path + " is no program that can be executed", "Check what it is, and its mode");
}

}  // namespace

std::string FindProgram(std::string const& name, std::string_view path) {
  std::string found;
  if (name.find('/') != std::string::npos) {
    if (IsExecutable(name)) return name;
    // Also where it is not to be seen whether there is one.
    std::error_code ignored;
    found = std::filesystem::exists(std::filesystem::status(name, ignored)) ? name : "";
  } else if (!name.empty()) {
    for (std::size_t begin = 0; begin <= path.size();) {
      auto const end = std::min(path.find(':', begin), path.size());
      auto const folder = end == begin ? std::string{"."} : std::string{path.substr(begin, end - begin)};
      auto const candidate = folder + "/" + name;
      if (IsExecutable(candidate)) return candidate;
      if (IsFile(candidate)) found = candidate;
      begin = end + 1;
    }
  }
  if (!found.empty()) NotExecutable(found);
  Fail(errors::ProgramNotFound, "There is no program " + name, "Check its name, and PATH where that has no slash");
}

}  // namespace mtlspop::command
