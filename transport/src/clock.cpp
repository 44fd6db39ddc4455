#include "mtlspop/transport/clock.hpp"

#include <condition_variable>
#include <mutex>

#include "mtlspop/base/wait.hpp"
#include "mtlspop/transport/error.hpp"

namespace mtlspop {
namespace {

class MachineClock final : public Clock {
 public:
  SystemTime Now() const override { return std::chrono::system_clock::now(); }
  SteadyTime SteadyNow() const override { return std::chrono::steady_clock::now(); }

  void Sleep(std::chrono::nanoseconds duration, Context const& context) override {
    auto const end = std::chrono::steady_clock::now() + duration;
    if (context.Deadline() < end) {
      throw Error{ErrorDetails{
          errors::DeadlineExceeded, "The deadline would pass while waiting for the next attempt",
          "Allow more time for the operation, or look at the cause of the earlier attempts"}};
    }
    std::mutex mutex;
    std::condition_variable changed;
    std::unique_lock<std::mutex> lock{mutex};
    WaitUntil(lock, changed, end, context, [] { return false; });
    lock.unlock();
    if (context.IsCancelled()) {
      context.ThrowIfEnded("Waiting for the next attempt");
    }
  }
};

}  // namespace

gsl::not_null<std::shared_ptr<Clock>> SystemClock() {
  static std::shared_ptr<Clock> const clock = std::make_shared<MachineClock>();
  return clock;
}

}  // namespace mtlspop
