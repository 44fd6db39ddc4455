#pragma once

/// @file
/// How a test and a server's script wait for each other.

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace mtlspop::test {

/// Happens once, and can be waited for from any thread.
class Event final {
 public:
  /// Long enough for a slow machine under a sanitizer; a test that reaches it has failed.
  static constexpr std::chrono::seconds Patience{20};

  void Set() {
    std::lock_guard<std::mutex> const lock{mutex_};
    set_ = true;
    // With the lock: whoever waits may destroy this as soon as it can take it.
    changed_.notify_all();
  }

  /// Whether it happened within `patience`.
  [[nodiscard]] bool Wait(std::chrono::milliseconds patience = Patience) const {
    std::unique_lock<std::mutex> lock{mutex_};
    return changed_.wait_for(lock, patience, [this] { return set_; });
  }

  [[nodiscard]] bool IsSet() const {
    std::lock_guard<std::mutex> const lock{mutex_};
    return set_;
  }

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  bool set_ = false;
};

/// Whether `condition` became true within `patience`. For what offers nothing to wait on, such as statistics.
template <typename Condition>
[[nodiscard]] bool Eventually(Condition&& condition, std::chrono::milliseconds patience = Event::Patience) {
  auto const end = std::chrono::steady_clock::now() + patience;
  Event pause;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    (void)pause.Wait(std::chrono::milliseconds{1});
  }
  return true;
}

}  // namespace mtlspop::test
