#pragma once

/// @file
/// Absolute http and https URLs, as far as a client needs them (RFC 3986, RFC 9110 section 4.2).

#include <cstdint>
#include <string>
#include <string_view>

#include "mtlspop/export.hpp"

namespace mtlspop {

/// Scheme, host and port: what a connection is made to (RFC 6454 section 4).
struct MTLSPOP_EXPORT Origin {
  /// "http" or "https".
  std::string Scheme;
  /// Lower case and without a final dot; an IPv6 address without its brackets.
  std::string Host;
  /// 1 to 65535.
  std::uint16_t Port = 0;

  /// Whether the scheme is https.
  bool IsHttps() const noexcept { return Scheme == "https"; }
  /// "https://host:port", the port always written.
  std::string ToString() const;
  /// "host:port" for a CONNECT request, brackets included.
  std::string HostAndPort() const;

  friend bool operator==(Origin const& left, Origin const& right) noexcept {
    return left.Port == right.Port && left.Host == right.Host && left.Scheme == right.Scheme;
  }
  friend bool operator!=(Origin const& left, Origin const& right) noexcept { return !(left == right); }
};

/// An absolute URL. Immutable.
class MTLSPOP_EXPORT Url final {
 public:
  /// Reads an absolute http or https URL. A fragment is dropped: it never goes on the wire.
  /// @throw Error `invalid_argument` for another scheme, user information ("user@"), a missing host, a port out of
  /// range, a character that a URL cannot hold (control characters and spaces included), or a broken %-escape.
  static Url Parse(std::string_view text);

  /// Scheme, host and port.
  Origin const& GetOrigin() const noexcept { return origin_; }
  /// Whether the scheme is https.
  bool IsHttps() const noexcept { return origin_.IsHttps(); }
  /// The host, as in `Origin::Host`.
  std::string const& Host() const noexcept { return origin_.Host; }
  /// The port, 1 to 65535; the scheme's own (80 or 443) where the URL names none.
  std::uint16_t Port() const noexcept { return origin_.Port; }
  /// Path and query as they stand in a request line; begins with '/'.
  std::string const& Target() const noexcept { return target_; }
  /// Path alone, without the query.
  std::string_view Path() const noexcept;
  /// Query alone, without '?'; empty where there is none.
  std::string_view Query() const noexcept;
  /// The value of the Host header: the port only where it is not the scheme's own.
  std::string const& HostHeader() const noexcept { return hostHeader_; }
  /// The URL as a text. It may hold a secret in its query: a log gets it through `Redact()`.
  std::string ToString() const;

  /// A copy with another path and query. A fragment is dropped.
  /// @throw Error `invalid_argument` for one that does not begin with '/', or holds what `Parse` refuses
  Url WithTarget(std::string_view target) const;
  /// A copy with `name=value` added to the query; both are %-encoded.
  Url WithQueryParameter(std::string_view name, std::string_view value) const;

 private:
  Url() = default;
  Origin origin_;
  std::string target_;
  std::string hostHeader_;
};

/// `text` with every byte outside RFC 3986's unreserved set written as %XX.
MTLSPOP_EXPORT std::string PercentEncode(std::string_view text);

}  // namespace mtlspop
