#pragma once

#include <chrono>
#include <memory>

#include <cpprest/http_client.h>

#include "mtlspop/cpprest/handler.hpp"

namespace mtlspop::cpprest {

/// @throw Error `invalid_argument` for what a bound request cannot honour.
void RefuseUnusable(web::http::client::http_client_config const& config);

/// The transport that the options name or describe.
/// @throw Error `invalid_argument` where both a transport and a proxy are given; what `MakeHttpTransport` throws.
std::shared_ptr<HttpTransport> TransportFor(HandlerOptions const& options);

}  // namespace mtlspop::cpprest
