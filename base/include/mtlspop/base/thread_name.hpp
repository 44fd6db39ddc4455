#pragma once

/// @file
/// What a thread is called, for people who look at a process from outside.

namespace mtlspop {

/// Names this thread, where the system has names for threads. A thread is otherwise called as the one that made it.
/// @param name of at most 15 characters
void NameThisThread(char const* name) noexcept;

}  // namespace mtlspop
