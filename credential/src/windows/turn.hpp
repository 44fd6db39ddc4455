#pragma once

/// @file
/// One thread at a time, and the others wait no longer than they may.

#include <condition_variable>
#include <mutex>

#include "mtlspop/base/wait.hpp"
#include "mtlspop/transport/context.hpp"

namespace mtlspop::windows {

/// Whose turn it is.
///
/// Thread safety: all members may be called from any thread at any time.
class Turns final {
 public:
  /// Has the turn for as long as it lives. Whoever has it must not ask for it again.
  class Turn final {
   public:
    /// Waits for it.
    /// @throw Error `cancelled` or `deadline_exceeded` where `context` ends first, with `what` as what was waited for
    Turn(Turns& turns, Context const& context, char const* what) : turns_(turns) {
      std::unique_lock<std::mutex> lock{turns.mutex_};
      WaitOrThrow(lock, turns.changed_, context, what, [&turns] { return !turns.isTaken_; });
      turns.isTaken_ = true;
    }
    ~Turn() {
      {
        std::lock_guard<std::mutex> const lock{turns_.mutex_};
        turns_.isTaken_ = false;
      }
      turns_.changed_.notify_all();
    }
    Turn(Turn const&) = delete;
    Turn& operator=(Turn const&) = delete;

   private:
    Turns& turns_;
  };

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool isTaken_ = false;
};

}  // namespace mtlspop::windows
