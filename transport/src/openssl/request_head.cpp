#include <algorithm>
#include <array>

#include "openssl/http1_exchange.hpp"
#include "openssl/request_head.hpp"

namespace mtlspop::openssl {
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

void CheckRequest(Request const& request) {
  if (!IsToken(request.Method) || request.Method == "CONNECT") {
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
}

std::string MakeRequestHead(Request const& request, RequestForm const& form) {
  std::string head;
  head.reserve(512 + request.Target.Target().size());
  head.append(request.Method).append(" ");
  if (form.Absolute) {
    head.append(request.Target.ToString());
  } else {
    head.append(request.Target.Target());
  }
  head.append(" HTTP/1.1\r\n");
  if (!request.Fields.Contains("host")) {
    head.append("Host: ").append(request.Target.HostHeader()).append("\r\n");
  }
  for (auto const& [name, value] : request.Fields) {
    head.append(name).append(": ").append(value).append("\r\n");
  }
  if (form.ProxyAuthorization != nullptr && !form.ProxyAuthorization->Empty()) {
    head.append("Proxy-Authorization: ").append(form.ProxyAuthorization->Reveal()).append("\r\n");
  }
  if (request.Body) {
    auto const length = request.Body->Length();
    head.append(length ? "Content-Length: " + std::to_string(*length) : "Transfer-Encoding: chunked").append("\r\n");
    head.append(request.ExpectContinue ? "Expect: 100-continue\r\n" : "");
  } else if (request.Method == "POST" || request.Method == "PUT" || request.Method == "PATCH") {
    head.append("Content-Length: 0\r\n");
  }
  head.append("\r\n");
  return head;
}

}  // namespace mtlspop::openssl
