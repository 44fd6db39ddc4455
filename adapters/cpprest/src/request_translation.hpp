#pragma once

#include <memory>
#include <string>

#include <cpprest/http_msg.h>

#include "istream_body.hpp"
#include "mtlspop/transport/request.hpp"
#include "mtlspop/transport/response.hpp"

namespace mtlspop::cpprest {

/// A request in the transport's terms, with its body where it has one.
struct TranslatedRequest {
  mtlspop::Request Message;
  std::shared_ptr<IstreamBody> Body;
};

/// `acceptCompressed` asks for a compressed answer as `http_client_config::set_request_compressed_response` does.
/// @throw Error `invalid_argument` for a URI or method that cannot be sent.
TranslatedRequest Translate(
    web::http::http_request const& request,
    bool acceptCompressed,
    std::size_t chunkSize,
    std::shared_ptr<TransferObserver> const& observer);

/// Puts `userAgent`, where there is one, in front of the `User-Agent` that cpprestsdk itself gives a request; one of the
/// application's stays as it is.
void PutUserAgentFirst(std::string const& userAgent, Headers& fields);

/// Status, reason and header fields of `response`; no body yet.
web::http::http_response TranslateHead(Response const& response);

/// Whether an answer with this status to this method has no body (RFC 9112 section 6.3).
bool IsWithoutBody(web::http::method const& method, Response const& response);

}  // namespace mtlspop::cpprest
