#include "request_rules.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

namespace mtlspop {
namespace {

[[noreturn]] void Refuse(std::string what, std::string action) {
  ErrorDetails details{errors::InvalidArgument, std::move(what), std::move(action)};
  details.NothingSent = true;
  throw Error{std::move(details)};
}

/// RFC 9110 section 5.6.2.
bool IsTokenCharacter(char character) noexcept {
  return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
         (character >= '0' && character <= '9') ||
         std::string_view{"!#$%&'*+-.^_`|~"}.find(character) != std::string_view::npos;
}

bool IsToken(std::string_view text) noexcept {
  return !text.empty() && std::all_of(text.begin(), text.end(), IsTokenCharacter);
}

bool IsFieldValue(std::string_view text) noexcept {
  return std::none_of(text.begin(), text.end(), [](char character) {
    return character == '\r' || character == '\n' || character == '\0';
  });
}

/// Fields that decide about framing and connections: the transport writes them, or two parties could read one message
/// in two ways.
constexpr std::array<std::string_view, 6> OwnFields{"content-length", "transfer-encoding", "connection",
                                                    "expect",         "upgrade",           "te"};

}  // namespace

void CheckRequest(Request const& request, bool isBound) {
  if (!IsToken(request.Method) || std::string_view{request.Method} == "CONNECT") {
    Refuse(
        "The method of the request is not one that can be sent", "Use a method such as GET or POST, in letters only");
  }
  for (auto const& [name, value] : request.Fields) {
    if (!IsToken(name)) {
      Refuse("A header field has a name that is not a token (RFC 9110 section 5.1)", "Correct the name");
    }
    if (!IsFieldValue(value)) {
      Refuse(
          "The value of the header field " + name + " holds a line break or a NUL",
          "Remove it; if the value came from outside, somebody may be trying to smuggle in a header");
    }
    for (auto const own : OwnFields) {
      if (EqualsIgnoreCase(name, own)) {
        Refuse(
            "The header field " + name + " is set by the transport itself",
            "Leave it out; use Request::Body for a body and Request::ExpectContinue for Expect");
      }
    }
  }
  if (request.Fields.GetAll("host").size() > 1) {
    Refuse("The request has more than one Host field", "Set it once, or not at all (RFC 9112 section 3.2)");
  }
  if (isBound && !request.Target.IsHttps()) {
    ErrorDetails details{
        errors::BindingRequiresHttps,
        "A request with a binding certificate was to go to " + request.Target.GetOrigin().ToString() +
            ", which is not https",
        "Use the https URL of the resource; a bound token has no meaning without TLS"};
    details.NothingSent = true;
    throw Error{std::move(details)};
  }
}

void CheckOptions(TransportOptions const& options) {
  if (options.Pool.MaximumPerOrigin == 0 || options.Pool.MaximumTotal == 0) {
    Refuse("PoolOptions allows no connection", "Set MaximumPerOrigin and MaximumTotal to 1 or more");
  }
  if (options.ConnectTimeout.count() <= 0) {
    Refuse("TransportOptions::ConnectTimeout is not a time", "Set it to more than 0 ms");
  }
  auto const& limits = options.Limits;
  if (limits.HeaderBytes == 0 || limits.HeaderCount == 0 || limits.LineBytes == 0) {
    Refuse("TransportLimits allows no answer", "Set HeaderBytes, HeaderCount and LineBytes to 1 or more");
  }
}

}  // namespace mtlspop
