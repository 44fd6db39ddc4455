#include "mtlspop/transport/clock.hpp"

#include <condition_variable>
#include <mutex>
#include <system_error>
#include <utility>

#include "mtlspop/base/pending_wait.hpp"
#include "mtlspop/base/wait.hpp"
#include "mtlspop/transport/blocking_call.hpp"
#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/executor.hpp"
#include "no_thread.hpp"

namespace mtlspop {
namespace {

/// When a sleep that begins now ends.
/// @throw Error `deadline_exceeded` where the deadline would pass meanwhile
Clock::SteadyTime EndOfSleep(std::chrono::nanoseconds duration, Context const& context) {
  auto const end = std::chrono::steady_clock::now() + duration;
  if (context.Deadline() >= end) return end;
  throw Error{ErrorDetails{
      errors::DeadlineExceeded, "The deadline would pass while waiting for the next attempt",
      "Allow more time for the operation, or look at the cause of the earlier attempts"}};
}

void ThrowIfCancelled(Context const& context) {
  if (context.IsCancelled()) context.ThrowIfEnded("Waiting for the next attempt");
}

class MachineClock final : public Clock {
 public:
  SystemTime Now() const override { return std::chrono::system_clock::now(); }
  SteadyTime SteadyNow() const override { return std::chrono::steady_clock::now(); }

  void Sleep(std::chrono::nanoseconds duration, Context const& context) override {
    auto const end = EndOfSleep(duration, context);
    std::mutex mutex;
    std::condition_variable changed;
    std::unique_lock<std::mutex> lock{mutex};
    WaitUntil(lock, changed, end, context, [] { return false; });
    lock.unlock();
    ThrowIfCancelled(context);
  }

  void SleepAsync(std::chrono::nanoseconds duration, Context const& context, Completion<void> done) override {
    auto const end = OutcomeOf([&] { return EndOfSleep(duration, context); });
    if (!end.HasValue()) {
      return DefaultExecutor()([done = std::move(done), failure = end.Failure()] { done(failure); });
    }
    try {
      ContextWait<Context>::Begin(
          context, Outcome{end}.Take(), DefaultExecutor(),
          [context, done = std::move(done)](WaitEnd) { done(OutcomeOf([&] { ThrowIfCancelled(context); })); });
    } catch (std::system_error const& error) {
      ThrowNoThread(error);
    }
  }
};

}  // namespace

void Clock::SleepAsync(std::chrono::nanoseconds duration, Context const& context, Completion<void> done) {
  CallBlocking(
      BlockingWork::Sleeping, context, [this, duration](Context const& limited) { Sleep(duration, limited); },
      std::move(done));
}

gsl::not_null<std::shared_ptr<Clock>> SystemClock() {
  static std::shared_ptr<Clock> const clock = std::make_shared<MachineClock>();
  return clock;
}

}  // namespace mtlspop
