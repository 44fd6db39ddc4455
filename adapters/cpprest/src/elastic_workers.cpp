#include "elastic_workers.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

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
  explicit State(std::chrono::milliseconds idleTime) : idleTime_(idleTime) {}

  void Schedule(Task task) {
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
      worker->Thread = std::thread{[self = shared_from_this(), worker] { self->Run(worker); }};
    } catch (std::system_error const&) {
      if (workers_.empty()) throw;
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
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<Worker>> workers_;
  /// Last in, first out, so that as few threads as possible stay warm.
  std::vector<std::shared_ptr<Worker>> idle_;
  std::deque<Task> waiting_;
  /// Threads that are about to return, or have.
  std::vector<std::thread> ended_;
  bool stopping_ = false;
};

ElasticWorkers::ElasticWorkers(std::chrono::milliseconds idleTime) : state_(std::make_shared<State>(idleTime)) {}

ElasticWorkers::~ElasticWorkers() { state_->StopAndJoin(); }

void ElasticWorkers::schedule(pplx::TaskProc_t task, void* argument) { state_->Schedule({task, argument}); }

std::size_t ElasticWorkers::ThreadCount() const { return state_->Count(); }

}  // namespace mtlspop::cpprest
