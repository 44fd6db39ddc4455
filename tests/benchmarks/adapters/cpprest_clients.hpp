#pragma once

/// @file
/// The two clients of cpprestsdk that are compared.

#include <cstddef>

#include <cpprest/http_client.h>

#include "transport/peer.hpp"

namespace mtlspop::bench {

/// With the certificate set in its TLS callback.
web::http::client::http_client MakePlainClient(Scenario const& scenario);

/// With our handler, over at most so many connections.
web::http::client::http_client MakeBoundClient(Scenario const& scenario, std::size_t connections);

}  // namespace mtlspop::bench
