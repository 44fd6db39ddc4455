#pragma once

#include <memory>

#include "mtlspop/base/timer_service.hpp"
#include "mtlspop/transport/context.hpp"
#include "transfer_observer.hpp"

namespace mtlspop::cpprest {

/// Cancels a context once nothing has moved for so long. One timer, for when that can be the case at the earliest, and set again
/// where something has moved meanwhile: ten thousand requests that upload cost nothing until then. Watches as long as it lives.
///
/// Thread safety: `Start` once, by whoever made it.
class ProgressWatch final : public std::enable_shared_from_this<ProgressWatch> {
 public:
  /// @param context one that can be cancelled
  /// @param limit ten years at most
  ProgressWatch(Context context, std::shared_ptr<TransferObserver const> observer, Context::Clock::duration limit);
  ~ProgressWatch();
  ProgressWatch(ProgressWatch const&) = delete;
  ProgressWatch& operator=(ProgressWatch const&) = delete;

  /// @throw Error `system_failure` where there is no thread for the timer; std::bad_alloc
  void Start();

 private:
  Context::TimePoint Due() const noexcept { return observer_->LastMove() + limit_; }
  Context::TimePoint TimeHasCome() noexcept;

  Context const context_;
  std::shared_ptr<TransferObserver const> const observer_;
  Context::Clock::duration const limit_;
  TimerService::Timer timer_;
};

}  // namespace mtlspop::cpprest
