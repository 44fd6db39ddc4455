#pragma once

/// @file
/// The transport over WinHTTP and SChannel.

#include <memory>

#include <gsl/pointers>

#include "schannel/winhttp_functions.hpp"

#include "mtlspop/transport/http_transport.hpp"

namespace mtlspop::schannel {

/// As `mtlspop::MakeHttpTransport`, over a table of functions.
gsl::not_null<std::shared_ptr<HttpTransport>> MakeWinHttpTransport(
    TransportOptions options, std::shared_ptr<WinHttpFunctions> functions);

}  // namespace mtlspop::schannel
