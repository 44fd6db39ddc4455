#include "gateway/status.hpp"

#include <cstddef>
#include <exception>
#include <utility>

#include "gateway/listener.hpp"
#include "gateway/metered_credential.hpp"
#include "gateway/status_site.hpp"

namespace mtlspop::gateway {
namespace {

// Whoever asks for readiness has no more tokens asked for than this.
constexpr std::chrono::seconds TryInterval{10};
constexpr std::chrono::seconds TryTime{30};
constexpr std::size_t MaximumConnections = 64;

}  // namespace

CredentialChoice Status::Metered(CredentialChoice choice) const {
  return [choice = std::move(choice), metrics = metrics_](ManagedIdentityId const& identity) {
    return std::make_shared<MeteredCredential>(choice(identity), identity.ToString(), metrics);
  };
}

std::function<void(NotAccepted)> Status::Refusals(EventSink observer) const {
  return [metrics = metrics_, observer = std::move(observer)](NotAccepted why) {
    try {
      auto const count = metrics->RecordNotAccepted(why, std::chrono::steady_clock::now());
      if (count == 0) return;
      observer.Tell(
          Severity::Warning, "gateway.connection_not_accepted",
          {{"reason", ToString(why)}, {"count", static_cast<std::int64_t>(count)}});
    } catch (std::exception const&) {  // NOLINT(bugprone-empty-catch): no memory even to count
    }
  };
}

std::uint16_t Status::Open(std::uint16_t port, Runtime& runtime, Sources sources) {
  sources_ = std::move(sources);
  auto const listener = Listener::OnLoopback(runtime.Loops(), port, Callers::Anybody);
  StatusSite::Sources site;
  site.WhyNotReady = [this] { return WhyNotReady(); };
  site.MetricsText = [this, &runtime] {
    return metrics_->Text(
        std::chrono::system_clock::now(), runtime.CountConnections(), sources_.Transport->PoolStatistics());
  };
  auto settings = std::make_shared<ConnectionSettings>();
  settings->Limits.FirstRequestTime = FirstRequestTimeOfStrangers;
  settings->OnNotAccepted = Refusals(sources_.Observer);
  runtime.Serve(
      listener, std::make_shared<StatusSite>(std::move(site), listener->Port()), std::move(settings),
      MaximumConnections);
  return listener->Port();
}

// Without tokens nothing can be served. Where nobody sends requests for that reason, nobody else would notice that there are
// some again.
std::string Status::WhyNotReady() {
  if (stopping_) return "stopping";
  auto const trouble = metrics_->TokenTrouble();
  if (trouble.empty()) return {};
  TryAToken();
  return "no tokens: " + trouble;
}

void Status::TryAToken() {
  {
    std::lock_guard<std::mutex> const lock{mutex_};
    auto const now = std::chrono::steady_clock::now();
    if (now < nextTry_) return;
    nextTry_ = now + TryInterval;
  }
  try {
    // What comes of it is counted by the credential.
    auto const grant = sources_.GrantToTry();
    if (grant) sources_.Road->GetToken(*grant, Context{}.WithTimeout(TryTime), [](Outcome<AccessToken> const&) {});
  } catch (std::exception const&) {
    // There is no such identity: it stays as it is.
  }
}

}  // namespace mtlspop::gateway
