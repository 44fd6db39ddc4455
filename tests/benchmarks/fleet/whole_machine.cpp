#include "fleet/whole_machine.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>

#include "credential/fake_cloud.hpp"
#include "mtlspop/transport/log.hpp"
#include "support/event.hpp"

namespace mtlspop::bench {
namespace {

using std::chrono::minutes;

/// Tells when nothing is under way in the background of a credential.
class BackgroundWork final {
 public:
  EventSink MakeObserver() {
    auto const count = [this](Severity, std::string_view line) {
      auto const event = line.substr(0, line.find(' '));
      if (event == "background.begun") ++begun_;
      if (event == "background.ended") ++ended_;
    };
    return MakeLog(count, Severity::Debug);
  }
  /// On the thread that calls the credential, between two calls.
  void WaitForItsEnd() const {
    if (begun_ == ended_) return;
    if (!test::Eventually([this] { return begun_ == ended_; })) throw std::runtime_error("background work hangs");
  }

 private:
  std::atomic<int> begun_{0};
  std::atomic<int> ended_{0};
};

class WholeMachine final {
 public:
  WholeMachine(int number, WallDuration start, RandomNumbers const& random, Traffic& traffic)
      : traffic_(traffic), offset_(traffic.Story.Deployed - clock_->Now()) {
    clock_->Advance(start);
    cloud_->Forgets = true;
    cloud_->Certificates.Life = traffic.Story.CertificateLife;
    cloud_->Certificates.Backdate = std::chrono::seconds{0};
    cloud_->TokenLife = traffic.Story.TokenLife;
    cloud_->Intercept = [this](test::Arrived const& arrived) { return Meet(arrived); };
    ManagedIdentityCredentialOptions options;
    // What the process knows of an address, each machine has to find out by itself.
    options.ImdsEndpoint = "http://machine-" + std::to_string(number) + ".example";
    options.Keys = std::make_shared<test::ReadyKeys>();
    options.Transport = cloud_;
    options.Time = clock_;
    options.Random = [this, random] {
      std::lock_guard<std::mutex> const lock{randomMutex_};
      return random();
    };
    options.Observer = work_.MakeObserver();
    options.Environment = [](char const*) { return std::string{}; };
    credential_ = std::make_unique<ManagedIdentityCredential>(options);
    request_.Scopes = {"https://vault.azure.net/.default"};
    noticesRefusalOn_ = traffic.Story.AllRefusedFrom + std::chrono::duration_cast<WallDuration>(minutes{1} * random());
  }

  void Run() {
    for (; Now() < traffic_.Story.End; clock_->Advance(minutes{1})) {
      auto const token = Ask();
      if (token && Now() >= noticesRefusalOn_ && bindingOf_.count(token->Binding->X5tS256()) != 0) {
        credential_->ReportRefusal(request_, *token, RefusalReason::BindingNoLongerGood);
        Ask();
      }
    }
  }

 private:
  WallTime Now() const { return clock_->Now() + offset_; }

  std::optional<AccessToken> Ask() {
    std::optional<AccessToken> token;
    try {
      token = credential_->GetToken(request_, {});
    } catch (Error const&) {
      ++traffic_.Noticed;
    }
    work_.WaitForItsEnd();
    return token;
  }

  std::optional<test::Answer> Meet(test::Arrived const& arrived) {
    auto const now = Now();
    if (arrived.Path.find("/issuecredential") != std::string::npos) {
      traffic_.Add(traffic_.Certificates, now);
      ++traffic_.CertificateCount;
    } else if (arrived.Path.find("/oauth2/v2.0/token") != std::string::npos) {
      traffic_.Add(traffic_.Tokens, now);
      ++traffic_.TokenCount;
      if (now < traffic_.Story.AllRefusedFrom) bindingOf_.insert(arrived.X5tS256);
      if (traffic_.Story.DownFrom <= now && now < traffic_.Story.UpFrom) {
        return test::TokenError("temporarily_unavailable", "down", 503);
      }
    }
    return std::nullopt;
  }

  Traffic& traffic_;
  std::shared_ptr<test::ManualClock> clock_ = std::make_shared<test::ManualClock>();
  WallDuration offset_;
  std::shared_ptr<test::FakeCloud> cloud_ = std::make_shared<test::FakeCloud>(clock_);
  std::mutex randomMutex_;
  BackgroundWork work_;
  std::set<std::string> bindingOf_;
  WallTime noticesRefusalOn_;
  TokenRequest request_;
  /// Last, so that its work ends first.
  std::unique_ptr<ManagedIdentityCredential> credential_;
};

}  // namespace

void RunWholeMachine(int number, WallDuration start, RandomNumbers const& random, Traffic& traffic) {
  WholeMachine{number, start, random, traffic}.Run();
}

}  // namespace mtlspop::bench
