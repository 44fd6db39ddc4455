#pragma once

/// @file
/// Random ids.

#include <string>

namespace mtlspop {

/// A random UUID, version 4 (RFC 9562 section 5.4).
std::string NewUuid();

}  // namespace mtlspop
