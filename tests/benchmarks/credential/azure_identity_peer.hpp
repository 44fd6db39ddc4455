#pragma once

/// @file
/// Azure::Identity::ManagedIdentityCredential with its cache warm, as what people use today.

#include <functional>
#include <string>

namespace mtlspop::bench {

/// Gets a token for the vault from a warm cache; empty where this program was built without azure-identity-cpp.
std::function<void()> MakeAzureIdentityPeer();

}  // namespace mtlspop::bench
