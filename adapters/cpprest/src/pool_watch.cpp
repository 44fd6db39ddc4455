#include "pool_watch.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <utility>

#if !defined(_WIN32) && !defined(__APPLE__)
#include <pplx/pplxtasks.h>
#include <pplx/threadpool.h>
#endif

#include "mtlspop/base/fork_epoch.hpp"
#include "mtlspop/base/per_process.hpp"
#include "mtlspop/base/thread_pool.hpp"
#include "mtlspop/transport/error.hpp"

namespace mtlspop::cpprest {
namespace {

// How many probes in a row have to be answered, without an answer coming in, before the watch ends.
constexpr int QuietRounds = 100;

#if !defined(_WIN32) && !defined(__APPLE__)
// What waits in cpprestsdk's pool. The pool knows no owners: what is still in its queue when the process ends would be
// nobody's.
struct Posted {
  std::mutex Mutex;
  std::deque<std::function<void()>> Works;
};

// The way that tasks of cpprestsdk take.
void PostToPool(std::function<void()> work) {
  // Never destroyed: the pool's threads may outlive static objects.
  static auto& posted = *new Posted;
  auto const runNext = [](void* /*argument*/) {
    std::unique_lock lock{posted.Mutex};
    auto const next = std::move(posted.Works.front());
    posted.Works.pop_front();
    lock.unlock();
    next();
  };
  std::lock_guard const lock{posted.Mutex};
  posted.Works.push_back(std::move(work));
  try {
    pplx::default_scheduler_t{}.schedule(runNext, nullptr);
  } catch (...) {
    posted.Works.pop_back();
    throw;
  }
}
#endif

}  // namespace

struct PoolWatch::Probe {
  std::atomic<bool> IsAnswered{false};
};

PoolWatch::PoolWatch(SharedPool pool, std::chrono::milliseconds interval)
    : pool_(std::move(pool)), interval_(interval), threads_(std::make_unique<ThreadPool>(ThreadPool::Options{})) {}

PoolWatch::~PoolWatch() { Stop(); }

#if !defined(_WIN32) && !defined(__APPLE__)
namespace {

[[noreturn]] void ThrowPoolIsDead() {
  throw Error{
      {errors::SystemFailure,
       "This process was made by fork() from one in which cpprestsdk had started its threads: they are not there, and "
       "what comes of a request would never run",
       "Fork before the first use of cpprestsdk, or start a program of its own (exec) in the child"}};
}

// What one process knows of cpprestsdk's pool.
class PoolOfProcess final {
 public:
  explicit PoolOfProcess(PoolOfProcess* parents) : isParents_(parents != nullptr) {
    if (isParents_) return;
    auto& service = crossplat::threadpool::shared_instance().service();
    watch_ = std::make_shared<PoolWatch>(SharedPool{PostToPool, [&service] { return service.poll_one() > 0; }});
    isAlive_ = ForkEpoch() == 0;
  }

  // Null where the pool is the parent's.
  std::shared_ptr<PoolWatch> const& Watch() const noexcept { return watch_; }

  // @throw Error system_failure where the pool does not answer, since its threads stayed behind in the parent
  void RefuseDead() {
    if (isAlive_) return;
    if (isParents_) ThrowPoolIsDead();
    // The process was forked before this library saw the pool, which may have been there already.
    constexpr std::chrono::seconds patience{1};
    std::unique_lock lock{answer_->Mutex};
    if (!std::exchange(hasAsked_, true)) {
      PostToPool([answer = answer_] {
        std::lock_guard const guard{answer->Mutex};
        answer->IsThere = true;
        answer->Changed.notify_all();
      });
    }
    if (!answer_->Changed.wait_for(lock, patience, [this] { return answer_->IsThere; })) ThrowPoolIsDead();
    isAlive_ = true;
  }

 private:
  struct Answer {
    std::mutex Mutex;
    std::condition_variable Changed;
    bool IsThere = false;
  };

  bool const isParents_;
  std::atomic<bool> isAlive_{false};
  std::shared_ptr<PoolWatch> watch_;
  bool hasAsked_ = false;
  std::shared_ptr<Answer> answer_ = std::make_shared<Answer>();
};

PoolOfProcess& ThisProcess() {
  static auto& pool = *new PerProcess<PoolOfProcess>;
  // A client may live on when the process ends, but cpprestsdk's pool does not, and what runs on our threads would go on
  // using it. This object is destroyed before the pool, which is older.
  struct Ending {
    ~Ending() {
      auto const* const own = pool.Find();
      if (own != nullptr && own->Watch()) own->Watch()->Stop();
      EndThreadPools();
    }
  };
  static Ending const ending;
  return pool.Get();
}

}  // namespace

std::shared_ptr<PoolWatch> PoolWatch::OfProcess() { return ThisProcess().Watch(); }

void PoolWatch::RefuseDeadPool() { ThisProcess().RefuseDead(); }
#else
std::shared_ptr<PoolWatch> PoolWatch::OfProcess() { return nullptr; }

void PoolWatch::RefuseDeadPool() {}
#endif

void PoolWatch::Touch() noexcept {
  isTouched_ = true;
  if (!isWatching_ && !isWatching_.exchange(true)) StartWatching();
}

void PoolWatch::StartWatching() noexcept {
  try {
    std::lock_guard const lock{mutex_};
    if (isStopping_) return;
    threads_->RunNow([this] { Watch(); });
  } catch (std::exception const&) {
    // No thread to watch with: the next answer tries again.
    isWatching_ = false;
  }
}

void PoolWatch::Watch() noexcept {
  try {
    std::unique_lock lock{mutex_};
    do {
      if (!WatchUntilQuiet(lock)) return;
      isWatching_ = false;
      // Whoever touched just before that has not started another watch.
    } while (isTouched_ && !isWatching_.exchange(true));
  } catch (std::exception const&) {
    // No memory for a probe: the next answer starts another watch.
    isWatching_ = false;
  }
}

// False where the watch was stopped.
bool PoolWatch::WatchUntilQuiet(std::unique_lock<std::mutex>& lock) {
  auto probe = SendProbe();
  for (int quiet = 0; quiet < QuietRounds; ++quiet) {
    if (stopped_.wait_for(lock, interval_, [this] { return isStopping_.load(); })) return false;
    if (isTouched_.exchange(false)) quiet = 0;
    if (probe->IsAnswered) {
      probe = SendProbe();
    } else {
      quiet = 0;
      BringHelp();
    }
  }
  return true;
}

std::shared_ptr<PoolWatch::Probe> PoolWatch::SendProbe() const {
  auto probe = std::make_shared<Probe>();
  pool_.Post([probe] { probe->IsAnswered = true; });
  return probe;
}

void PoolWatch::BringHelp() {
  auto const helped = helped_.load();
  auto const isMoving = helped != std::exchange(helpedBefore_, helped);
  if (isMoving) return;
  for (auto missing = std::max<std::size_t>(helpers_, 1); missing > 0; --missing) {
    ++helpers_;
    try {
      threads_->RunNow([this] { HelpOut(); });
    } catch (std::exception const&) {
      // Whoever helps out already goes on.
      --helpers_;
      return;
    }
  }
}

void PoolWatch::HelpOut() noexcept {
  while (!isStopping_ && pool_.RunOne()) ++helped_;
  --helpers_;
}

void PoolWatch::Stop() {
  std::unique_ptr<ThreadPool> ending;
  {
    std::lock_guard const lock{mutex_};
    isStopping_ = true;
    ending = std::move(threads_);
    stopped_.notify_all();
  }
}

}  // namespace mtlspop::cpprest
