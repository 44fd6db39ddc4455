#include <array>
#include <utility>

#include "mtlspop/credential/client_certificate_credential.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/transport/url.hpp"
#include "region.hpp"
#include "tenants.hpp"

namespace mtlspop {
namespace {

struct KnownHost {
  std::string_view Authority;
  std::string_view Mtls;
};

/// Names that do not follow the rule `login.X` -> `mtlsauth.X`, and their aliases.
constexpr std::array<KnownHost, 6> KnownHosts{
    {{"login.microsoftonline.com", "mtlsauth.microsoft.com"},
     {"login.microsoft.com", "mtlsauth.microsoft.com"},
     {"login.windows.net", "mtlsauth.microsoft.com"},
     {"login.microsoftonline.us", "mtlsauth.microsoftonline.us"},
     {"login-us.microsoftonline.com", "mtlsauth.microsoftonline.us"},
     {"login.partner.microsoftonline.cn", "mtlsauth.partner.microsoftonline.cn"}}};

/// Aliases without a mutual-TLS host, and what to write in their place.
constexpr std::array<KnownHost, 3> RefusedHosts{
    {{"sts.windows.net", "https://login.microsoftonline.com"},
     {"login.usgovcloudapi.net", "https://login.microsoftonline.us"},
     {"login.chinacloudapi.cn", "https://login.partner.microsoftonline.cn"}}};

[[noreturn]] void Refuse(ErrorCode code, std::string what, std::string action) {
  throw Error{{code, std::move(what), std::move(action)}};
}

std::string MtlsHost(std::string const& authorityHost) {
  for (auto const& refused : RefusedHosts) {
    if (authorityHost != refused.Authority) continue;
    Refuse(
        errors::InvalidArgument, "The authority host " + authorityHost + " has no mutual-TLS token endpoint",
        "Give " + std::string{refused.Mtls} + " as the authority host");
  }
  for (auto const& known : KnownHosts) {
    if (authorityHost == known.Authority) return std::string{known.Mtls};
  }
  constexpr std::string_view prefix = "login.";
  if (authorityHost.compare(0, prefix.size(), prefix) != 0) {
    Refuse(
        errors::InvalidArgument,
        "The authority host " + authorityHost + " is not called login.something, so its mutual-TLS host is not known",
        "Give the authority host that people sign in at, for example https://login.microsoftonline.com");
  }
  return "mtlsauth." + authorityHost.substr(prefix.size());
}

}  // namespace

std::string MtlsTokenEndpoint(AuthorityOptions const& authority) {
  CheckTenant(authority.TenantId, "The credential's tenant");
  CheckAdditionalTenants(authority.AdditionallyAllowedTenants);
  auto const region = authority.Region == DiscoverRegion ? std::string{} : authority.Region;
  if (!region.empty() && !IsRegionName(region)) {
    Refuse(
        errors::InvalidArgument, "The region has other characters than letters, digits and hyphens",
        "Give a region as in \"westus3\", or none for the global endpoint");
  }
  auto const url = Url::Parse(authority.AuthorityHost);
  if (!url.IsHttps()) {
    Refuse(errors::InvalidArgument, "The authority host is no https URL", "Give it with https://");
  }
  auto host = MtlsHost(url.Host());
  if (!region.empty()) host = region + "." + host;
  if (url.Port() != 443) host += ":" + std::to_string(url.Port());
  return "https://" + host + "/" + authority.TenantId + "/oauth2/v2.0/token";
}

}  // namespace mtlspop
