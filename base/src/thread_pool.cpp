#include "mtlspop/base/thread_pool.hpp"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <list>
#include <mutex>
#include <system_error>
#include <utility>
#include <vector>

#include "mtlspop/base/per_process.hpp"
#include "mtlspop/base/process_end.hpp"
#include "mtlspop/base/thread_name.hpp"
#include "mtlspop/base/vector_registers.hpp"

namespace mtlspop {
namespace {

using Time = std::chrono::steady_clock::time_point;

/// A pool as the end of the process sees it.
class Stoppable {
 public:
  virtual ~Stoppable() = default;
  virtual void Stop() noexcept = 0;
  /// Joins what ends before `until`, and leaves the rest behind.
  virtual void Join(Time until) noexcept = 0;

 protected:
  Stoppable() = default;
  Stoppable(Stoppable const&) = delete;
  Stoppable& operator=(Stoppable const&) = delete;
};

/// The pools of this process.
class Registry final {
 public:
  explicit Registry(Registry* /*parents*/) {}

  static PerProcess<Registry>& Instance() {
    // Never destroyed: pools may come and go until the very end.
    static auto& instance = [&]() -> PerProcess<Registry>& {
      auto& made = *new PerProcess<Registry>;
      CallAtProcessEnd(&EndThreadPools);
      return made;
    }();
    return instance;
  }

  void Add(std::shared_ptr<Stoppable> const& pool) {
    std::lock_guard const lock{mutex_};
    pools_.erase(
        std::remove_if(pools_.begin(), pools_.end(), [](auto const& known) { return known.expired(); }), pools_.end());
    pools_.push_back(pool);
    if (hasEnded_) pool->Stop();
  }

  void End() noexcept {
    std::vector<std::weak_ptr<Stoppable>> ending;
    {
      std::lock_guard const lock{mutex_};
      hasEnded_ = true;
      ending.swap(pools_);
    }
    for (auto const& known : ending) {
      if (auto const pool = known.lock()) pool->Stop();
    }
    auto const until = std::chrono::steady_clock::now() + ThreadPool::LongestEnding;
    for (auto const& known : ending) {
      if (auto const pool = known.lock()) pool->Join(until);
    }
  }

 private:
  std::mutex mutex_;
  std::vector<std::weak_ptr<Stoppable>> pools_;
  bool hasEnded_ = false;
};

struct Thread {
  std::thread Handle;
  std::condition_variable Wake;
  ThreadPool::Job Next;

  bool IsThisThread() const noexcept { return Handle.get_id() == std::this_thread::get_id(); }

  void Join() noexcept {
    if (!Handle.joinable()) return;
    if (IsThisThread()) {
      Handle.detach();
    } else {
      Handle.join();
    }
  }
};

/// A thread stays in one node all its life, so that to end cannot fail.
using Threads = std::list<Thread>;

[[noreturn]] void ThrowStopped() {
  throw std::system_error{std::make_error_code(std::errc::operation_canceled), "the process is ending"};
}

}  // namespace

class ThreadPool::State final : public Stoppable, public std::enable_shared_from_this<State> {
 public:
  explicit State(Options options) : options_(std::move(options)) {}

  void Schedule(Job job, bool mayWait) {
    std::unique_lock lock{mutex_};
    if (stopping_) {
      if (!mayWait || threads_.empty()) ThrowStopped();
      return WaitForAThread(std::move(job));
    }
    if (!idle_.empty()) {
      auto* const thread = idle_.back();
      idle_.pop_back();
      thread->Next = std::move(job);
      // Within the lock: the thread may be gone right after it.
      thread->Wake.notify_one();
      return;
    }
    try {
      AddThread(job);
    } catch (std::exception const&) {
      if (!mayWait || threads_.empty()) throw;
      WaitForAThread(std::move(job));
    }
  }

  std::shared_ptr<std::atomic<std::size_t>> Keep() {
    std::shared_ptr<std::atomic<std::size_t>> count{shared_from_this(), &holds_};
    // Where there is one already, another costs no lock.
    for (auto held = holds_.load(); held > 0;) {
      if (holds_.compare_exchange_weak(held, held + 1)) return count;
    }
    std::lock_guard const lock{mutex_};
    if (threads_.empty() && !stopping_) AddThread([] {});
    holds_.fetch_add(1);
    return count;
  }

  std::size_t Count() const {
    std::lock_guard const lock{mutex_};
    return threads_.size();
  }

