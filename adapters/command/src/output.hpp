#pragma once

/// @file
/// Where the answer goes.

#include <cstdint>
#include <fstream>
#include <ostream>
#include <string>
#include <string_view>

#include "terminal.hpp"

namespace mtlspop::command {

/// A file, or standard output. The file is made, or emptied, when the first byte comes.
///
/// Thread safety: none. The terminal must live as long.
class Output final {
 public:
  /// @param path "" and "-" for standard output; "-" also where that is a terminal and the answer is not text.
  Output(std::string path, Terminal& terminal) : path_(std::move(path)), terminal_(terminal) {}

  bool IsFile() const noexcept { return !path_.empty() && path_ != "-"; }
  /// @throw Error `write_failed`
  void Write(std::string_view bytes);
  /// Makes the file where nothing was written, and sees that all is written.
  /// @throw Error `write_failed`
  void Finish();

 private:
  std::ostream& Stream();
  [[noreturn]] void CannotWrite() const;

  std::string path_;
  Terminal& terminal_;
  std::ofstream file_;
  bool isOpen_ = false;
};

}  // namespace mtlspop::command
