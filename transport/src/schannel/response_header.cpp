#include "schannel/response_header.hpp"

#include <string>
#include <utility>

#include "mtlspop/base/windows/wide_text.hpp"
#include "mtlspop/transport/error.hpp"

namespace mtlspop::schannel {
namespace {

[[noreturn]] void Refuse(ErrorCode code, char const* what, char const* action) {
  throw Error{ErrorDetails{code, what, action}};
}

[[noreturn]] void RefuseStatusLine() {
  Refuse(
      errors::MalformedResponse, "The answer's status line is not one of HTTP/1.1",
      "Check what answers at this address");
}

std::string_view Trim(std::string_view text) {
  auto const first = text.find_first_not_of(" \t");
  return first == std::string_view::npos ? std::string_view{}
                                         : text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

void ParseStatusLine(std::string_view line, Response& response) {
  auto const space = line.find(' ');
  if (line.substr(0, 5) != "HTTP/" || space == std::string_view::npos || line.size() < space + 4) {
    RefuseStatusLine();
  }
  int status = 0;
  for (char const digit : line.substr(space + 1, 3)) {
    if (digit < '0' || digit > '9') {
      RefuseStatusLine();
    }
    status = status * 10 + (digit - '0');
  }
  if (status < 200) {
    RefuseStatusLine();
  }
  response.StatusCode = status;
  response.ReasonPhrase = std::string{Trim(line.substr(space + 4))};
}

void ParseField(std::string_view line, TransportLimits const& limits, Response& response) {
  auto const colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) {
    Refuse(
        errors::MalformedResponse, "The answer has a header field without a name",
        "Check what answers at this address");
  }
  if (response.Fields.Size() == limits.HeaderCount) {
    Refuse(
        errors::HeaderCountLimitExceeded, "The answer has more header fields than TransportLimits::HeaderCount",
        "Check what the server sends, or raise the limit");
  }
  response.Fields.Add(std::string{line.substr(0, colon)}, std::string{Trim(line.substr(colon + 1))});
}

}  // namespace

void ParseResponseHeader(std::wstring_view text, TransportLimits const& limits, Response& response) {
  auto const bytes = NarrowBytes(text);
  if (bytes.size() > limits.HeaderBytes) {
    Refuse(
        errors::HeaderBytesLimitExceeded, "The answer's header is larger than TransportLimits::HeaderBytes",
        "Check what the server sends, or raise the limit");
  }
  std::string_view rest = bytes;
  bool isFirst = true;
  while (!rest.empty()) {
    auto const end = rest.find("\r\n");
    auto const line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 2);
    if (line.size() > limits.LineBytes) {
      Refuse(
          errors::LineBytesLimitExceeded, "A line of the answer's header is longer than TransportLimits::LineBytes",
          "Check what the server sends, or raise the limit");
    }
    if (isFirst) {
      ParseStatusLine(line, response);
      isFirst = false;
    } else if (!line.empty()) {
      ParseField(line, limits, response);
    }
  }
  if (isFirst) {
    RefuseStatusLine();
  }
}

}  // namespace mtlspop::schannel
