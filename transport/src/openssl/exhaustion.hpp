#pragma once

/// @file
/// Failures that are this machine's own and look like the network's.

#include <string>

namespace mtlspop::openssl {

/// Whether `cause`, an errno value, says that the process or the system has run out of something.
bool IsExhaustion(int cause) noexcept;

/// `EMFILE` or what else keeps this process from opening a descriptor now, 0 where nothing does.
int DescriptorShortage() noexcept;

/// @param what what failed for that, as the beginning of a sentence
/// @throw Error `system_failure`
[[noreturn]] void ThrowExhausted(std::string const& what, int cause);

}  // namespace mtlspop::openssl
