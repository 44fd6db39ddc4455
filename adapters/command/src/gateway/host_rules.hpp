#pragma once

/// @file
/// Which hosts the gateway answers for, and which resource's tokens go to each.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mtlspop::gateway {

/// One host, or all names below one, and whose tokens they take.
struct HostRule {
  /// "name" or "*.name", in lower case, never an address.
  std::string Pattern;
  std::uint16_t Port = 443;
  /// What tokens for it are asked for, for example "https://vault.azure.net": the first is the one that is used where nobody
  /// names one.
  std::vector<std::string> Resources;
  /// Whether programs that have a token of these resources call this host with it. Where none of a resource's usual hosts is on
  /// the list, a handle for it would go past the gateway.
  bool IsUsual = true;

  /// Reads "host", "host:port", "*.name" or ".name", each with "=resource" behind it where its tokens are for another resource than
  /// "https://host".
  /// @throw Error `invalid_argument` for an address, for "*" alone or above a single label, for a pattern of all names without
  /// a resource, and for a name that is none (RFC 1123 section 2.1).
  static HostRule Parse(std::string_view text);

  bool Matches(std::string_view host, std::uint16_t port) const noexcept;
};

/// The hosts of `KnownAzureHosts()`.
std::vector<HostRule> AzureHostRules();

/// The list of hosts that the gateway answers for. Hosts that are not on it are none of its business.
///
/// Thread safety: immutable.
class HostRules final {
 public:
  /// Where two rules are for the same names, these take tokens of both rules' resources.
  explicit HostRules(std::vector<HostRule> const& rules);

  /// The rule for `host`, as `NormalHost` gives it: of several the one for the fewest names, whatever their order. Null where it
  /// is not on the list.
  HostRule const* Find(std::string_view host, std::uint16_t port) const noexcept;
  /// Whether tokens of `resource`, as `NormalResource` gives it, go to a usual host on the list.
  bool HasResource(std::string_view resource) const;
  /// Whether `resource`, which `HasResource` does not know, may be another name of one that it knows: an application id, or a URL
  /// with another scheme, port or path. The metadata service gives tokens for either name.
  bool MayHaveByAnotherName(std::string_view resource) const;
  /// Whether tokens of `resource` go to this host: it is the resource of its rule, or the host's own URL.
  bool Takes(HostRule const& rule, std::string_view host, std::string_view resource) const;
  /// The names that an authority needs to vouch for all of them: "*." is left out, which name constraints imply.
  std::vector<std::string> PermittedNames() const;

 private:
  std::vector<HostRule> rules_;
};

/// `host` in lower case without its final dot; "" where it is no name of the domain name system: an address, for example.
std::string NormalHost(std::string_view host);

/// Whether `text`, "host" or "host:port", means this host and port; without a port it is 443.
bool IsAuthority(std::string_view text, std::string_view host, std::uint16_t port);

/// `resource` without "/.default" and without slashes at its end, scheme and host in lower case; "" where it cannot be one.
std::string NormalResource(std::string_view resource);

}  // namespace mtlspop::gateway
