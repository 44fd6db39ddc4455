#pragma once

/// @file
/// Attestation JWTs that are still good.

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include <gsl/pointers>

#include "flight.hpp"
#include "mtlspop/base/per_process.hpp"
#include "mtlspop/credential/attestation_provider.hpp"
#include "mtlspop/transport/clock.hpp"
#include "mtlspop/transport/observer.hpp"

namespace mtlspop {

/// Attests keys: from the cache where it can, else by the provider, with one call in flight per endpoint and key. A JWT
/// is renewed when less than five minutes or a tenth of its life remain, whichever comes first.
///
/// Thread safety: all members may be called from any thread.
class AttestationCache final {
 public:
  struct Options {
    gsl::not_null<std::shared_ptr<AttestationProvider>> Provider;
    gsl::not_null<std::shared_ptr<Clock>> Time;
    EventSink Observer;
    /// Keeps nothing where false; calls are still one at a time.
    bool Keeps = true;
  };
  explicit AttestationCache(Options options) : options_(std::move(options)) {}

  bool IsAvailable() const noexcept { return options_.Provider->IsAvailable(); }

  /// The JWT, never empty or blank.
  /// @throw Error `attestation_failed`
  Secret Attest(AttestationRequest const& request, Context const& context);
  /// The service refused one: none that is kept is used again.
  void Forget();

 private:
  struct Entry {
    Secret Token;
    Clock::SystemTime RenewOn;
  };

  Secret AttestAnew(AttestationRequest const& request, Context const& context) const;
  void Keep(std::string const& name, Secret const& token);

  struct State {
    /// A child of fork() goes on with its parent's JWTs, unless one was being kept just then. Calls that are in flight in the
    /// parent end there.
    explicit State(State* parents);

    std::mutex Mutex;
    std::map<std::string, Entry> Entries;
    std::map<std::string, std::shared_ptr<Flight<Secret>>> Flights;
  };

  Options options_;
  PerProcess<State> state_;
};

/// `attestation_failed` for a machine without attestation.
Error AttestationNotAvailable();

}  // namespace mtlspop
