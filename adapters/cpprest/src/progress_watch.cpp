#include "progress_watch.hpp"

#include <exception>
#include <system_error>
#include <utility>

#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/executor.hpp"

namespace mtlspop::cpprest {

ProgressWatch::ProgressWatch(
    Context context, std::shared_ptr<TransferObserver const> observer, Context::Clock::duration limit)
    : context_(std::move(context)), observer_(std::move(observer)), limit_(limit) {}

ProgressWatch::~ProgressWatch() { TimerService::OfThisProcess().Cancel(timer_); }

void ProgressWatch::Start() {
  try {
    timer_ = TimerService::OfThisProcess().Add(Due(), [weak = weak_from_this()] {
      auto const self = weak.lock();
      return self ? self->TimeHasCome() : Context::TimePoint::max();
    });
  } catch (std::system_error const& error) {
    throw Error{
        {errors::SystemFailure, std::string{"No thread could be started for the client's timeout: "} + error.what(),
         "Look at the memory and the threads of this machine; the other side has no part in it"}};
  }
}

// When to look again. Who hears of the cancellation may take its time, which the thread of all timers has not.
Context::TimePoint ProgressWatch::TimeHasCome() noexcept {
  auto const due = Due();
  if (Context::Clock::now() < due) return due;
  try {
    DefaultExecutor()([context = context_] { context.Cancel(); });
  } catch (std::exception const&) {
    // Nobody else can.
    context_.Cancel();
  }
  return Context::TimePoint::max();
}

}  // namespace mtlspop::cpprest
