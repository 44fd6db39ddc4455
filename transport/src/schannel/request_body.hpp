#pragma once

/// @file
/// How a request's body goes through WinHTTP.

#include <string>

#include <windows.h>

#include "mtlspop/transport/request.hpp"

namespace mtlspop::schannel {

class AsyncRequest;

/// The header fields that say how the body is framed, as far as WinHTTP does not write them itself: for a body whose
/// length is not known or does not fit into WinHTTP's 32 bits.
std::wstring RequestBodyFields(Request const& request);

/// What WinHttpSendRequest takes as the total length.
DWORD RequestTotalLength(Request const& request);

/// Sends the body, if there is one. WinHTTP has no way to wait for `100 Continue` between header and body; a request
/// with `Request::ExpectContinue` does not come here.
/// @throw Error `request_body_failed` where the stream fails or gives another number of bytes than its length
void SendRequestBody(AsyncRequest& sending, Request const& request, Context const& context);

}  // namespace mtlspop::schannel
