#include "pool_watch.hpp"

#include <algorithm>
#include <deque>
#include <utility>

#if !defined(_WIN32) && !defined(__APPLE__)
#include <pplx/threadpool.h>
#endif

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
    : pool_(std::move(pool)), interval_(interval), workers_(std::make_unique<ElasticWorkers>()) {}

PoolWatch::~PoolWatch() { Stop(); }

std::shared_ptr<PoolWatch> PoolWatch::OfProcess() {
#if defined(_WIN32) || defined(__APPLE__)
  return nullptr;
#else
  struct Owner {
    // A client may live on when the process ends, but the pool does not.
    ~Owner() { Watch->Stop(); }
    std::shared_ptr<PoolWatch> Watch;
  };
  auto& service = crossplat::threadpool::shared_instance().service();
  static Owner const owner{
      std::make_shared<PoolWatch>(SharedPool{PostToPool, [&service] { return service.poll_one() > 0; }})};
  return owner.Watch;
#endif
}

void PoolWatch::Touch() noexcept {
  isTouched_ = true;
  if (!isWatching_ && !isWatching_.exchange(true)) StartWatching();
}

void PoolWatch::StartWatching() noexcept {
  try {
    std::lock_guard const lock{mutex_};
    if (isStopping_) return;
    workers_->RunNow([](void* self) { static_cast<PoolWatch*>(self)->Watch(); }, this);
  } catch (Error const&) {
    // No thread to watch with: the next answer tries again.
    isWatching_ = false;
  }
}

void PoolWatch::Watch() {
  std::unique_lock lock{mutex_};
  do {
    if (!WatchUntilQuiet(lock)) return;
    isWatching_ = false;
    // Whoever touched just before that has not started another watch.
  } while (isTouched_ && !isWatching_.exchange(true));
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
      workers_->RunNow([](void* self) { static_cast<PoolWatch*>(self)->HelpOut(); }, this);
    } catch (Error const&) {
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
  std::unique_ptr<ElasticWorkers> ending;
  {
    std::lock_guard const lock{mutex_};
    isStopping_ = true;
    ending = std::move(workers_);
    stopped_.notify_all();
  }
}

}  // namespace mtlspop::cpprest
