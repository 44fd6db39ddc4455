#pragma once

/// @file
/// The header of an answer, and how its body ends.

#include <string>

#include "gateway/failure.hpp"
#include "gateway/request_head.hpp"
#include "mtlspop/transport/response.hpp"

namespace mtlspop::gateway {

/// How the client knows where the body ends (RFC 9112 section 6.3).
enum class BodyEnd { NoBody, Length, Chunks, Close };

struct AnswerHead {
  /// Status line, fields, and the empty line.
  std::string Text;
  BodyEnd End = BodyEnd::NoBody;
};

/// The header for `answer` to `request`.
/// @param keepsAlive whether the connection goes on afterwards; made false where the end of the body is that of the
/// connection.
AnswerHead HeadOf(Response const& answer, RequestHead const& request, bool& keepsAlive);

/// `failure` as an answer.
std::unique_ptr<Response> AnswerFor(Failure const& failure);

/// An answer of the gateway's own.
std::unique_ptr<Response> TextAnswer(int status, Headers fields, std::string body);

}  // namespace mtlspop::gateway
