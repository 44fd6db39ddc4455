#include "mtlspop/transport/url.hpp"

#include <algorithm>

#include "ip_address.hpp"
#include "mtlspop/base/encoding.hpp"
#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/headers.hpp"

namespace mtlspop {
namespace {

[[noreturn]] void Refuse(std::string const& why) {
  ErrorDetails details{
      errors::InvalidArgument, "The URL cannot be used: " + why,
      "Give an absolute URL of the form https://host[:port]/path[?query]"};
  details.NothingSent = true;
  throw Error{std::move(details)};
}

constexpr bool IsDigit(char character) noexcept { return character >= '0' && character <= '9'; }

constexpr bool IsHexDigit(char character) noexcept {
  return IsDigit(character) || (character >= 'a' && character <= 'f') || (character >= 'A' && character <= 'F');
}

constexpr bool IsAlpha(char character) noexcept {
  return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z');
}

/// RFC 3986 section 2.3.
constexpr bool IsUnreserved(char character) noexcept {
  return IsAlpha(character) || IsDigit(character) || character == '-' || character == '.' || character == '_' ||
         character == '~';
}

/// Printable ASCII but for those that RFC 3986 never allows. Square brackets, the bar and the caret do occur in queries
/// of real services and do no harm there.
constexpr bool IsTargetCharacter(char character) noexcept {
  return character > ' ' && character < 0x7f && character != '"' && character != '<' && character != '>' &&
         character != '\\' && character != '`' && character != '{' && character != '}';
}

std::uint16_t ParsePort(std::string_view text) {
  if (text.empty() || text.size() > 5 || !std::all_of(text.begin(), text.end(), IsDigit)) {
    Refuse("its port is not a number from 1 to 65535");
  }
  int port = 0;
  for (char const digit : text) {
    port = port * 10 + (digit - '0');
  }
  if (port < 1 || port > 65535) {
    Refuse("its port is not a number from 1 to 65535");
  }
  return static_cast<std::uint16_t>(port);
}

void CheckTarget(std::string_view target) {
  for (std::size_t index = 0; index < target.size(); ++index) {
    if (!IsTargetCharacter(target[index])) {
      Refuse("it holds a character that has to be %-encoded");
    }
    if (target[index] == '%' &&
        (index + 2 >= target.size() || !IsHexDigit(target[index + 1]) || !IsHexDigit(target[index + 2]))) {
      Refuse("it holds a broken %-escape");
    }
  }
}

std::string ParseHost(std::string_view text, bool bracketed) {
  std::string host{text};
  std::transform(host.begin(), host.end(), host.begin(), [](char character) {
    return IsAlpha(character) ? static_cast<char>(character | 0x20) : character;
  });
  if (host.empty()) {
    Refuse("it has no host");
  }
  if (host.front() == '.' || host.find("..") != std::string::npos) {
    Refuse("its host has an empty label");
  }
  if (!bracketed && host.back() == '.') {
    // The same name (RFC 1034 section 3.1), and one spelling of it from here on: certificates and the TLS hello have no
    // final dot (RFC 6066 section 3), and two spellings would be two origins.
    host.pop_back();
  }
  // In brackets stands an address of version 6 and nothing else (RFC 3986 section 3.2.2): without its colons it would be
  // another host where it is written again.
  if (bracketed && !ParseIpAddress("[" + host + "]")) {
    Refuse("what stands in brackets is no IPv6 address");
  }
  if (!bracketed && !std::all_of(host.begin(), host.end(), IsUnreserved)) {
    Refuse("its host holds a character that a host name cannot hold");
  }
  return host;
}

}  // namespace

std::string Origin::HostAndPort() const {
  bool const literal = Host.find(':') != std::string::npos;
  return (literal ? "[" + Host + "]" : Host) + ":" + std::to_string(Port);
}

std::string Origin::ToString() const { return Scheme + "://" + HostAndPort(); }

Url Url::Parse(std::string_view text) {
  Url url;
  auto const separator = text.find("://");
  if (separator == std::string_view::npos) {
    Refuse("it is not absolute");
  }
  auto const scheme = text.substr(0, separator);
  if (EqualsIgnoreCase(scheme, "https")) {
    url.origin_.Scheme = "https";
  } else if (EqualsIgnoreCase(scheme, "http")) {
    url.origin_.Scheme = "http";
  } else {
    Refuse("its scheme is neither http nor https");
  }
  auto rest = text.substr(separator + 3);
  rest = rest.substr(0, rest.find('#'));
  // Not `find_first_of`, which calls a function for each character.
  auto const authorityEnd = std::min({rest.find('/'), rest.find('?'), rest.size()});
  auto const authority = rest.substr(0, authorityEnd);
  auto const target = rest.substr(authorityEnd);
  if (authority.find('@') != std::string_view::npos) {
    Refuse("it holds user information, which is not sent");
  }

  bool const bracketed = !authority.empty() && authority.front() == '[';
  auto const hostEnd = bracketed ? authority.find(']') : std::min(authority.find(':'), authority.size());
  if (hostEnd == std::string_view::npos) {
    Refuse("its IPv6 address has no closing bracket");
  }
  url.origin_.Host =
      bracketed ? ParseHost(authority.substr(1, hostEnd - 1), true) : ParseHost(authority.substr(0, hostEnd), false);
  auto const afterHost = authority.substr(bracketed ? hostEnd + 1 : hostEnd);
  std::uint16_t const standardPort = url.origin_.IsHttps() ? 443 : 80;
  if (!afterHost.empty() && afterHost.front() != ':') {
    Refuse("something stands between its host and its port");
  }
  url.origin_.Port = afterHost.size() > 1 ? ParsePort(afterHost.substr(1)) : standardPort;

  CheckTarget(target);
  url.target_ = target.empty() || target.front() != '/' ? "/" + std::string{target} : std::string{target};
  url.hostHeader_ = url.origin_.HostAndPort();
  if (url.origin_.Port == standardPort) {
    url.hostHeader_.resize(url.hostHeader_.rfind(':'));
  }
  return url;
}

std::string_view Url::Path() const noexcept { return std::string_view{target_}.substr(0, target_.find('?')); }

std::string_view Url::Query() const noexcept {
  auto const mark = target_.find('?');
  return mark == std::string::npos ? std::string_view{} : std::string_view{target_}.substr(mark + 1);
}

std::string Url::ToString() const { return origin_.Scheme + "://" + hostHeader_ + target_; }

Url Url::WithTarget(std::string_view target) const {
  target = target.substr(0, target.find('#'));
  if (target.empty() || target.front() != '/') {
    Refuse("its path does not begin with /");
  }
  CheckTarget(target);
  Url url = *this;
  url.target_ = target;
  return url;
}

Url Url::WithQueryParameter(std::string_view name, std::string_view value) const {
  Url url = *this;
  url.target_ += target_.find('?') == std::string::npos ? '?' : '&';
  url.target_ += PercentEncode(name) + "=" + PercentEncode(value);
  return url;
}

std::string PercentEncode(std::string_view text) {
  std::string encoded;
  for (char const character : text) {
    if (IsUnreserved(character)) {
      encoded += character;
    } else {
      auto const byte = static_cast<unsigned char>(character);
      encoded += '%';
      encoded += encoding::HexDigits[byte >> 4U];
      encoded += encoding::HexDigits[byte & 15U];
    }
  }
  return encoded;
}

}  // namespace mtlspop
