#pragma once

/// @file
/// Where a request really goes, and which TLS version it may use there.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mtlspop/transport/http_transport.hpp"

namespace mtlspop {

/// What the options say about one origin.
struct Destination {
  /// What is connected to: the host and port of the URL, or of the override.
  std::string Host;
  std::uint16_t Port = 0;
  /// An override is meant literally: no proxy then.
  bool IsOverridden = false;
  TlsVersion MaximumVersion = TlsVersion::Tls13;
};

/// The options that decide about it, read once.
///
/// Thread safety: immutable.
class DestinationTable final {
 public:
  /// @throw Error `invalid_argument`
  explicit DestinationTable(TransportOptions const& options);

  Destination For(Origin const& origin, bool isBound) const;

 private:
  struct Place {
    std::string Host;
    std::uint16_t Port = 0;
  };
  struct Override {
    Place From;
    bool Below = false;
    Place To;
  };

  static Place ParsePlace(std::string_view text, char const* option);
  Override const* OverrideFor(Origin const& origin) const noexcept;

  std::vector<Override> overrides_;
  std::vector<std::pair<Origin, TlsVersion>> boundVersions_;
  TlsVersion minimumVersion_;
};

}  // namespace mtlspop
