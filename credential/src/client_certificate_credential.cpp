#include "mtlspop/credential/client_certificate_credential.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <optional>
#include <utility>

#include "binding_life.hpp"
#include "cached_tokens.hpp"
#include "confidential_client.hpp"
#include "crypto.hpp"
#include "failure.hpp"
#include "mtlspop/base/encoding.hpp"
#include "mtlspop/base/per_process.hpp"
#include "mtlspop/base/uuid.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/transport/environment.hpp"
#include "mtlspop/transport/required.hpp"
#include "secret_file.hpp"
#include "tell_failure.hpp"
#include "token_times.hpp"
#include "validity_text.hpp"
#include "watch.hpp"

namespace mtlspop {
namespace {

/// A certificate that somebody renews in time is noticed in time, and a disk is not kept busy.
constexpr std::chrono::seconds ShortestLook{1};
constexpr std::chrono::seconds LongestLook{60};
/// Longer than a device takes, and not for ever: others wait for their turn to look.
constexpr std::chrono::seconds LongestReload{30};

ClientCertificateCredentialOptions WithBoundedReloadInterval(ClientCertificateCredentialOptions options) {
  options.ReloadInterval = std::clamp(options.ReloadInterval, ShortestLook, LongestLook);
  return options;
}

/// Whose events these are.
ClientCertificateCredentialOptions WithNamedEvents(ClientCertificateCredentialOptions options) {
  options.Observer = options.Observer.With(
      {{"credential", "ClientCertificateCredential"},
       {"identity", "client_id=" + options.ClientId},
       {"tenant", options.TenantId}});
  return options;
}

using Certificate = std::shared_ptr<BindingCertificate const>;
using Digest = std::array<std::uint8_t, 32>;

/// A certificate and what it was read from, so that a change is noticed.
struct LoadedCertificate {
  Certificate Current;
  std::optional<Digest> ContentDigest;
};

void CheckSources(ClientCertificateCredentialOptions const& options) {
  int const sources = (options.CertificatePath.empty() ? 0 : 1) + (options.CertificateContent.Empty() ? 0 : 1) +
                      (options.CertificateUri.empty() ? 0 : 1) + (options.Certificate ? 1 : 0) +
                      (options.CertificateSource ? 1 : 0);
  if (sources == 1) return;
  throw Error{
      {errors::InvalidArgument,
       "The credential was given " + std::to_string(sources) + " sources of its certificate instead of one",
       "Set exactly one of CertificatePath, CertificateContent, CertificateUri, Certificate and CertificateSource"}};
}

Certificate FromSource(ClientCertificateCredentialOptions const& options, Context const& context) {
  Certificate certificate;
  crypto::SignWithin(context, [&] { certificate = options.CertificateSource(); });
  if (certificate) return certificate;
  throw Error{
      {errors::ClientCertificateUnusable, "CertificateSource gave no certificate",
       "Have it give a certificate, or throw what is in the way"}};
}

/// Reads the certificate. None where it is known to be the one in `known`.
std::optional<LoadedCertificate> Load(
    ClientCertificateCredentialOptions const& options, LoadedCertificate const* known, Context const& context) {
  if (options.Certificate) return LoadedCertificate{options.Certificate, std::nullopt};
  if (options.CertificateSource) return LoadedCertificate{FromSource(options, context), std::nullopt};
  auto const now = options.Time->Now();
  if (!options.CertificateContent.Empty()) {
    return LoadedCertificate{
        crypto::ParseClientCertificate(options.CertificateContent, options.Password, "given as a text", now),
        std::nullopt};
  }
  if (!options.CertificateUri.empty()) {
    return LoadedCertificate{
        crypto::LoadClientCertificateFromUri(options.CertificateUri, options.Password, now), std::nullopt};
  }
  auto const content = ReadSecretFile(options.CertificatePath);
  auto const digest = crypto::Sha256(encoding::AsBytes(content.Reveal()));
  if (known != nullptr && known->ContentDigest == digest) return std::nullopt;
  return LoadedCertificate{
      crypto::ParseClientCertificate(content, options.Password, options.CertificatePath, now), digest};
}

}  // namespace

class ClientCertificateCredential::Impl {
 public:
  explicit Impl(ClientCertificateCredentialOptions options);

  /// What tokens come from, for a call that begins.
  ConfidentialTokens Source();
  void ReportRefusal(AccessToken const& refused, RefusalReason reason) noexcept;

