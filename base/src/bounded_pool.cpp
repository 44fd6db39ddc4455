#include "mtlspop/base/bounded_pool.hpp"

#include <list>
#include <mutex>
#include <new>
#include <system_error>
#include <utility>

#include "mtlspop/base/thread_pool.hpp"

namespace mtlspop {

class BoundedPool::State final {
 public:
  /// A job stays in one node all its life, so that to begin and to end it cannot fail.
  using Jobs = std::list<Job>;

  explicit State(std::size_t maximumThreads)
      : maximum_(maximumThreads), threads_({std::chrono::seconds{10}, nullptr, [this] { Stop(); }}) {}

  /// What a job that is given where there is no thread at all waits for.
  enum class Patience { Nothing, Threads, ThreadsAndMemory };

  bool Run(Job job, Patience patience) {
    Jobs added;
    added.push_back(std::move(job));
    return Run(std::move(added), patience);
  }

  bool Run(Jobs added, Patience patience) {
    auto const entry = added.begin();
    std::unique_lock lock{mutex_};
    if (isStopped_) {
      if (patience != Patience::Nothing) return false;
      throw std::system_error{std::make_error_code(std::errc::operation_canceled), "the process is ending"};
    }
    waiting_.splice(waiting_.end(), added);
    if (busy_ == maximum_) return false;
    ++busy_;
    try {
      // Within the lock, so that nobody takes the job from under the handler below.
      threads_.Run([this] { Work(); });
      return true;
    } catch (std::exception const& failure) {
      bool const isMemory = dynamic_cast<std::bad_alloc const*>(&failure) != nullptr;
      if (--busy_ > 0 || patience > (isMemory ? Patience::Threads : Patience::Nothing)) return false;
      added.splice(added.end(), waiting_, entry);
      throw;
    }
  }

  ThreadPool::Hold Keep() { return threads_.KeepThread(); }

  std::size_t Count() const {
    std::lock_guard const lock{mutex_};
    return busy_;
  }

 private:
  void Work() noexcept {
    std::unique_lock lock{mutex_};
    while (!isStopped_ && !waiting_.empty()) {
      auto const job = waiting_.begin();
      running_.splice(running_.end(), waiting_, job);
      lock.unlock();
      job->Work();
      lock.lock();
      Jobs done;
      done.splice(done.end(), running_, job);
      // Whatever the job holds is let go of without the lock.
      lock.unlock();
      done.clear();
      lock.lock();
    }
    --busy_;
  }

  void Stop() noexcept {
    std::unique_lock lock{mutex_};
    isStopped_ = true;
    for (auto job = running_.begin(); job != running_.end();) {
      auto const cancel = std::exchange(job->Cancel, nullptr);
      if (!cancel) {
        ++job;
        continue;
      }
      lock.unlock();
      cancel();
      lock.lock();
      // Others may have ended meanwhile. Those that have been told have nothing to be told with any more.
      job = running_.begin();
    }
  }

  std::size_t const maximum_;
  mutable std::mutex mutex_;
  Jobs waiting_;
  Jobs running_;
  std::size_t busy_ = 0;
  bool isStopped_ = false;
  /// The last one, so that its threads are joined before the rest goes.
  ThreadPool threads_;
};

BoundedPool::BoundedPool(std::size_t maximumThreads) : state_(std::make_unique<State>(maximumThreads)) {}
BoundedPool::~BoundedPool() = default;

bool BoundedPool::Run(Job job) { return state_->Run(std::move(job), State::Patience::Nothing); }

void BoundedPool::RunWhenPossible(Job job) { state_->Run(std::move(job), State::Patience::Threads); }

ThreadPool::Hold BoundedPool::KeepThread() { return state_->Keep(); }

void BoundedPool::RunIn(Place& place, std::function<void()> work) noexcept {
  State::Jobs job;
  // What `work` holds may hold the place.
  job.splice(job.end(), place.job_);
  job.front().Work = std::move(work);
  state_->Run(std::move(job), State::Patience::ThreadsAndMemory);
}

std::size_t BoundedPool::BusyCount() const { return state_->Count(); }

}  // namespace mtlspop
