#pragma once

/// @file
/// How often those whom tokens are shown to can have a binding replaced.

#include <chrono>
#include <mutex>
#include <optional>
#include <string>

#include "mtlspop/transport/clock.hpp"
#include "mtlspop/transport/error.hpp"

namespace mtlspop {

/// Replacing a binding costs a key, a certificate of a service that throttles, and every token that was bound to it, whomever
/// the token is for. A resource that refuses each binding it is shown would have all others pay, so one refusal is
/// believed and the next ones are an error until `Interval` has passed.
///
/// Thread safety: all members may be called from any thread.
class ReplacementLimit final {
 public:
  static constexpr std::chrono::minutes Interval{5};
  /// Requests that were under way when the binding was replaced are refused about as late.
  static constexpr std::chrono::seconds Grace{10};

  enum class Verdict {
    /// Believe it: replace the binding.
    Replace,
    /// The same refusal, heard again from a request that was under way: it is being seen to.
    UnderWay,
    /// Keep the binding.
    TooSoon,
  };

  /// The binding that is in use was refused.
  Verdict Hear(std::string const& keyId, Clock::SteadyTime now);

 private:
  std::mutex mutex_;
  std::string keyId_;
  std::optional<Clock::SteadyTime> replaced_;
};

/// What the caller is told where the verdict is `TooSoon`: `binding_rejected`.
Error RefusedTooSoon();

}  // namespace mtlspop
