#include "openssl/request_head.hpp"

#include "mtlspop/base/field_text.hpp"
#include "openssl/http1_exchange.hpp"

namespace mtlspop::openssl {

namespace {

/// Never too little: growing would leave a copy of a token behind in freed memory. Room for a small body is among it.
std::size_t LargestHead(Request const& request, RequestForm const& form) {
  constexpr std::size_t fixed = 512;
  constexpr std::size_t smallBody = 8 * 1024 + 1;
  auto const& target = request.Target;
  // The host twice: a proxy gets the whole URL.
  auto size = fixed + request.Method.size() + target.Target().size() + 2 * target.HostHeader().size();
  for (auto const& [name, value] : request.Fields) {
    size += name.size() + value.size() + 4;
  }
  if (form.ProxyAuthorization != nullptr) {
    size += form.ProxyAuthorization->Reveal().size();
  }
  auto const length = form.BodyLength;
  return size + (length && *length < smallBody ? static_cast<std::size_t>(*length) + 1 : 0);
}

}  // namespace

std::string MakeRequestHead(Request const& request, RequestForm const& form) {
  std::string_view const method{request.Method};
  std::string head;
  head.reserve(LargestHead(request, form));
  head.append(method).append(" ");
  if (form.Absolute) {
    head.append(request.Target.ToString());
  } else {
    head.append(request.Target.Target());
  }
  head.append(" HTTP/1.1\r\n");
  if (!request.Fields.Contains("host")) {
    AppendField(head, "Host", request.Target.HostHeader());
  }
  for (auto const& [name, value] : request.Fields) {
    AppendField(head, name, value);
  }
  if (form.ProxyAuthorization != nullptr && !form.ProxyAuthorization->Empty()) {
    AppendField(head, "Proxy-Authorization", form.ProxyAuthorization->Reveal());
  }
  if (request.Body) {
    auto const length = form.BodyLength;
    head.append(length ? "Content-Length: " + std::to_string(*length) : "Transfer-Encoding: chunked").append("\r\n");
    head.append(request.ExpectContinue ? "Expect: 100-continue\r\n" : "");
  } else if (method == "POST" || method == "PUT" || method == "PATCH") {
    head.append("Content-Length: 0\r\n");
  }
  head.append("\r\n");
  return head;
}

}  // namespace mtlspop::openssl
