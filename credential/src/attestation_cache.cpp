#include "attestation_cache.hpp"

#include <algorithm>
#include <exception>

#include "crypto.hpp"
#include "jwt.hpp"
#include "mtlspop/base/encoding.hpp"
#include "mtlspop/credential/errors.hpp"

namespace mtlspop {
namespace {

/// Endpoint in lower case without trailing slash, and the SHA-256 of the public key.
std::string NameOf(AttestationRequest const& request) {
  std::string name = request.Endpoint;
  while (!name.empty() && name.back() == '/') name.pop_back();
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  });
  auto const digest = crypto::Sha256(request.Key->SubjectPublicKeyInfo());
  return name + " " + encoding::ToBase64Url(digest);
}

bool IsBlank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == std::string_view::npos; }

constexpr char const* CheckAttestation =
    "Check that this is a Trusted Launch virtual machine with virtualization-based security, that "
    "AttestationClientLib.dll is installed (ATTESTATION_CLIENTLIB_PATH), and that the attestation endpoint is "
    "reachable";

}  // namespace

void AttestationCache::Forget() {
  auto& state = state_.Get();
  std::lock_guard<std::mutex> const lock{state.Mutex};
  state.Entries.clear();
}

Error AttestationNotAvailable() {
  return Error{
      {errors::AttestationFailed, "Attestation was asked for, and nothing on this machine can attest keys",
       "Attestation needs KeyGuard on Windows. Run there, or do not ask for attestation"}};
}

AttestationCache::State::State(State* parents) {
  if (parents == nullptr) return;
  std::unique_lock<std::mutex> const lock{parents->Mutex, std::try_to_lock};
  if (lock) Entries = parents->Entries;
}

Secret AttestationCache::Attest(AttestationRequest const& request, Context const& context) {
  auto const name = NameOf(request);
  auto& state = state_.Get();
  std::shared_ptr<Flight<Secret>> flight;
  bool leads = false;
  {
    std::lock_guard<std::mutex> const lock{state.Mutex};
    auto const entry = state.Entries.find(name);
    if (entry != state.Entries.end() && options_.Time->Now() < entry->second.RenewOn) return entry->second.Token;
    auto& current = state.Flights[name];
    leads = current == nullptr;
    if (leads) current = std::make_shared<Flight<Secret>>();
    flight = current;
  }
  if (!leads) return flight->Wait(context, "Attesting the key");
  try {
    auto token = AttestAnew(request, context);
    Keep(name, token);
    flight->Complete(token);
    return token;
  } catch (...) {
    auto failure = Failure::Current();
    {
      std::lock_guard<std::mutex> const lock{state.Mutex};
      state.Flights.erase(name);
    }
    flight->Fail(failure);
    failure.Throw();
  }
}

Secret AttestationCache::AttestAnew(AttestationRequest const& request, Context const& context) const {
  Secret token;
  try {
    token = options_.Provider->Attest(request, context);
  } catch (Error const& error) {
    if (error.Code() == errors::Cancelled || context.IsExpired()) throw;
    if (error.Code() == errors::AttestationFailed) throw;
    std::throw_with_nested(Error{{errors::AttestationFailed, "The key could not be attested", CheckAttestation}});
  } catch (...) {
    std::throw_with_nested(Error{{errors::AttestationFailed, "The key could not be attested", CheckAttestation}});
  }
  if (IsBlank(token.Reveal())) {
    throw Error{{errors::AttestationFailed, "The attestation gave an empty token", CheckAttestation}};
  }
  options_.Observer.Tell(Severity::Info, "key.attested", {{"endpoint", request.Endpoint}});
  return token;
}

void AttestationCache::Keep(std::string const& name, Secret const& token) {
  auto const claims = ReadJwt(token.Reveal());
  auto const now = options_.Time->Now();
  auto& state = state_.Get();
  std::lock_guard<std::mutex> const lock{state.Mutex};
  state.Flights.erase(name);
  // What does not say when it ends is not kept.
  if (!options_.Keeps || !claims || !claims->ExpiresOn || *claims->ExpiresOn <= now) return;
  auto const life = *claims->ExpiresOn - now;
  auto const margin = std::max<Clock::SystemTime::duration>(std::chrono::minutes{5}, life / 10);
  for (auto entry = state.Entries.begin(); entry != state.Entries.end();) {
    entry = entry->second.RenewOn <= now ? state.Entries.erase(entry) : std::next(entry);
  }
  state.Entries[name] = Entry{token, *claims->ExpiresOn - margin};
}

}  // namespace mtlspop
