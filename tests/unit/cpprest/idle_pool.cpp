// cpprestsdk's pool forgets what is queued when the process ends, and LeakSanitizer calls that a leak. So the last thing that
// this program does is to wait until all that its tests have queued was run.

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>

#include <gtest/gtest.h>
#include <pplx/threadpool.h>

namespace mtlspop::cpprest {
namespace {

/// As many as cpprestsdk starts where nobody says how many.
constexpr int PoolThreads = 40;

class IdlePool final : public testing::Environment {
 public:
  /// When each thread of the pool has come here, none is in a task of before.
  void TearDown() override {
    struct Meeting {
      std::mutex Lock;
      std::condition_variable AllCame;
      int Came = 0;
    };
    auto const meeting = std::make_shared<Meeting>();
    auto const wait = [meeting](std::unique_lock<std::mutex>& lock) {
      meeting->AllCame.wait_for(lock, std::chrono::seconds{20}, [&] { return meeting->Came == PoolThreads; });
    };
    for (int thread = 0; thread < PoolThreads; ++thread) {
      crossplat::threadpool::shared_instance().service().post([meeting, wait] {
        std::unique_lock<std::mutex> lock{meeting->Lock};
        ++meeting->Came;
        meeting->AllCame.notify_all();
        wait(lock);
      });
    }
    std::unique_lock<std::mutex> lock{meeting->Lock};
    wait(lock);
  }
};

[[maybe_unused]] auto* const idlePool = testing::AddGlobalTestEnvironment(new IdlePool);

}  // namespace
}  // namespace mtlspop::cpprest
