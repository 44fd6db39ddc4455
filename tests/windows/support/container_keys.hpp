#pragma once

/// @file
/// Keys with which SChannel can sign under Wine, too.

#include <memory>

#include <gsl/pointers>

#include "mtlspop/credential/key_provider.hpp"

namespace mtlspop::windows_tests {

/// RSA-2048 keys, each in a CryptoAPI container of its own that goes with the key: Wine's SChannel signs with no others.
gsl::not_null<std::shared_ptr<KeyProvider>> MakeContainerKeyProvider();

}  // namespace mtlspop::windows_tests
