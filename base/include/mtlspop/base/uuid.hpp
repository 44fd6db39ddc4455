#pragma once

/// @file
/// Random ids, for requests and files. Not secrets.

#include <string>

namespace mtlspop {

/// A random UUID, version 4 (RFC 9562 section 5.4), of `MakeRandom`.
std::string NewUuid();

}  // namespace mtlspop
