#pragma once

/// @file
/// How often those whom tokens are shown to can have a binding replaced.

#include <chrono>
#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "mtlspop/base/per_process.hpp"
#include "mtlspop/transport/clock.hpp"

namespace mtlspop {

/// Replacing a binding costs a key, a certificate of a service that throttles, and every token that was bound to it, whomever
/// the token is for. A resource that refuses each binding it is shown would have all others pay, so one refusal is
/// believed and the next ones change nothing until `Interval` has passed.
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
  Verdict Hear(std::string const& x5tS256, Clock::SteadyTime now);

 private:
  struct State {
    /// A child of fork() counts on from its parent, unless that was counting just then.
    explicit State(State* parents);
    std::mutex Mutex;
    std::string X5tS256;
    std::optional<Clock::SteadyTime> Replaced;
  };

  PerProcess<State> state_;
};

/// The tenants whose token service refused a replaced binding as well: for `ReplacementLimit::Interval` what they refuse
/// is not replaced for them. Others' bindings heal as ever, unless too many refuse: each costs a certificate.
///
/// Thread safety: all members may be called from any thread.
class FutileReplacements final {
 public:
  /// So many tenants count for all others, but not for the identity's own.
  static constexpr std::size_t Most = 8;

  /// `tenant` is "" for the identity's own.
  bool Concern(std::string const& tenant, Clock::SteadyTime now);
  void Add(std::string const& tenant, Clock::SteadyTime now);

 private:
  struct State {
    /// A child of fork() finds out for itself.
    explicit State(State*) {}
    std::mutex Mutex;
    std::map<std::string, Clock::SteadyTime> Until;
  };

  PerProcess<State> state_;
};

}  // namespace mtlspop
