#pragma once

/// @file
/// Which keys a metadata service issues certificates for, as far as this process has seen.

#include <memory>
#include <mutex>
#include <string>

#include "mtlspop/base/per_process.hpp"
#include "mtlspop/credential/key_provider.hpp"

namespace mtlspop {

/// Of the service at one address, for the whole process: what it issues certificates for does not depend on the transport
/// that asks.
///
/// Thread safety: all members may be called from any thread.
class KeyAcceptance final {
 public:
  enum class Verdict {
    Refused,
    /// Only asking shows it.
    NotTried,
    /// A certificate was issued for such a key or a weaker one, or it is of the kind that today's services take.
    Accepted,
  };

  KeyAcceptance() = default;
  KeyAcceptance(KeyAcceptance const&) = delete;
  KeyAcceptance& operator=(KeyAcceptance const&) = delete;

  /// @param endpoint without a trailing slash
  static std::shared_ptr<KeyAcceptance> Of(std::string const& endpoint);

  /// The service issued a certificate for a key of this strength, or refused to.
  void Note(KeyStrength strength, bool isAccepted);
  /// What becomes of a key of this strength.
  Verdict Judge(KeyStrength strength) const;

 private:
  struct State {
    /// A child of fork() goes on with what its parent knew, unless that was changing just then.
    explicit State(State* parents);

    std::mutex Mutex;
    /// The best that was refused.
    KeyStrength Refused = KeyStrength::None;
    /// The weakest that was accepted, `None` where none was.
    KeyStrength Accepted = KeyStrength::None;
  };

  PerProcess<State> state_;
};

}  // namespace mtlspop
