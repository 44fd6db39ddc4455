#include "hints.hpp"

#include <algorithm>
#include <iterator>

#include "errors.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/policies/errors.hpp"

namespace mtlspop::command {
namespace {

struct Row {
  ErrorCode Code;
  std::string_view Hint;
};

constexpr std::string_view Bearer =
    "--binding preferred takes a bearer token where no bound one can be had; whoever steals that can use it";

constexpr Row Rows[] = {
    {errors::ServerCertificateRejected, "name the authority with --cacert where it is one of your own"},
    {errors::TlsHandshakeFailed, "-v shows how far it came; what stands on the way may end TLS"},
    {errors::TrustStoreUnusable, "the file is that of --cacert, or else of MTLSPOP_CA_FILE"},
    {errors::ScopesUnknown, "name what the token is for with --resource or --scope"},
    {errors::ChallengeRejected, "name what the token is for with --resource or --scope, where you trust this host"},
    {errors::TenantNotAllowed, "--allow-tenant allows it"},
    {errors::ImdsNotReachable, "elsewhere than on an Azure virtual machine, use an application's certificate: --cert"},
    {errors::NotImds, "--metadata-endpoint says where it is"},
    {errors::MtlsPopNotSupportedInImdsV1, Bearer},
    {errors::MtlsPopRequiresKeyGuard, Bearer},
    {errors::MtlsPopDisabled, Bearer},
    {errors::ResourceDoesNotSupportBoundTokens, Bearer},
    {errors::MinimumStrengthNotAvailable,
     "mtlspop doctor says which keys can be had; --key chooses, --min-strength asks"},
    {errors::ProxyFailed,
     "the proxy is that of --proxy, or else of HTTPS_PROXY; --noproxy names what is reached without it"},
    {errors::DeadlineExceeded, "--max-time allows more"},
};

}  // namespace

std::string_view HintFor(std::exception const& error) noexcept {
  try {
    std::rethrow_if_nested(error);
  } catch (std::exception const& cause) {
    auto const* const own = dynamic_cast<Error const*>(&cause);
    // The time that ran out inside another failure was a single step's own, and no option allows it more.
    bool const isOfAStep = own != nullptr && own->Code() == errors::DeadlineExceeded;
    if (auto const hint = isOfAStep ? std::string_view{} : HintFor(cause); !hint.empty()) return hint;
  } catch (...) {
    // Not of this library: it says nothing about options.
  }
  auto const* const own = dynamic_cast<Error const*>(&error);
  if (own == nullptr) return {};
  auto const row =
      std::find_if(std::begin(Rows), std::end(Rows), [&](Row const& known) { return known.Code == own->Code(); });
  return row == std::end(Rows) ? std::string_view{} : row->Hint;
}

}  // namespace mtlspop::command
