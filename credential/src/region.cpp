#include "region.hpp"

#include <algorithm>
#include <utility>

#include "json.hpp"
#include "mtlspop/base/uuid.hpp"
#include "mtlspop/credential/errors.hpp"

namespace mtlspop {
namespace {

constexpr char const* DefaultImds = "http://169.254.169.254";
constexpr char const* ComputePath = "/metadata/instance/compute?api-version=2021-02-01";
constexpr std::chrono::hours AskAgainAfter{1};
constexpr char const* Waiting = "Waiting for the region";

}  // namespace

bool IsRegionName(std::string_view text) noexcept {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
  });
}

std::string RegionFinder::Find(Context const& context) const {
  if (auto named = FromEnvironment(); !named.empty()) return named;
  for (;;) {
    std::optional<std::string> region;
    auto const flight = Join(region);
    if (region) return *region;
    if (!flight) return Ask(context);
    try {
      return flight->Wait(context, Waiting);
    } catch (Error const& error) {
      if (!IsOthersEnd(error, context)) throw;
    }
  }
}

std::shared_ptr<Flight<std::string>> RegionFinder::Join(std::optional<std::string>& region) const {
  auto& state = state_.Get();
  std::lock_guard<std::mutex> const lock{state.Mutex};
  bool const isKnown = state.Region && (!state.Region->empty() || client_.Time().SteadyNow() < state.AskAgain);
  if (isKnown) region = state.Region;
  if (isKnown || state.UnderWay) return state.UnderWay;
  state.UnderWay = std::make_shared<Flight<std::string>>();
  return nullptr;
}

std::string RegionFinder::Ask(Context const& context) const {
  auto& state = state_.Get();
  auto const land = [&](std::optional<std::string> region, Clock::SteadyTime askAgain) {
    std::lock_guard<std::mutex> const lock{state.Mutex};
    if (region) state.Region = std::move(region);
    state.AskAgain = askAgain;
    return std::exchange(state.UnderWay, nullptr);
  };
  std::shared_ptr<Flight<std::string>> flight;
  try {
    auto region = AskImds(context);
    auto told = region;
    auto const askAgain = client_.Time().SteadyNow() + WithJitter(AskAgainAfter, client_.Random());
    flight = land(region, askAgain);
    flight->Complete(std::move(told));
    return region;
  } catch (...) {
    auto failure = Failure::Current();
    if (!flight) flight = land(std::nullopt, client_.Time().SteadyNow());
    flight->Fail(failure);
    failure.Throw();
  }
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
