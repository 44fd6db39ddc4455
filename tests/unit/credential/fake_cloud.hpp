#pragma once

/// @file
/// IMDS and the token service as a transport, in the test's own process and at the test's own time.

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "fake_authority.hpp"
#include "mtlspop/credential/attestation_provider.hpp"
#include "mtlspop/credential/managed_identity_credential.hpp"
#include "mtlspop/transport/http_transport.hpp"
#include "mtlspop/transport/log.hpp"
#include "support/either_way.hpp"
#include "support/manual_clock.hpp"

namespace mtlspop::test {

/// A request as it arrived.
struct Arrived {
  std::string Method;
  std::string Scheme;
  std::string Host;
  std::string Path;
  std::string Query;
  std::string Body;
  Headers Fields;
  /// Key id of the certificate it was sent with, "" for none.
  std::string X5tS256;
  bool NeverProxied = false;
  /// The form's fields, decoded, where it is a form.
  std::map<std::string, std::string> Form;
};

/// An answer.
struct Answer {
  int Status = 200;
  std::string Body;
  std::vector<Headers::Field> Fields;
};

std::string ToBase64Url(std::string const& data);
/// Unsigned, as far as anybody here looks.
std::string MakeJwt(nlohmann::json const& claims);

/// Answers in place of the services where it returns an answer. Can be replaced while requests are under way.
class Interceptor final {
 public:
  using Function = std::function<std::optional<Answer>(Arrived const&)>;

  Interceptor& operator=(Function function) {
    std::lock_guard<std::mutex> const lock{mutex_};
    function_ = std::move(function);
    return *this;
  }
  std::optional<Answer> operator()(Arrived const& arrived) const {
    Function function;
    {
      std::lock_guard<std::mutex> const lock{mutex_};
      function = function_;
    }
    return function ? function(arrived) : std::nullopt;
  }

 private:
  mutable std::mutex mutex_;
  Function function_;
};

/// Both services. What it says can be changed one field at a time; `Intercept` answers in its place.
///
/// Thread safety: `Send`, `Count`, `All` and `Dropped` may be called from any thread.
class FakeCloud final : public HttpTransport {
 public:
  explicit FakeCloud(std::shared_ptr<ManualClock> clock) : clock_(std::move(clock)) {}

  /// Answers instead of the services where it returns one. May throw what a transport throws, and may block.
  Interceptor Intercept;
  CertificateTerms Certificates;
  std::chrono::seconds TokenLife = std::chrono::hours{24};
  std::string TokenHost = "https://region.mtlsauth.microsoft.com";

  /// What the issued credential says it is for; "" for what fits the selectors that were seen.
  std::string IdentityType;

  /// Keeps numbers of requests only, for long runs.
  bool Forgets = false;

  static inline std::string const ClientId = "11111111-1111-1111-1111-111111111111";
  static inline std::string const TenantId = "22222222-2222-2222-2222-222222222222";

  std::unique_ptr<Response> Send(
      Request& request, std::shared_ptr<BindingCertificate const> const& binding, Context const& context) override;
  void DropConnections(std::string_view x5tS256) noexcept override;

  /// Requests that only asked which version IMDS is. They are in no other number.
  int Probes() const { return probes_; }
  /// Requests whose path ends so.
  std::vector<Arrived> All(std::string const& pathEnd) const;
  int Count(std::string const& pathEnd) const { return static_cast<int>(All(pathEnd).size()); }
  /// The `x5t#S256` whose connections were dropped.
  std::vector<std::string> Dropped() const;
  /// The same number as `Count`, also where requests are forgotten.
  int Total(std::string const& pathEnd) const;

  /// What the services say when nobody intercepts; for interceptors that change a part of it.
  Answer DefaultAnswer(Arrived const& arrived) const;
  nlohmann::json MetadataAnswer() const;
  nlohmann::json IssueAnswer(std::string const& requestBody) const;
  nlohmann::json TokenAnswer(Arrived const& arrived) const;

