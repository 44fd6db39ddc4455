#include "transport/peer.hpp"

namespace mtlspop::bench {

std::unique_ptr<Peer> MakeAzurePeer(Scenario const& /*scenario*/) { return nullptr; }

}  // namespace mtlspop::bench
