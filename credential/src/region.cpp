#include "region.hpp"

#include <algorithm>

#include "json.hpp"
#include "mtlspop/base/uuid.hpp"
#include "mtlspop/credential/errors.hpp"

namespace mtlspop {
namespace {

constexpr char const* DefaultImds = "http://169.254.169.254";
constexpr char const* ComputePath = "/metadata/instance/compute?api-version=2021-02-01";
constexpr std::chrono::hours AskAgainAfter{1};

}  // namespace

bool IsRegionName(std::string_view text) noexcept {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
  });
}

std::string RegionFinder::Find(Context const& context) const {
  if (auto named = FromEnvironment(); !named.empty()) return named;
  auto& state = state_.Get();
  {
    std::lock_guard<std::mutex> const lock{state.Mutex};
    bool const isKnown = state.Region && (!state.Region->empty() || client_.Time().SteadyNow() < state.AskAgain);
    if (isKnown) return *state.Region;
  }
  auto region = AskImds(context);
  std::lock_guard<std::mutex> const lock{state.Mutex};
  state.Region = region;
  state.AskAgain = client_.Time().SteadyNow() + WithJitter(AskAgainAfter, client_.Random());
  return region;
}

std::string RegionFinder::FromEnvironment() const {
  if (!environment_) return "";
  for (char const* const name : {"REGION_NAME", "MSAL_FORCE_REGION"}) {
    auto text = environment_(name);
    // As the portal shows it: "West Europe".
    text.erase(std::remove(text.begin(), text.end(), ' '), text.end());
    if (IsRegionName(text)) return text;
  }
  return "";
}

std::string RegionFinder::AskImds(Context const& context) const {
  auto host = environment_ ? environment_("AZURE_POD_IDENTITY_AUTHORITY_HOST") : "";
  while (!host.empty() && host.back() == '/') host.pop_back();
  try {
    auto const correlationId = NewUuid();
    ServiceRequest request{"region", "GET",        Url::Parse((host.empty() ? DefaultImds : host) + ComputePath),
                           {},       {},           nullptr,
                           true,     correlationId};
    request.Fields.Set("Metadata", "true");
    request.Fields.Set("x-ms-client-request-id", correlationId);
    request.Timeout = std::chrono::seconds{1};
    auto const once = [](int, AttemptResult const&) { return std::optional<std::chrono::seconds>{}; };
    auto const response = client_.Send(request, once, context);
    auto const object = response.StatusCode == 200 ? json::ParseObject(response.Body) : std::nullopt;
    auto const location = object ? json::FindString(*object, "location") : std::nullopt;
    if (location && IsRegionName(*location)) return *location;
    client_.Observer().Tell(Severity::Info, "region.not_found", {{"status", response.StatusCode}});
  } catch (Error const& error) {
    if (error.Code() == errors::Cancelled || context.IsExpired()) throw;
    client_.Observer().Tell(Severity::Info, "region.not_found", {{"error", error.Code().Name()}});
  }
  return "";
}

}  // namespace mtlspop
