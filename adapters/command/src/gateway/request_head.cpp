#include "gateway/request_head.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "mtlspop/base/field_text.hpp"

namespace mtlspop::gateway {
namespace {

constexpr std::array<std::string_view, 12> ConnectionFields = {
    "Connection",
    "Keep-Alive",
    "Proxy-Authenticate",
    "Proxy-Authentication-Info",
    "Proxy-Authorization",
    "Proxy-Connection",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
    "HTTP2-Settings",
    "Content-Length"};

// Named in `Connection`, these would have to be left out, and the request would be another one.
constexpr std::array<std::string_view, 6> NeverOfAConnection = {"Authorization", "Content-Length", "Content-Type",
                                                                "Host",          "Metadata",       "Transfer-Encoding"};

constexpr std::array<std::string_view, 3> ForwardingFields = {"Forwarded", "X-Forwarded-For", "X-Real-IP"};

template <class Names>
bool Contains(Names const& names, std::string_view name) {
  return std::any_of(names.begin(), names.end(), [&](auto const& each) { return EqualsIgnoreCase(each, name); });
}

bool IsSpace(char letter) noexcept { return letter == ' ' || letter == '\t'; }

std::string_view Trimmed(std::string_view text) noexcept {
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> NamesIn(Headers const& fields, std::string_view field) {
  std::vector<std::string_view> names;
  for (auto rest : fields.GetAll(field)) {
    while (!rest.empty()) {
      auto const comma = rest.find(',');
      names.push_back(Trimmed(rest.substr(0, comma)));
      rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
    }
  }
  return names;
}

std::optional<std::uint64_t> NumberIn(std::string_view text) noexcept {
  std::uint64_t number = 0;
  auto const [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  // Digits alone: from_chars takes no sign for an unsigned number, and the end has to be the text's.
  if (text.empty() || problem != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

Failure Malformed(std::string what) {
  return ClosingFailure(
      400, "malformed_request", std::move(what),
      "See which client or proxy wrote this request: it could be read in two ways, and is not sent on");
}

bool IsVisible(char letter) noexcept { return letter > ' ' && letter < '\x7f'; }

std::optional<Failure> RefusalOfLine(RequestHead const& head) {
  if (head.Version != 10 && head.Version != 11) return Malformed("The request is of another version than HTTP/1.1");
  bool const isPlain = std::all_of(head.Target.begin(), head.Target.end(), [](char letter) {
    return IsVisible(letter) && letter != '#' && letter != '\\' && letter != '"' && letter != '<' && letter != '>';
  });
  if (head.Target.empty() || !isPlain)
    return Malformed("The request's target holds a character that a URL cannot hold");
  return std::nullopt;
}

std::optional<Failure> RefusalOfFraming(RequestHead const& head) {
  auto const lengths = head.Fields.GetAll("Content-Length");
  auto const codings = head.Fields.GetAll("Transfer-Encoding");
  if (lengths.size() > 1) return Malformed("The request has more than one Content-Length");
  if (!lengths.empty() && !codings.empty()) {
    return Malformed("The request has both a Content-Length and a Transfer-Encoding");
  }
  if (!lengths.empty() && !NumberIn(lengths.front())) return Malformed("The request's Content-Length is no number");
  if (codings.size() > 1 || (!codings.empty() && !EqualsIgnoreCase(codings.front(), "chunked"))) {
    return Malformed("The request's Transfer-Encoding is another one than chunked");
  }
  if (!codings.empty() && head.Version == 10)
    return Malformed("The request is of HTTP/1.0 and has a Transfer-Encoding");
  return std::nullopt;
}

std::optional<Failure> RefusalOfFields(RequestHead const& head) {
  auto const hosts = head.Fields.GetAll("Host");
  if (hosts.size() > 1) return Malformed("The request has more than one Host");
  if (hosts.empty() && head.Version == 11) return Malformed("The request has no Host");
  for (auto const& [name, value] : head.Fields) {
    if (Contains(ForwardingFields, name)) {
      return ClosingFailure(
          403, "forwarded_request_refused", "The request has " + name + ": somebody else has sent it on to the gateway",
          "Call the gateway directly: it serves the programs of this machine and must not be reached through a proxy");
    }
    if (!IsFieldText(value)) return Malformed("A field of the request holds a control character");
  }
  for (auto const name : NamesIn(head.Fields, "Connection")) {
    if (Contains(NeverOfAConnection, name)) {
      return Malformed("The request's Connection names a field that belongs to the request");
    }
  }
  return std::nullopt;
}

std::optional<Failure> RefusalOfExpectation(RequestHead const& head) {
  auto const expectations = head.Fields.GetAll("Expect");
  bool const isKnown = std::all_of(
      expectations.begin(), expectations.end(), [](auto value) { return EqualsIgnoreCase(value, "100-continue"); });
  if (isKnown) return std::nullopt;
  return ClosingFailure(
      417, "expectation_failed", "The request expects something else than 100-continue", "Leave the Expect field out");
}

}  // namespace

EndToEndFields::EndToEndFields(Headers const& fields) : nominated_(NamesIn(fields, "Connection")) {}

bool EndToEndFields::Has(std::string_view name) const noexcept {
  return !Contains(ConnectionFields, name) && !Contains(nominated_, name);
}

RequestHead HeadFrom(boost::beast::http::request_header<> const& header, bool keepsAlive) {
  RequestHead head;
  head.Method = std::string{header.method_string()};
  head.Target = std::string{header.target()};
  head.Version = header.version();
  for (auto const& field : header) head.Fields.Add(std::string{field.name_string()}, std::string{field.value()});
  head.Host = std::string{head.Fields.Get("Host")};
  head.IsChunked = head.Fields.Contains("Transfer-Encoding");
  bool const isConnect = head.Method == "CONNECT";
  if (!head.IsChunked && !isConnect) head.ContentLength = NumberIn(head.Fields.Get("Content-Length"));
  head.ExpectsContinue = head.Version == 11 && head.HasBody() && head.Fields.Contains("Expect");
  head.KeepsAlive = keepsAlive && !isConnect;
  return head;
}

std::optional<Failure> RefusalOf(RequestHead const& head) {
  for (auto* const rule : {RefusalOfLine, RefusalOfFraming, RefusalOfFields, RefusalOfExpectation}) {
    if (auto refusal = rule(head)) return refusal;
  }
  return std::nullopt;
}

Headers FieldsToPassOn(RequestHead const& head) {
  constexpr std::array<std::string_view, 3> writtenAnew = {"Host", "Expect", "x-ms-tokenboundauth"};
  EndToEndFields const passed{head.Fields};
  Headers fields;
  // And for what the library adds on the way.
  fields.Reserve(head.Fields.Size() + 5);
  for (auto const& [name, value] : head.Fields) {
    if (passed.Has(name) && !Contains(writtenAnew, name)) fields.Add(name, value);
  }
  return fields;
}

}  // namespace mtlspop::gateway
