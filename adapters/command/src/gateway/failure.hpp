#pragma once

/// @file
/// What the gateway answers where it does not pass on somebody else's answer.

#include <string>
#include <string_view>

#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/headers.hpp"

namespace mtlspop::gateway {

/// The field that marks an answer as the gateway's own; its value is the code of the error. Taken out of whatever servers
/// answer, so that its presence proves it.
inline constexpr std::string_view ErrorField = "x-mtlspop-error";

/// A refusal, or the report of a failure, to a client.
struct Failure {
  int Status = 500;
  /// A stable name, for example "handle_unknown".
  std::string Code;
  /// What failed, and what to do about it: sentences without the final stop, without secrets.
  std::string What;
  std::string Action;
  std::string CorrelationId{};
  /// Further fields of the answer, for example `WWW-Authenticate`.
  Headers Fields{};
  /// The request cannot be trusted to have ended where it seems to, or its client cannot: nothing more is read from it.
  bool Closes = false;
};

/// A refusal after which nothing more is read from the client.
Failure ClosingFailure(int status, std::string code, std::string what, std::string action);

/// `error`, which kept the gateway from an answer: 504 for what took too long, 503 for what may pass, 400 for a request that
/// cannot be sent, 502 for the rest.
Failure FailureFrom(Error const& error);

/// The body of the answer, in the form of Azure's errors, so that its SDKs show the text:
/// `{"error":{"code":...,"message":"What. Action.","correlation_id":...}}`.
std::string BodyOf(Failure const& failure);

/// The fields of the answer, `Content-Type` and the mark included; without those of the framing.
Headers FieldsOf(Failure const& failure);

}  // namespace mtlspop::gateway
