#pragma once

/// @file
/// Waiting without a thread: until somebody says so, a time comes, or a context ends. The counterpart of wait.hpp.

#include <algorithm>
#include <atomic>
#include <exception>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <utility>

#include "mtlspop/base/handover.hpp"
#include "mtlspop/base/timer_service.hpp"

namespace mtlspop {

/// What ended a wait.
enum class WaitEnd { Woken, TimeHasCome, ContextEnded };

/// One that waits. Told of the end once, on an executor, whatever ends it first. To end it allocates nothing.
///
/// Thread safety: all members may be called from any thread.
class PendingWait : public std::enable_shared_from_this<PendingWait>, public Handover {
 public:
  using Done = std::function<void(WaitEnd)>;

  void Wake() noexcept { End(WaitEnd::Woken); }
  bool IsOver() const noexcept { return isOver_.load(std::memory_order_acquire); }

 protected:
  PendingWait(Executor executor, Done done)
      : Handover(executor), executor_(std::move(executor)), done_(std::move(done)) {}

  /// Whether it is the caller who ends it.
  bool Claim() noexcept { return !isOver_.exchange(true, std::memory_order_acq_rel); }
  void End(WaitEnd end) noexcept {
    if (!Claim()) return;
    end_ = end;
    HandOver(executor_, shared_from_this());
  }

 private:
  virtual void Disarm() noexcept = 0;

  void Arrive() noexcept final {
    Disarm();
    std::exchange(done_, nullptr)(end_);
  }

  std::atomic<bool> isOver_{false};
  /// Of whoever claimed it.
  WaitEnd end_ = WaitEnd::Woken;
  Executor const executor_;
  Done done_;
};

/// One that waits for as long as a context lasts. Kept alive by its timer, where it has one, and by who would wake it.
template <class Context>
class ContextWait final : public PendingWait {
 public:
  using TimePoint = typename Context::TimePoint;

  /// @throw std::system_error, std::bad_alloc where there is no thread for a timer or for `done`, which is not called then
  static std::shared_ptr<ContextWait> Begin(Context const& context, TimePoint until, Executor executor, Done done) {
    std::shared_ptr<ContextWait> wait{new ContextWait{context, until, std::move(executor), std::move(done)}};
    try {
      wait->Arm();
    } catch (...) {
      // Where the context has ended meanwhile, `done` is on its way.
      if (!wait->Claim()) return wait;
      wait->Disarm();
      throw;
    }
    return wait;
  }

 private:
  ContextWait(Context const& context, TimePoint until, Executor executor, Done done)
      : PendingWait(std::move(executor), std::move(done)), context_(context), until_(until) {}

  std::shared_ptr<ContextWait> Self() { return std::static_pointer_cast<ContextWait>(this->shared_from_this()); }

  void Arm() {
    // What is told of the end meanwhile waits for the lock before it lets go of what is made here.
    std::lock_guard const lock{mutex_};
    if (context_.NotifiesOfCancellation()) {
      // Whoever claims the end holds a reference until the registration is gone, which waits for this callback: so the
      // last reference never goes within it.
      registration_ = context_.OnCancelled([weak = std::weak_ptr<ContextWait>{Self()}] {
        if (auto const self = weak.lock()) self->End(WaitEnd::ContextEnded);
      });
    }
    auto const at = NextLook();
    if (at != TimePoint::max())
      timer_ = TimerService::OfThisProcess().Add(at, [self = Self()] { return self->Look(); });
  }

  TimePoint NextLook() const {
    auto const at = std::min(until_, context_.Deadline());
    auto const probe = context_.PollInterval();
    return probe ? std::min(at, Context::Clock::now() + *probe) : at;
  }

  /// When the timer's time has come. Returns when to look again.
  TimePoint Look() noexcept {
    if (context_.IsCancelled() || Context::Clock::now() >= context_.Deadline()) {
      this->End(WaitEnd::ContextEnded);
    } else if (Context::Clock::now() >= until_) {
      this->End(WaitEnd::TimeHasCome);
    } else if (!this->IsOver()) {
      return NextLook();
    }
    return TimePoint::max();
  }

  void Disarm() noexcept override {
    std::unique_lock lock{mutex_};
    auto const timer = std::exchange(timer_, {});
    auto const registration = std::exchange(registration_, {});
    lock.unlock();
    TimerService::OfThisProcess().Cancel(timer);
  }

  using Registration = decltype(std::declval<Context const&>().OnCancelled(nullptr));

  Context const context_;
  TimePoint const until_;
  std::mutex mutex_;
  Registration registration_;
  TimerService::Timer timer_;
};

/// Those that wait for the same.
///
/// Thread safety: one thread at a time. What `TakeAll` returns is woken without the lock of whoever has the list.
class PendingWaits final {
 public:
  using List = std::list<std::shared_ptr<PendingWait>>;

  /// @param wait a list of one, so that this cannot fail
  void Add(List wait) noexcept {
    // Those whose context has ended go when the list has doubled, which keeps it as long as the waits under way.
    if (waits_.size() >= 2 * kept_ + 8) {
      waits_.remove_if([](auto const& known) { return known->IsOver(); });
      kept_ = waits_.size();
    }
    waits_.splice(waits_.end(), wait);
  }

  List TakeAll() noexcept {
    kept_ = 0;
    return std::exchange(waits_, {});
  }

 private:
  List waits_;
  std::size_t kept_ = 0;
};

inline void WakeAll(PendingWaits::List const& waits) {
  for (auto const& wait : waits) wait->Wake();
}

}  // namespace mtlspop
