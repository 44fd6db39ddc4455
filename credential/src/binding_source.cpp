#include "binding_source.hpp"

#include <algorithm>
#include <exception>
#include <limits>
#include <optional>
#include <thread>
#include <utility>

#include <gsl/util>

#include "certificate_request.hpp"
#include "crypto.hpp"
#include "mtlspop/base/encoding.hpp"
#include "mtlspop/credential/errors.hpp"
#include "renewal_schedule.hpp"
#include "service_endpoint.hpp"
#include "tenants.hpp"
#include "token_times.hpp"
#include "validity_text.hpp"

namespace mtlspop {
namespace {

using std::chrono::system_clock;

constexpr auto Never = std::numeric_limits<system_clock::rep>::max();
/// Clocks of issuer and machine differ.
constexpr std::chrono::minutes ClockSkew{5};

[[noreturn]] void Refuse(std::string what, std::string const& correlationId) {
  ErrorDetails details{
      errors::IssuedCertificateRejected, std::move(what),
      "It is not used. Check the machine's clock, and that nothing stands between it and the metadata service; if "
      "neither "
      "explains it, report the correlation id to the service's owners"};
  details.CorrelationId = correlationId;
  throw Error{std::move(details)};
}

/// The contract, section 3: the key that was sent, and usable for TLS client authentication.
void CheckCertificate(
    IssuedCredential const& issued,
    BindingKey const& key,
    system_clock::time_point now,
    std::string const& correlationId) {
  auto const facts = crypto::ReadCertificate(issued.Certificate);
  if (!facts) Refuse("The issued certificate cannot be read", correlationId);
  if (facts->SubjectPublicKeyInfo != key.SubjectPublicKeyInfo()) {
    Refuse("The issued certificate is for another key than the one that was sent", correlationId);
  }
  if (!facts->AllowsClientAuthentication) {
    Refuse("The issued certificate is not for TLS client authentication", correlationId);
  }
  if (now + ClockSkew < facts->NotBefore || now >= facts->NotAfter) {
    Refuse(
        "The issued certificate is not valid now: it is valid " +
            DescribeValidity(facts->NotBefore, facts->NotAfter, now),
        correlationId);
  }
}

Error StrengthNotAvailable(KeyStrength wanted, KeyStrength best) {
  return Error{
      {errors::MinimumStrengthNotAvailable,
       "No key of strength " + std::string{ToString(wanted)} + " or better can be had on this machine; the best is " +
           std::string{ToString(best)},
       "Lower the minimum strength in the credential's options, or run where stronger keys exist (a Trusted Launch "
       "virtual "
       "machine with Windows for KeyGuard)"}};
}

/// A key that is made while something else is done.
class KeyInTheMaking final {
 public:
  KeyInTheMaking(KeyProvider& keys, KeyRequest const& request, Clock const& clock, Context const& context)
      : thread_([this, &keys, request, &clock, context] { Make(keys, request, clock, context); }) {}
  ~KeyInTheMaking() {
    if (thread_.joinable()) thread_.join();
  }
  KeyInTheMaking(KeyInTheMaking const&) = delete;
  KeyInTheMaking& operator=(KeyInTheMaking const&) = delete;

  std::shared_ptr<BindingKey const> Take() {
    thread_.join();
    if (failure_) failure_->Throw();
    return key_;
  }
  /// How long it took; known after `Take()`.
  std::chrono::milliseconds Duration() const noexcept { return duration_; }

 private:
  void Make(KeyProvider& keys, KeyRequest const& request, Clock const& clock, Context const& context) noexcept {
    try {
      auto const started = clock.SteadyNow();
      key_ = keys.GetOrCreateKey(request, context);
      duration_ = std::chrono::duration_cast<std::chrono::milliseconds>(clock.SteadyNow() - started);
    } catch (...) {
      failure_ = Failure::Current();
    }
  }

