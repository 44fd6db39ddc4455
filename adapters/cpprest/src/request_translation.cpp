#include "request_translation.hpp"

#include <string>
#include <utility>

#include "mtlspop/transport/error.hpp"

namespace mtlspop::cpprest {
namespace {

using utility::conversions::to_string_t;
using utility::conversions::to_utf8string;
using web::http::header_names;
using web::http::methods;

// What the transport writes by itself, from the body and the connection.
bool IsTransportsOwn(std::string_view name) noexcept {
  return EqualsIgnoreCase(name, "Content-Length") || EqualsIgnoreCase(name, "Transfer-Encoding") ||
         EqualsIgnoreCase(name, "Connection") || EqualsIgnoreCase(name, "Keep-Alive") ||
         EqualsIgnoreCase(name, "Expect");
}

void CopyHeaders(web::http::http_headers const& from, Headers& to) {
  to.Reserve(from.size() + 3);
  for (auto const& [name, value] : from) {
    auto text = to_utf8string(name);
    if (!IsTransportsOwn(text)) to.Add(std::move(text), to_utf8string(value));
  }
}

void RefuseInvalidMethod(std::string const& method) {
  for (char const c : method) {
    auto const isToken = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                         std::string_view{"!#$%&'*+-.^_`|~"}.find(c) != std::string_view::npos;
    if (!isToken) {
      throw Error{
          {errors::InvalidArgument, "the request's method is not a token",
           "Use a method such as GET (RFC 9110 section 9)"}};
    }
  }
}

// cpprestsdk would offer the server to compress the transfer (TE, RFC 9110 section 10.1.4), and unpack it.
void RefuseCompressedTransfer(web::http::http_request const& request) {
  if (request.decompress_factories().empty()) return;
  throw Error{
      {errors::InvalidArgument, "the request asks for a compressed transfer, which this transport does not do",
       "Switch http_client_config::set_request_compressed_response on, which asks for a compressed body and unpacks it "
       "with the same factories, or leave set_decompress_factories out"}};
}

bool IsChunked(web::http::http_headers const& headers) {
  utility::string_t encoding;
  return headers.match(header_names::transfer_encoding, encoding) &&
         to_utf8string(encoding).find("chunked") != std::string::npos;
}

std::optional<std::uint64_t> KnownLength(web::http::http_headers const& headers) {
  utility::size64_t length = 0;
  if (IsChunked(headers) || !headers.match(header_names::content_length, length)) return std::nullopt;
  return length;
}

void AcceptCompressed(web::http::http_request const& request, Headers& fields) {
  namespace compression = web::http::compression;
  if (request.decompress_factories().empty() && !compression::builtin::supported()) return;
  fields.Set(
      "Accept-Encoding", to_utf8string(compression::details::build_supported_header(
                             compression::details::header_types::accept_encoding, request.decompress_factories())));
}

}  // namespace

TranslatedRequest Translate(
    web::http::http_request const& request,
    bool acceptCompressed,
    std::size_t chunkSize,
    std::shared_ptr<TransferObserver> const& observer) {
  auto method = to_utf8string(request.method());
  RefuseInvalidMethod(method);
  TranslatedRequest translated{
      {std::move(method), Url::Parse(to_utf8string(request.absolute_uri().to_string()))}, nullptr};
  auto& message = translated.Message;
  auto const& headers = request.headers();
  CopyHeaders(headers, message.Fields);
  message.ExpectContinue = headers.has(header_names::expect);
  if (acceptCompressed) {
    AcceptCompressed(request, message.Fields);
  } else {
    RefuseCompressedTransfer(request);
  }
  if (request.body()) {
    translated.Body = std::make_shared<IstreamBody>(request.body(), KnownLength(headers), chunkSize, observer);
    message.Body = translated.Body;
  } else if (request.method() == methods::POST || request.method() == methods::PUT) {
    // Servers want to be told that there is no body where one is usual.
    message.SetBody({});
  }
  return translated;
}

void PutUserAgentFirst(std::string const& userAgent, Headers& fields) {
  // cpprestsdk gives a request its own before any handler sees it, unless the application has set one.
  std::string const present{fields.Get("User-Agent")};
  if (!userAgent.empty() && present.rfind("cpprestsdk/", 0) == 0) fields.Set("User-Agent", userAgent + ' ' + present);
}

web::http::http_response TranslateHead(Response const& response) {
  web::http::http_response answer{static_cast<web::http::status_code>(response.StatusCode)};
  answer._get_impl()->_set_http_version(web::http::http_version{1, 1});
  answer.set_reason_phrase(to_string_t(response.ReasonPhrase));
  for (auto const& [name, value] : response.Fields) answer.headers().add(to_string_t(name), to_string_t(value));
  return answer;
}

bool IsWithoutBody(web::http::method const& method, Response const& response) {
  return method == methods::HEAD || response.StatusCode == web::http::status_codes::NoContent ||
         response.StatusCode == web::http::status_codes::NotModified ||
         (response.Body->Length() && *response.Body->Length() == 0);
}

}  // namespace mtlspop::cpprest