 private:
  std::shared_ptr<ManualClock> clock_;
  mutable std::mutex mutex_;
  std::vector<Arrived> arrived_;
  std::map<std::string, int> totals_;
  std::vector<std::string> dropped_;
  std::atomic<int> probes_{0};
  std::atomic<bool> asksForUsers_{false};
};

/// Whether it asks only which version IMDS is: without the header that version 2 insists on.
bool IsProbe(Arrived const& arrived);

/// Says this and nothing else.
Answer JsonAnswer(nlohmann::json const& body, int status = 200);
/// An error of the token service.
Answer TokenError(std::string const& error, std::string const& description, int status = 400);

/// Keys that were made beforehand, since making one takes a tenth of a second.
class ReadyKeys final : public KeyProvider {
 public:
  explicit ReadyKeys(KeyStrength strength = KeyStrength::Software) : strength_(strength) {}

  KeyStrength HighestStrength() const noexcept override { return strength_; }
  gsl::not_null<std::shared_ptr<BindingKey const>> GetOrCreateKey(KeyRequest const& request, Context const&) override;
  int Made() const noexcept { return made_; }
  /// Whether `Requests` grows.
  bool Remembers = true;
  std::vector<KeyRequest> Requests;

 private:
  KeyStrength strength_;
  std::atomic<int> made_{0};
};

/// Collects log lines.
///
/// Thread safety: all members may be called from any thread.
class LogLines final {
 public:
  EventSink MakeObserver() {
    return MakeLog(
        [this](Severity, std::string_view line) {
          std::lock_guard<std::mutex> const lock{mutex_};
          text_.append(line).append(1, '\n');
        },
        Severity::Debug);
  }
  std::string Text() const {
    std::lock_guard<std::mutex> const lock{mutex_};
    return text_;
  }

 private:
  mutable std::mutex mutex_;
  std::string text_;
};

/// What comes instead of a token that was refused.
inline AccessToken GetInsteadOf(
    TokenCredential& credential,
    AccessToken const& refused,
    TokenRequest const& request,
    RefusalReason reason = RefusalReason::BindingNoLongerGood) {
  credential.ReportRefusal(request, refused, reason);
  return GetEitherWay(credential, request, {});
}

/// A credential with its services, its clock and its log.
struct ManagedIdentityWorld {
  ManagedIdentityWorld() {
    Options.Keys = Keys;
    Options.Transport = Cloud;
    Options.Time = std::shared_ptr<Clock>{Time};
    Options.Random = [] { return 0.0; };
    Options.Observer = Lines->MakeObserver();
    Options.Environment = [this](char const* name) { return Environment.count(name) ? Environment.at(name) : ""; };
  }

  /// Makes the credential on first use.
  ManagedIdentityCredential& Credential() {
    if (!credential_) credential_ = std::make_unique<ManagedIdentityCredential>(Options);
    return *credential_;
  }
  AccessToken Get(TokenRequest const& request) { return GetEitherWay(Credential(), request, {}); }
  AccessToken Get() { return Get(Request()); }
  AccessToken GetInsteadOf(AccessToken const& refused, RefusalReason reason = RefusalReason::BindingNoLongerGood) {
    return test::GetInsteadOf(Credential(), refused, Request(), reason);
  }
  static TokenRequest Request(std::string scope = "https://vault.azure.net/.default") {
    TokenRequest request;
    request.Scopes = {std::move(scope)};
    return request;
  }
  void Drop() { credential_.reset(); }

  std::map<std::string, std::string> Environment;
  std::shared_ptr<ManualClock> Time = std::make_shared<ManualClock>();
  std::shared_ptr<FakeCloud> Cloud = std::make_shared<FakeCloud>(Time);
  std::shared_ptr<ReadyKeys> Keys = std::make_shared<ReadyKeys>();
  std::shared_ptr<LogLines> Lines = std::make_shared<LogLines>();
  ManagedIdentityCredentialOptions Options;

 private:
  std::unique_ptr<ManagedIdentityCredential> credential_;
};

}  // namespace mtlspop::test
