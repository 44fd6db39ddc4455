#pragma once

/// @file
/// A piece of work that many wait for and one does.

#include <mutex>
#include <optional>
#include <utility>

#include "mtlspop/base/wait.hpp"

namespace mtlspop {

/// The result of work that is under way: set once, waited for by any number of threads.
///
/// The work has a context of its own, never a waiter's: a waiter whose context ends leaves, and nobody else notices.
///
/// @tparam Failure can be copied, and has a `[[noreturn]] void Throw() const`
///
/// Thread safety: all members may be called from any thread.
template <typename T, typename Failure>
class SingleFlight final {
 public:
  void Complete(T result) {
    std::lock_guard<std::mutex> const lock{mutex_};
    result_ = std::move(result);
    waiting_.WakeAll();
  }

  void Fail(Failure failure) {
    std::lock_guard<std::mutex> const lock{mutex_};
    failure_ = std::move(failure);
    waiting_.WakeAll();
  }

  /// @throw what the work threw, or `cancelled` and `deadline_exceeded` with `what` where `context` ends first
  template <class Context>
  T Wait(Context const& context, char const* what) {
    std::unique_lock<std::mutex> lock{mutex_};
    waiting_.WaitOrThrow(lock, context, what, [this] { return IsDone(); });
    if (result_) return *result_;
    auto const failure = *failure_;
    lock.unlock();
    failure.Throw();
  }

 private:
  bool IsDone() const noexcept { return result_ || failure_; }

  std::mutex mutex_;
  WaitList waiting_;
  std::optional<T> result_;
  std::optional<Failure> failure_;
};

}  // namespace mtlspop
