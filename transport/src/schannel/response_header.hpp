#pragma once

/// @file
/// Status line and header fields as WinHTTP hands them over.

#include <string_view>

#include "mtlspop/transport/http_transport.hpp"

namespace mtlspop::schannel {

/// Reads `text`: "HTTP/1.1 200 OK" and the fields, each ended by CR LF, into status, reason and fields of `response`.
/// WinHTTP has parsed it already and has joined continued lines; this enforces the limits.
/// @throw Error `malformed_response` or the code of the limit
void ParseResponseHeader(std::wstring_view text, TransportLimits const& limits, Response& response);

}  // namespace mtlspop::schannel
