#pragma once

/// @file
/// Tells a child made by fork() from its parent, without a system call on the way.

#include <cstdint>

namespace mtlspop::openssl {

/// The number of forks between the first call of this function in an ancestor and this process. State that remembers
/// another number belongs to another process: its connections must not be used, and its locks may be held for ever.
std::uint64_t ForkGeneration() noexcept;

}  // namespace mtlspop::openssl
