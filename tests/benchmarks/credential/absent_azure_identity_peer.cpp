#include "azure_identity_peer.hpp"

namespace mtlspop::bench {

std::function<void()> MakeAzureIdentityPeer() { return {}; }

}  // namespace mtlspop::bench
