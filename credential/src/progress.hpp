#pragma once

/// @file
/// What a piece of work is doing just now, for those who wait for it.

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "mtlspop/transport/clock.hpp"
#include "mtlspop/transport/error.hpp"

namespace mtlspop {

/// The last step that work has reported. Whoever waited in vain says it: which service was asked for what, since when, and
/// under which correlation id its owners find the request.
///
/// Thread safety: all members may be called from any thread.
class Progress final {
 public:
  struct Step {
    /// For example "request_token".
    std::string What;
    /// The origin that was asked, "" where it is nobody else's.
    std::string Where;
    std::string CorrelationId;
    /// How many times it was sent, 0 where it is no request.
    int Attempts = 0;
    /// What ended the attempt before, "" where there was none.
    std::string Before;
    Clock::SteadyTime Begun;
    /// That of `Begun`. Never null.
    std::shared_ptr<Clock> Time;
  };

  void Set(Step step);
  /// What `other` reports is told in place of what this one reported, until it is told otherwise.
  void Follow(std::shared_ptr<Progress> other);
  std::optional<Step> Last() const;

  /// `error`, which says that a waiter's time ran out, with the last step in it.
  Error Explain(Error const& error) const;

  /// Where the work that this thread does reports to, null where nobody wants to know.
  static std::shared_ptr<Progress> const& OfThisThread() noexcept;
  /// Reports a step of this thread's work.
  static void Report(Step step);

  /// While it lives, this thread works for whoever waits for `progress`.
  class Scope final {
   public:
    explicit Scope(std::shared_ptr<Progress> progress) noexcept;
    ~Scope();
    Scope(Scope const&) = delete;
    Scope& operator=(Scope const&) = delete;

   private:
    std::shared_ptr<Progress> const progress_;
    std::shared_ptr<Progress> const* const outer_;
  };

 private:
  mutable std::mutex mutex_;
  std::optional<Step> last_;
  std::shared_ptr<Progress> followed_;
};

}  // namespace mtlspop
