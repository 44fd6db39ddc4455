#include "elastic_workers.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "mtlspop/transport/error.hpp"

namespace mtlspop::cpprest {
namespace {

struct Task {
  pplx::TaskProc_t Procedure = nullptr;
  void* Argument = nullptr;
};

struct Worker {
  std::thread Thread;
  std::condition_variable Wake;
  Task Next;
};

}  // namespace

class ElasticWorkers::State final : public std::enable_shared_from_this<State> {
 public:
  State(std::chrono::milliseconds idleTime, ThreadFactory makeThread)
      : idleTime_(idleTime), makeThread_(std::move(makeThread)) {}

  void Schedule(Task task, bool mayWait) {
    std::unique_lock lock{mutex_};
    if (!idle_.empty()) {
      auto const worker = std::move(idle_.back());
      idle_.pop_back();
      worker->Next = task;
      // Woken without the lock, so that it need not wait for it at once.
      lock.unlock();
      worker->Wake.notify_one();
      return;
    }
    auto worker = std::make_shared<Worker>();
    worker->Next = task;
    try {
      worker->Thread = makeThread_([self = shared_from_this(), worker] { self->Run(worker); });
    } catch (std::system_error const&) {
      if (!mayWait || workers_.empty()) throw;
      waiting_.push_back(task);
      return;
    }
    workers_.push_back(std::move(worker));
  }

  std::size_t Count() const {
    std::lock_guard const lock{mutex_};
    return workers_.size();
  }

  void StopAndJoin() {
    std::vector<std::thread> ended;
    {
      std::lock_guard const lock{mutex_};
      stopping_ = true;
      for (auto const& worker : idle_) worker->Wake.notify_one();
      ended = std::exchange(ended_, {});
      for (auto const& worker : workers_) ended.push_back(std::move(worker->Thread));
    }
    for (auto& thread : ended) {
      if (thread.get_id() == std::this_thread::get_id()) {
        thread.detach();
      } else {
        thread.join();
      }
    }
  }

 private:
  void Run(std::shared_ptr<Worker> const& worker) {
    std::unique_lock lock{mutex_};
    for (auto task = std::exchange(worker->Next, {}); task.Procedure != nullptr; task = TakeNext(worker, lock)) {
      lock.unlock();
      task.Procedure(task.Argument);
      lock.lock();
    }
    auto earlier = std::exchange(ended_, {});
    if (worker->Thread.joinable()) ended_.push_back(std::move(worker->Thread));
    workers_.erase(std::find(workers_.begin(), workers_.end(), worker));
    lock.unlock();
    for (auto& thread : earlier) thread.join();
  }

  // Waits for a task; none when this worker is to end.
  Task TakeNext(std::shared_ptr<Worker> const& worker, std::unique_lock<std::mutex>& lock) {
    if (!waiting_.empty()) {
      auto const task = waiting_.front();
      waiting_.pop_front();
      return task;
    }
    if (stopping_) return {};
    idle_.push_back(worker);
    worker->Wake.wait_for(lock, idleTime_, [&] { return worker->Next.Procedure != nullptr || stopping_; });
    if (worker->Next.Procedure == nullptr) idle_.erase(std::find(idle_.begin(), idle_.end(), worker));
    return std::exchange(worker->Next, {});
  }

  std::chrono::milliseconds const idleTime_;
  ThreadFactory const makeThread_;
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<Worker>> workers_;
  /// Last in, first out, so that as few threads as possible stay warm.
  std::vector<std::shared_ptr<Worker>> idle_;
  std::deque<Task> waiting_;
  /// Threads that are about to return, or have.
  std::vector<std::thread> ended_;
  bool stopping_ = false;
};

std::thread MakeThread(std::function<void()> work) { return std::thread{std::move(work)}; }

ElasticWorkers::ElasticWorkers(std::chrono::milliseconds idleTime, ThreadFactory makeThread)
    : state_(std::make_shared<State>(idleTime, std::move(makeThread))) {}

ElasticWorkers::~ElasticWorkers() { state_->StopAndJoin(); }

void ElasticWorkers::schedule(pplx::TaskProc_t task, void* argument) { state_->Schedule({task, argument}, true); }

void ElasticWorkers::RunNow(pplx::TaskProc_t task, void* argument) {
  try {
    state_->Schedule({task, argument}, false);
  } catch (std::system_error const&) {
    std::throw_with_nested(Error{
        {errors::SystemFailure, "the system has no thread to send the request on",
         "Raise the limit of threads or processes (ulimit -u, the cgroup's pids.max), or send fewer requests at a "
         "time"}});
  }
}

std::size_t ElasticWorkers::ThreadCount() const { return state_->Count(); }

}  // namespace mtlspop::cpprest
