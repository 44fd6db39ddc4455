#pragma once

/// @file
/// How many connections there are, and how all of them end.

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>

namespace mtlspop::gateway {

enum class Ending { AfterRequest, Now };

class Connections;

/// The place of one connection, for as long as that lives, whatever becomes of it.
///
/// Thread safety: all members may be called from any thread.
class Seat final {
 public:
  explicit Seat(std::shared_ptr<Connections> of) : of_(std::move(of)) {}
  ~Seat();
  Seat(Seat const&) = delete;
  Seat& operator=(Seat const&) = delete;

  /// Calls `end` when the connection is to end; at once where that was said already. It must not wait.
  void OnEnd(std::function<void(Ending)> end);

 private:
  friend class Connections;
  void End(Ending how);

  std::shared_ptr<Connections> const of_;
  std::mutex mutex_;
  std::function<void(Ending)> end_;
  std::optional<Ending> ending_;
};

/// Thread safety: all members may be called from any thread.
class Connections final : public std::enable_shared_from_this<Connections> {
 public:
  explicit Connections(std::size_t maximum) : maximum_(maximum) {}

  /// Null where there are as many as there may be.
  std::shared_ptr<Seat> Take();
  std::size_t Count() const;
  /// Ends all that there are, and all that come.
  void End(Ending how);
  /// Waits until there are none. False where there still are some after `patience`.
  bool WaitForNone(std::chrono::milliseconds patience) const;

 private:
  friend class Seat;
  void Remove(Seat* seat) noexcept;

  std::size_t const maximum_;
  mutable std::mutex mutex_;
  std::optional<Ending> ending_;
  mutable std::condition_variable changed_;
  std::unordered_map<Seat*, std::weak_ptr<Seat>> taken_;
};

}  // namespace mtlspop::gateway
