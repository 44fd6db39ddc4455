#include "http_message.hpp"

#include <algorithm>

#include <openssl/crypto.h>
#include <nlohmann/json.hpp>

#include "clock.hpp"

namespace mtlspop_emulator {
namespace {

std::string_view ReasonOf(unsigned status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 413:
      return "Payload Too Large";
    case 429:
      return "Too Many Requests";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    default:
      return "Status";
  }
}

}  // namespace

std::string_view Request::Find(std::string_view name) const {
  for (auto const& header : Headers) {
    if (EqualsIgnoringCase(header.Name, name)) {
      return header.Value;
    }
  }
  return {};
}

bool Request::Has(std::string_view name) const {
  for (auto const& header : Headers) {
    if (EqualsIgnoringCase(header.Name, name)) {
      return true;
    }
  }
  return false;
}

void Response::Set(std::string name, std::string value) {
  for (auto& header : Headers) {
    if (EqualsIgnoringCase(header.Name, name)) {
      header.Value = std::move(value);
      return;
    }
  }
  Headers.push_back({std::move(name), std::move(value)});
}

std::uint64_t Response::BodySize() const {
  if (GeneratedSize > 0) {
    return GeneratedSize;
  }
  return SharedBody ? SharedBody->size() : Body.size();
}

std::string HttpDate(std::time_t time) {
  std::tm parts{};
  OPENSSL_gmtime(&time, &parts);
  char text[40];
  std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return text;
}

std::string Response::Head(bool keepAlive, bool chunked) const {
  std::string head = "HTTP/1.1 " + std::to_string(Status) + " ";
  head.append(ReasonOf(Status)).append("\r\n");
  for (auto const& header : Headers) {
    head.append(header.Name).append(": ").append(header.Value).append("\r\n");
  }
  bool const isDated = std::any_of(
      Headers.begin(), Headers.end(), [](auto const& header) { return EqualsIgnoringCase(header.Name, "Date"); });
  if (!isDated) {
    head += "Date: " + HttpDate(Now()) + "\r\n";
  }
  if (chunked) {
    head += "Transfer-Encoding: chunked\r\n";
  } else if (Status != 204) {
    head += "Content-Length: " + std::to_string(BodySize()) + "\r\n";
  }
  head += keepAlive ? "\r\n" : "Connection: close\r\n\r\n";
  return head;
}

std::string JsonText(nlohmann::json const& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Response JsonResponse(unsigned status, nlohmann::json const& body) {
  Response response;
  response.Status = status;
  response.Body = JsonText(body);
  response.Set("Content-Type", "application/json; charset=utf-8");
  return response;
}

std::optional<nlohmann::json> ParseJsonObject(std::string_view text) {
  auto value = nlohmann::json::parse(text, nullptr, false);
  if (value.is_discarded() || !value.is_object()) {
    return std::nullopt;
  }
  return value;
}

}  // namespace mtlspop_emulator