  void Stop() noexcept override {
    {
      std::lock_guard const lock{mutex_};
      if (std::exchange(stopping_, true)) return;
      for (auto* const thread : idle_) thread->Wake.notify_one();
    }
    if (options_.OnStop) options_.OnStop();
  }

  void Join(Time until) noexcept override {
    Threads ended;
    {
      std::unique_lock lock{mutex_};
      auto const isDone = [this] {
        return std::all_of(threads_.begin(), threads_.end(), [](auto const& thread) { return thread.IsThisThread(); });
      };
      if (until == Time::max()) {
        ended_.wait(lock, isDone);
      } else {
        ended_.wait_until(lock, until, isDone);
      }
      for (auto& thread : threads_) {
        if (thread.Handle.joinable()) thread.Handle.detach();
      }
      ended.swap(leaving_);
    }
    for (auto& thread : ended) thread.Join();
  }

 private:
  /// With the room made beforehand that idle threads need: nobody could be told of a failure later on.
  void AddThread(Job const& job) {
    idle_.reserve(threads_.size() + 1);
    Threads added(1);
    auto const thread = added.begin();
    thread->Next = job;
    Job work = [self = shared_from_this(), thread] { self->Work(thread); };
    ClearVectorRegisters();
    thread->Handle = options_.MakeThread ? options_.MakeThread(std::move(work)) : std::thread{std::move(work)};
    threads_.splice(threads_.end(), added);
  }

  void Work(Threads::iterator thread) noexcept {
    NameThisThread("mtlspop");
    Threads earlier;
    {
      std::unique_lock lock{mutex_};
      for (auto job = std::exchange(thread->Next, nullptr); job; job = TakeNext(*thread, lock)) {
        lock.unlock();
        job();
        job = nullptr;
        lock.lock();
      }
      earlier.swap(leaving_);
      leaving_.splice(leaving_.end(), threads_, thread);
      ended_.notify_all();
    }
    for (auto& other : earlier) other.Join();
  }

  /// In the spare place, where that is free: the first one needs no memory.
  void WaitForAThread(Job job) {
    Jobs added;
    if (spare_.empty()) {
      added.emplace_back();
    } else {
      added.splice(added.end(), spare_);
    }
    added.front() = std::move(job);
    waiting_.splice(waiting_.end(), added);
  }

  /// Waits for a job; none when this thread is to end.
  Job TakeNext(Thread& thread, std::unique_lock<std::mutex>& lock) {
    if (!waiting_.empty()) {
      auto job = std::exchange(waiting_.front(), nullptr);
      spare_.splice(spare_.end(), waiting_, waiting_.begin());
      if (spare_.size() > 1) spare_.pop_back();
      return job;
    }
    if (stopping_) return nullptr;
    idle_.push_back(&thread);
    do {
      thread.Wake.wait_for(lock, options_.IdleTime, [&] { return thread.Next || stopping_; });
    } while (!thread.Next && !stopping_ && IsKept());
    if (!thread.Next) idle_.erase(std::find(idle_.begin(), idle_.end(), &thread));
    return std::exchange(thread.Next, nullptr);
  }

  /// Whether this thread, being the last one, is to stay.
  bool IsKept() const noexcept { return threads_.size() == 1 && holds_.load() > 0; }

  using Jobs = std::list<Job>;

  Options const options_;
  mutable std::mutex mutex_;
  std::condition_variable ended_;
  Threads threads_;
  /// Last in, first out, so that as few threads as possible stay warm.
  std::vector<Thread*> idle_;
  Jobs waiting_;
  /// A place for one more that waits.
  Jobs spare_{1};
  std::atomic<std::size_t> holds_{0};
  /// Threads that are about to return, or have.
  Threads leaving_;
  bool stopping_ = false;
};

ThreadPool::ThreadPool(Options options) : state_(std::make_shared<State>(std::move(options))) {
  Registry::Instance().Get().Add(state_);
}

ThreadPool::~ThreadPool() {
  state_->Stop();
  state_->Join(Time::max());
}

void ThreadPool::Run(Job job) { state_->Schedule(std::move(job), true); }

ThreadPool::Hold ThreadPool::KeepThread() { return Hold{state_->Keep()}; }

void ThreadPool::RunNow(Job job) { state_->Schedule(std::move(job), false); }

std::size_t ThreadPool::ThreadCount() const { return state_->Count(); }

void EndThreadPools() noexcept {
  // Where this process has no pools, those of its parent are not its to end.
  if (auto* const pools = Registry::Instance().Find()) pools->End();
}

}  // namespace mtlspop
