#pragma once

/// @file
/// Tells a child made by fork() from its parent, without a system call on the way.

#include <cstdint>

namespace mtlspop {

/// The number of forks between the start of the program and this process. State that remembers another number belongs to
/// another process: its connections must not be used, and its locks may be held for ever.
///
/// Counted, not told from process ids: in a process id namespace of its own a child can have the id of its parent. A
/// child made by a bare clone() or by _Fork(), which run no handlers, is not recognised; POSIX allows nothing there
/// but to call exec.
///
/// Thread safety: any thread, at any time.
std::uint64_t ForkEpoch() noexcept;

}  // namespace mtlspop
