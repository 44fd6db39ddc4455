#pragma once

/// @file
/// How many threads can run at once.

namespace mtlspop {

/// The processors that the calling thread, and threads that it starts, may run on: in a container or under taskset fewer than
/// the machine has. 1 at least.
unsigned AvailableProcessors() noexcept;

}  // namespace mtlspop