  std::shared_ptr<BindingKey const> key_;
  std::chrono::milliseconds duration_{0};
  std::optional<Failure> failure_;
  std::thread thread_;
};

// A store may be anybody's, and so may what has rested in it.
bool UseParsedNames(StoredBinding& binding) {
  auto authority = ToHttpsOrigin(binding.MtlsEndpoint);
  auto token =
      binding.TokenEndpoint.empty() ? std::make_optional(std::string{}) : ToHttpsEndpoint(binding.TokenEndpoint);
  if (!authority || !token || !IsOneTenant(binding.TenantId) || binding.ClientId.empty()) return false;
  binding.MtlsEndpoint = std::move(*authority);
  binding.TokenEndpoint = std::move(*token);
  return true;
}

}  // namespace

BindingSource::BindingSource(Options options, ImdsClient imds, BindingLife& life)
    : options_(std::move(options)), imds_(std::move(imds)), life_(life), rotateOn_(Never) {}

BindingSource::State::State(State* parents) {
  if (parents == nullptr) return;
  std::unique_lock<std::mutex> const lock{parents->Mutex, std::try_to_lock};
  if (!lock) return;
  Last = parents->Last;
}

std::shared_ptr<StoredBinding const> BindingSource::Current() const {
  Binding last;
  {
    auto& state = state_.Get();
    std::lock_guard<std::mutex> const lock{state.Mutex};
    last = state.Last;
  }
  return last && life_.IsCurrent(last->Certificate->X5tS256()) ? last : nullptr;
}

std::shared_ptr<StoredBinding const> BindingSource::Get(std::string const& correlationId, Context const& context) {
  auto const current = Current();
  if (current && IsUsable(*current, options_.Time->Now())) return current;
  try {
    return JoinOrMake(Purpose::Use, correlationId, context);
  } catch (Error const&) {
    // Close to its end, but nothing better can be had.
    if (current && current->Certificate->IsValidAt(options_.Time->Now())) return current;
    throw;
  }
}

bool BindingSource::RotationIsDue(TimePoint now) {
  auto const time = now.time_since_epoch().count();
  if (time < rotateOn_.load(std::memory_order_relaxed)) return false;
  auto& state = state_.Get();
  return time >= state.NextTryOn.load() && !state.IsRotating.exchange(true);
}

void BindingSource::GiveUpRotation(TimePoint now, std::optional<TimePoint> notBefore) noexcept {
  auto& state = state_.Get();
  std::lock_guard<std::mutex> const lock{state.Mutex};
  auto const usableUntil = state.Last ? state.Last->Certificate->NotAfter() : now;
  auto const next = RenewalRetryOn(++state.FailedRotations, now, usableUntil, notBefore, options_.Random);
  state.NextTryOn = next.time_since_epoch().count();
  state.IsRotating = false;
}

void BindingSource::Rotate(std::string const& correlationId, Context const& context) {
  try {
    JoinOrMake(Purpose::Rotation, correlationId, context);
  } catch (Error const& error) {
    GiveUpRotation(options_.Time->Now(), error.Details().NotBefore);
    throw;
  } catch (...) {
    GiveUpRotation(options_.Time->Now());
    throw;
  }
  state_.Get().IsRotating = false;
}

void BindingSource::CheckKeys(Context const& context) const {
  auto const best = options_.Keys->HighestStrength();
  auto const wanted = std::max(options_.MinimumStrength, KeyStrength::Software);
  if (best < wanted) {
    // The provider knows whether that may pass, and says what to do.
    auto const key = options_.Keys->GetOrCreateKey({wanted, options_.KeyName}, context);
    if (key->Strength() < wanted) throw StrengthNotAvailable(wanted, best);
  }
  if (options_.Attestation && !options_.Attestation->IsAvailable()) throw AttestationNotAvailable();
}

std::shared_ptr<StoredBinding const> BindingSource::JoinOrMake(
    Purpose purpose, std::string const& correlationId, Context const& context) {
  auto& state = state_.Get();
  std::shared_ptr<Flight<Binding>> flight;
  auto moment = life_.Moment();
  auto const began = options_.Time->Now();
  {
    std::lock_guard<std::mutex> const lock{state.Mutex};
    bool const isCurrent = state.Last && life_.IsCurrent(state.Last->Certificate->X5tS256());
    auto const current = isCurrent ? state.Last : nullptr;
    if (purpose == Purpose::Use && current && IsUsable(*current, began)) return current;
    // There is none, as in a child of fork() it may be: what is due is the first one, for whoever asks for it.
    if (!current) rotateOn_.store(Never);
    // Somebody else was quicker.
    if (purpose == Purpose::Rotation && (!current || began.time_since_epoch().count() < rotateOn_.load()))
      return current;
    if (state.UnderWay) {
      flight = state.UnderWay;
    } else {
      state.UnderWay = std::make_shared<Flight<Binding>>();
    }
  }
  if (flight) return flight->Wait(context, "Waiting for the binding certificate");

  auto const land = [&state] {
    std::lock_guard<std::mutex> const lock{state.Mutex};
    return std::exchange(state.UnderWay, nullptr);
  };
  try {
    auto binding = LoadOrIssue(correlationId, context);
    // The one before was refused meanwhile, and this one may be for the same key.
    while (!Adopt(binding, moment, began)) {
      moment = life_.Moment();
      imds_.RequireVersion2(correlationId, context);
      binding = Issue(correlationId, context);
      Save(*binding);
    }
    land()->Complete(binding);
    return binding;
  } catch (...) {
    auto failure = Failure::Current();
    land()->Fail(failure);
    failure.Throw();
  }
}

std::shared_ptr<StoredBinding const> BindingSource::LoadOrIssue(
    std::string const& correlationId, Context const& context) {
  Report("Looking for the machine's keys", "");
  CheckKeys(context);
  std::string unwanted;
  {
    auto& state = state_.Get();
    std::lock_guard<std::mutex> const guard{state.Mutex};
    if (state.Last) unwanted = state.Last->Certificate->X5tS256();
  }
  // Nobody else shall begin with what was refused here.
  if (!unwanted.empty() && !life_.IsCurrent(unwanted)) Remove(unwanted);
  if (auto loaded = Load(unwanted, context)) return loaded;
  // Ahead of the lock: where nobody is there to issue one, processes that share the store do not learn it one after another.
  imds_.RequireVersion2(correlationId, context);
  auto const lock = AcquireStore(context);
  // Whoever held it may have left one.
  if (auto loaded = Load(unwanted, context)) return loaded;
  auto issued = Issue(correlationId, context);
  Save(*issued);
  return issued;
}

std::unique_ptr<BindingStore::Lock> BindingSource::AcquireStore(Context const& context) const {
  Report("Waiting for the binding store", "");
  std::unique_ptr<BindingStore::Lock> lock;
  try {
    lock = options_.Store->Acquire(options_.StoreName, context);
  } catch (...) {
    options_.Observer.Tell(Severity::Warning, "store.lock_failed", {{"what", Failure::Current().Outermost().What}});
  }
  context.ThrowIfEnded("Waiting for the binding store");
  return lock;
}

std::shared_ptr<StoredBinding const> BindingSource::Load(std::string const& unwanted, Context const& context) {
  try {
    std::optional<StoredBinding> loaded;
    crypto::SignWithin(context, [&] { loaded = options_.Store->Load(options_.StoreName); });
    if (!loaded || !loaded->Certificate) return nullptr;
    if (!UseParsedNames(*loaded)) {
      options_.Observer.Tell(
          Severity::Warning, "store.load_failed",
          {{"what", "what it holds names an endpoint or a tenant that could not be used"}});
      return nullptr;
    }
    auto const& certificate = *loaded->Certificate;
    auto const now = options_.Time->Now();
    bool const good = certificate.X5tS256() != unwanted && !life_.IsRefused(certificate.X5tS256()) &&
                      loaded->Attested == (options_.Attestation != nullptr) &&
                      certificate.Strength() >= options_.MinimumStrength && certificate.IsValidAt(now) &&
                      now < RotationDueOn(loaded->IssuedOn, certificate.NotAfter());
    if (!good) return nullptr;
    options_.Observer.Tell(
        Severity::Info, "binding.loaded",
        {{"x5t_s256", certificate.X5tS256()}, {"days_left", DaysLeft(certificate, options_.Time->Now())}});
    return std::make_shared<StoredBinding const>(std::move(*loaded));
  } catch (...) {
    options_.Observer.Tell(Severity::Warning, "store.load_failed", {{"what", Failure::Current().Outermost().What}});
    return nullptr;
  }
}

void BindingSource::Report(char const* what, std::string const& correlationId) const {
  Progress::Report({what, "", correlationId, 0, "", options_.Time->SteadyNow(), options_.Time});
}

std::shared_ptr<StoredBinding const> BindingSource::Issue(std::string const& correlationId, Context const& context) {
  if (auto const key = ReusableKey()) {
    if (auto binding = IssueForUsedKey(key, correlationId, context)) return binding;
  }
  KeyInTheMaking making{*options_.Keys, NextKey(), *options_.Time, context};
  auto const metadata = imds_.GetPlatformMetadata(correlationId, context);
  Report("Making the key", correlationId);
  auto key = making.Take();
  options_.Observer.Tell(
      Severity::Info, "key.made",
      {{"strength", ToString(key->Strength())},
       {"duration_ms", std::int64_t{making.Duration().count()}},
       {"correlation_id", correlationId}});
  if (key->Strength() < options_.MinimumStrength) throw StrengthNotAvailable(options_.MinimumStrength, key->Strength());
  return IssueFor(std::move(key), metadata, correlationId, context);
}

/// Null where the key signs no more: one that was made for one boot of the machine, for example. A device that fails once is
/// asked again, since the key of one that is replaced may be destroyed.
std::shared_ptr<StoredBinding const> BindingSource::IssueForUsedKey(
    std::shared_ptr<BindingKey const> const& key, std::string const& correlationId, Context const& context) {
  auto const metadata = imds_.GetPlatformMetadata(correlationId, context);
  for (bool const isAgain : {false, true}) {
    try {
      return IssueFor(key, metadata, correlationId, context);
    } catch (Error const& error) {
      if (error.Code() != errors::PrivateKeyUnusable) throw;
      if (isAgain) {
        options_.Observer.Tell(Severity::Warning, "key.replaced", {{"what", error.what()}});
      } else {
        options_.Observer.Tell(Severity::Warning, "key.tried_again", {{"what", error.what()}});
      }
    }
  }
  return nullptr;
}

std::shared_ptr<StoredBinding const> BindingSource::IssueFor(
    std::shared_ptr<BindingKey const> key,
    PlatformMetadata const& metadata,
    std::string const& correlationId,
    Context const& context) {
  CredentialRequest request;
  request.Strength = key->Strength();
  request.ClientId = metadata.ClientId;
  request.TenantId = metadata.TenantId;
  if (options_.Attestation) {
    Report("Attesting the key", correlationId);
    request.AttestationToken =
        options_.Attestation->Attest({metadata.AttestationEndpoint, metadata.ClientId, key}, context);
  }
  crypto::SignWithin(context, [&] {
    request.Csr = Secret{
        encoding::ToBase64(MakeCertificateRequest({metadata.ClientId, metadata.TenantId, metadata.CuIdJson}, *key))};
  });
  options_.Observer.Tell(Severity::Info, "key.signed_certificate_request", {{"correlation_id", correlationId}});
  auto issued = imds_.IssueCredential(request, correlationId, context);

  auto const now = options_.Time->Now();
  CheckCertificate(issued, *key, now, correlationId);
  auto binding = std::make_shared<StoredBinding>();
  binding->Certificate =
      crypto::MakeBindingCertificate({std::move(issued.Certificate)}, key->Handle(), key->Strength());
  binding->Key = std::move(key);
  binding->MtlsEndpoint = std::move(issued.MtlsEndpoint);
  binding->TokenEndpoint = std::move(issued.TokenEndpoint);
  binding->ClientId = std::move(issued.ClientId);
  binding->TenantId = std::move(issued.TenantId);
  binding->Attested = options_.Attestation != nullptr;
  binding->IssuedOn = now;
  options_.Observer.Tell(
      Severity::Info, "binding.issued",
      {{"x5t_s256", binding->Certificate->X5tS256()},
       {"strength", ToString(binding->Certificate->Strength())},
       {"attested", binding->Attested},
       {"days_left", DaysLeft(*binding->Certificate, now)},
       {"correlation_id", correlationId}});
  return binding;
}

std::shared_ptr<BindingKey const> BindingSource::ReusableKey() {
  auto const current = Current();
  return current ? current->Key : nullptr;
}

KeyRequest BindingSource::NextKey() {
  auto& state = state_.Get();
  std::lock_guard<std::mutex> const lock{state.Mutex};
  KeyRequest request{options_.MinimumStrength, options_.KeyName, state.Last != nullptr};
  if (state.Last && state.Last->Key) request.Refused = state.Last->Key->SubjectPublicKeyInfo();
  return request;
}

void BindingSource::Save(StoredBinding const& binding) {
  try {
    options_.Store->Save(options_.StoreName, binding);
  } catch (...) {
    options_.Observer.Tell(Severity::Warning, "store.save_failed", {{"what", Failure::Current().Outermost().What}});
  }
}

void BindingSource::Remove(std::string const& x5tS256) {
  try {
    options_.Store->Remove(options_.StoreName, x5tS256);
  } catch (...) {
    options_.Observer.Tell(Severity::Warning, "store.remove_failed", {{"what", Failure::Current().Outermost().What}});
  }
}

bool BindingSource::Adopt(Binding const& binding, std::uint64_t moment, TimePoint began) {
  auto& state = state_.Get();
  std::lock_guard<std::mutex> const lock{state.Mutex};
  bool const replacesAnother = state.Last && life_.IsCurrent(state.Last->Certificate->X5tS256());
  if (!life_.AdoptUnlessRefusedSince(moment, binding->Certificate->X5tS256())) return false;
  // One from the store was issued before, and is no sign of machines that begin together.
  bool const isFirst = !replacesAnother && binding->IssuedOn >= began;
  state.Last = binding;
  auto const rotation = ScheduleRotation(
      binding->IssuedOn, binding->Certificate->NotAfter(), isFirst ? Renewal::First : Renewal::Next, options_.Random);
  rotateOn_.store(rotation.time_since_epoch().count());
  state.NextTryOn = 0;
  state.FailedRotations = 0;
  state.IsRotating = false;  // before anybody sees the new binding, and finds the next rotation due
  return true;
}

bool BindingSource::IsUsable(StoredBinding const& binding, TimePoint now) const {
  auto const end = binding.Certificate->NotAfter();
  return now < end - UsableMargin(end - binding.IssuedOn);
}

}  // namespace mtlspop
