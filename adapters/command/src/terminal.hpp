#pragma once

/// @file
/// Where a command reads and writes.

#include <iosfwd>

namespace mtlspop::command {

/// The streams of a command, and whether a person looks at them. Borrowed.
///
/// Thread safety: none.
struct Terminal {
  std::istream& In;
  /// What was asked for.
  std::ostream& Out;
  /// Errors, progress, what `-v` shows.
  std::ostream& Error;
  bool IsOutTerminal = false;
  bool IsErrorTerminal = false;
};

}  // namespace mtlspop::command
