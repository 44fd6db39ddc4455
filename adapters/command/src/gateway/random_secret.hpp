#pragma once

/// @file
/// Secrets of this run.

#include <string_view>

#include "mtlspop/transport/secret.hpp"

namespace mtlspop::gateway {

/// 256 random bits in base64url.
/// @throw Error `system_failure` where there is no randomness to be had
Secret RandomSecret();

/// Whether both are the same, in a time that depends on their lengths only.
bool EqualInConstantTime(std::string_view left, std::string_view right) noexcept;

}  // namespace mtlspop::gateway
