#pragma once

/// @file
/// The certificate authorities that vouch for servers, read once and shared by all connections.

#include "mtlspop/base/openssl/owners.hpp"
#include "mtlspop/transport/http_transport.hpp"

namespace mtlspop::openssl {

/// @throw Error `trust_store_unusable`
X509StorePtr MakeTrustStore(TrustOptions const& options);

}  // namespace mtlspop::openssl