 private:
  struct State {
    /// A child of fork() goes on with its parent's certificate. What its parent is reading comes there and not here.
    explicit State(State* parents);
    std::mutex Mutex;
    /// Reading and parsing, one at a time.
    std::mutex Reloading;
    LoadedCertificate Loaded;
  };

  AccessToken Fetch(TokenRequest const& request, TokenRoute route, Context const& context);
  Certificate Current();
  Certificate UsableNow(Context const& context);
  bool CanChange() const noexcept;
  std::chrono::milliseconds UntilNextLook() const noexcept;
  bool Reload(Context const& context) noexcept;
  void ReloadIfDue();

  ClientCertificateCredentialOptions options_;
  Clock* clock_ = options_.Time.get();
  ConfidentialClient client_;
  /// What a child of fork() goes on with where its parent's was being replaced just then; never null.
  Certificate first_;
  PerProcess<State> state_;
  std::atomic<Clock::SystemTime::rep> nextLook_{0};
  /// The current one was refused: the next token is asked for with a newer one, if there is one.
  std::atomic<bool> looksFirst_{false};
  TokenCache cache_{RandomOr(options_.Random)};
  BindingLife life_;
  IneligibleTenants ineligible_{RandomOr(options_.Random)};
  /// Last but one, so that it ends early: its jobs use all of the above.
  CachedTokens tokens_;
  /// Ends first of all. None where the certificate cannot change.
  std::optional<Watch> watch_;
};

ClientCertificateCredential::Impl::Impl(ClientCertificateCredentialOptions options)
    : options_(WithNamedEvents(WithBoundedReloadInterval(std::move(options)))),
      client_(
          options_,
          options_.ClientId,
          options_.ClientCapabilities,
          ConfidentialClient::MakeServiceClient(
              options_.Transport,
              Required(options_.Time, "ClientCertificateCredentialOptions::Time"),
              RandomOr(options_.Random),
              options_.Observer)),
      life_(
          {BindingSupply::Fixed, *clock_, RandomOr(options_.Random), options_.Observer,
           [this](std::string const& x5tS256) { client_.Transport().DropConnections(x5tS256); }},
          cache_),
      tokens_(
          options_.Time,
          options_.Observer,
          cache_,
          life_,
          [this](auto const& request, auto route, bool, auto const& context) {
            return Fetch(request, route, context);
          }) {
  CheckSources(options_);
  auto& loaded = state_.Get().Loaded;
  loaded = *Load(options_, nullptr, {});
  first_ = loaded.Current;
  nextLook_ = (options_.Time->Now() + UntilNextLook()).time_since_epoch().count();
  if (!CanChange()) return;
  watch_.emplace([this] { return UntilNextLook(); }, [this](Context const& context) { Reload(context); });
}

/// A fleet that is given a new certificate at one moment asks for its new tokens when it notices.
std::chrono::milliseconds ClientCertificateCredential::Impl::UntilNextLook() const noexcept {
  try {
    return WithinAtRandom(options_.ReloadInterval, RandomOr(options_.Random));
  } catch (std::exception const&) {
    return options_.ReloadInterval;
  }
}

bool ClientCertificateCredential::Impl::CanChange() const noexcept {
  return !options_.CertificatePath.empty() || !options_.CertificateUri.empty() || options_.CertificateSource;
}

ClientCertificateCredential::Impl::State::State(State* parents) {
  if (parents == nullptr) return;
  std::unique_lock<std::mutex> const lock{parents->Mutex, std::try_to_lock};
  if (lock) Loaded = parents->Loaded;
}

ConfidentialTokens ClientCertificateCredential::Impl::Source() {
  ReloadIfDue();
  return {client_, tokens_, ineligible_, options_.Binding, *clock_, options_.Observer};
}

/// Nobody issues another certificate here: what helps is a renewed one on disk, or at least another token.
void ClientCertificateCredential::Impl::ReportRefusal(AccessToken const& refused, RefusalReason reason) noexcept {
  if (life_.Hear(refused, reason)) looksFirst_ = true;
}

AccessToken ClientCertificateCredential::Impl::Fetch(
    TokenRequest const& request, TokenRoute route, Context const& context) {
  if (looksFirst_.exchange(false)) Reload(context);
  auto const certificate = UsableNow(context);
  ConfidentialRequest message{certificate, {}, NewUuid()};
  try {
    return client_.RequestToken(message, request, route, context);
  } catch (Error const& error) {
    // Once, where the file holds a newer one.
    if (error.Code() != errors::BindingRejected || !Reload(context)) throw;
    message.Certificate = UsableNow(context);
    if (message.Certificate->X5tS256() == certificate->X5tS256()) throw;
  }
  return client_.RequestToken(message, request, route, context);
}

Certificate ClientCertificateCredential::Impl::Current() {
  auto& state = state_.Get();
  std::lock_guard<std::mutex> const lock{state.Mutex};
  auto current = state.Loaded.Current ? state.Loaded.Current : first_;
  life_.Adopt(current->X5tS256());
  return current;
}

Certificate ClientCertificateCredential::Impl::UsableNow(Context const& context) {
  auto const now = options_.Time->Now();
  auto certificate = Current();
  if (!certificate->IsValidAt(now) && Reload(context)) certificate = Current();
  if (certificate->IsValidAt(now)) return certificate;
  throw Error{
      {errors::ClientCertificateUnusable,
       "The client certificate " + certificate->Sha1Thumbprint() +
           (now < certificate->NotBefore() ? " is not valid yet: it is valid " : " has expired: it was valid ") +
           DescribeValidity(certificate->NotBefore(), certificate->NotAfter(), now),
       "Renew it in place, as this process looks for a new one by itself; check the machine's clock"}};
}

bool ClientCertificateCredential::Impl::Reload(Context const& context) noexcept {
  try {
    auto& state = state_.Get();
    std::lock_guard<std::mutex> const one{state.Reloading};
    LoadedCertificate known;
    {
      std::lock_guard<std::mutex> const lock{state.Mutex};
      known = state.Loaded;
    }
    if (!known.Current) known.Current = first_;
    auto loaded = Load(options_, &known, context.WithTimeout(LongestReload));
    if (!loaded) return false;
    bool const isNew = loaded->Current->X5tS256() != known.Current->X5tS256();
    auto const x5tS256 = loaded->Current->X5tS256();
    auto const daysLeft = DaysLeft(*loaded->Current, clock_->Now());
    {
      std::lock_guard<std::mutex> const lock{state.Mutex};
      state.Loaded = std::move(*loaded);
      life_.Adopt(x5tS256);
    }
    if (!isNew) return false;
    options_.Observer.Tell(
        Severity::Info, "certificate.renewed",
        {{"x5t_s256", x5tS256}, {"previous_x5t_s256", known.Current->X5tS256()}, {"days_left", daysLeft}});
    return true;
  } catch (...) {
    // Perhaps somebody is writing it just now; a source of the application's own may throw anything.
    options_.Observer.Tell(
        Severity::Warning, "certificate.not_reloaded", {{"what", Failure::Current().Outermost().What}});
    return false;
  }
}

void ClientCertificateCredential::Impl::ReloadIfDue() {
  if (!watch_) return;
  watch_->Keep();
  auto const now = clock_->Now();
  auto due = nextLook_.load(std::memory_order_relaxed);
  if (now.time_since_epoch().count() < due) return;
  auto const next = (now + UntilNextLook()).time_since_epoch().count();
  if (!nextLook_.compare_exchange_strong(due, next, std::memory_order_relaxed)) return;
  try {
    tokens_.RunInBackground([this](Context const& context) { Reload(context); });
  } catch (std::exception const& exception) {
    options_.Observer.Tell(Severity::Warning, "certificate.not_reloaded", {{"what", exception.what()}});
  }
}

ClientCertificateCredential::ClientCertificateCredential(ClientCertificateCredentialOptions options)
    : impl_(std::make_unique<Impl>(std::move(options))) {}

ClientCertificateCredential::~ClientCertificateCredential() = default;

AccessToken ClientCertificateCredential::GetToken(TokenRequest const& request, Context const& context) {
  return OrOutOfMemory([&] { return GetConfidential(impl_->Source(), request, context); });
}

std::optional<AccessToken> ClientCertificateCredential::TryGetToken(TokenRequest const& request) {
  return TryGetConfidential(impl_->Source(), request);
}

void ClientCertificateCredential::GetTokenAsync(
    TokenRequest const& request, Context const& context, Completion<AccessToken> done) {
  StartOrTell(
      std::move(done), [&](auto const& told) { GetConfidentialAsync(impl_->Source(), request, context, told); });
}

void ClientCertificateCredential::ReportRefusal(
    TokenRequest const&, AccessToken const& refused, RefusalReason reason) noexcept {
  impl_->ReportRefusal(refused, reason);
}

}  // namespace mtlspop
