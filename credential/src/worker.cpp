#include "worker.hpp"

#include <chrono>
#include <utility>

#include "crypto.hpp"

namespace mtlspop {
namespace {

/// Long enough to serve the next step of a burst, short enough that an idle process has no threads of ours.
constexpr std::chrono::seconds IdleTime{2};

}  // namespace

Worker::Worker() : processId_(crypto::ProcessId()) {}

Worker::~Worker() {
  Threads threads;
  {
    std::lock_guard<std::mutex> const lock{mutex_};
    ForgetParentsThreads();
    stopping_ = true;
    jobs_.clear();
    threads.swap(threads_);
    threads.splice(threads.end(), ended_);
  }
  context_.Cancel();
  changed_.notify_all();
  Join(threads);
}

void Worker::Run(Job job) {
  Threads ended;
  {
    std::lock_guard<std::mutex> const lock{mutex_};
    ForgetParentsThreads();
    ended.swap(ended_);
    jobs_.push_back(std::move(job));
    if (idle_ < jobs_.size()) {
      auto const self = threads_.emplace(threads_.end());
      try {
        *self = std::thread{[this, self] { Work(self); }};
      } catch (...) {
        threads_.erase(self);
        if (threads_.empty()) {
          jobs_.pop_back();
          throw;
        }
      }
    }
  }
  changed_.notify_one();
  Join(ended);
}

void Worker::Work(Threads::iterator self) {
  std::unique_lock<std::mutex> lock{mutex_};
  while (WaitForJob(lock)) {
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job(context_);
    job = nullptr;
    lock.lock();
  }
  // The destructor has taken the lists over where it is stopping.
  if (!stopping_) ended_.splice(ended_.end(), threads_, self);
}

bool Worker::WaitForJob(std::unique_lock<std::mutex>& lock) {
  ++idle_;
  changed_.wait_for(lock, IdleTime, [this] { return stopping_ || !jobs_.empty(); });
  --idle_;
  return !stopping_ && !jobs_.empty();
}

void Worker::ForgetParentsThreads() {
  auto const processId = crypto::ProcessId();
  if (processId == processId_) return;
  processId_ = processId;
  // The handles are of threads that do not exist here: they can be neither joined nor destroyed.
  auto* const abandoned = new Threads{std::move(threads_)};
  abandoned->splice(abandoned->end(), ended_);
  threads_.clear();
  jobs_.clear();
  idle_ = 0;
}

void Worker::Join(Threads& threads) {
  for (auto& thread : threads) thread.join();
  threads.clear();
}

}  // namespace mtlspop
