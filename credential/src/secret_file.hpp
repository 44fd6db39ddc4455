#pragma once

/// @file
/// Files that hold a secret.

#include <string>

#include "mtlspop/transport/secret.hpp"

namespace mtlspop {

/// The content of a file of at most 1 MiB. It is read into one buffer of that size: a text that grew would leave pieces
/// of itself behind in freed memory.
/// @throw Error `client_certificate_unusable` where it cannot be read, is empty, larger, or a folder
Secret ReadSecretFile(std::string const& path);

}  // namespace mtlspop
