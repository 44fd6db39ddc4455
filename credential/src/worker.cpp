#include "worker.hpp"

#include <chrono>
#include <utility>

namespace mtlspop {
namespace {

/// Long enough to serve the next step of a burst, short enough that an idle process has no threads of ours.
constexpr std::chrono::seconds IdleTime{2};

}  // namespace

Worker::~Worker() {
  auto* const state = state_.Find();
  if (state == nullptr) return;
  Threads threads;
  {
    std::lock_guard<std::mutex> const lock{state->Mutex};
    state->Stopping = true;
    state->Jobs.clear();
    threads.swap(state->Running);
    threads.splice(threads.end(), state->Ended);
  }
  state->WorkersContext.Cancel();
  state->Changed.notify_all();
  Join(threads);
}

void Worker::Run(Job job) {
  auto& state = state_.Get();
  Threads ended;
  {
    std::lock_guard<std::mutex> const lock{state.Mutex};
    ended.swap(state.Ended);
    state.Jobs.push_back(std::move(job));
    if (state.Idle < state.Jobs.size()) {
      auto const self = state.Running.emplace(state.Running.end());
      try {
        *self = std::thread{[&state, self] { Work(state, self); }};
      } catch (...) {
        state.Running.erase(self);
        if (state.Running.empty()) {
          state.Jobs.pop_back();
          throw;
        }
      }
    }
  }
  state.Changed.notify_one();
  Join(ended);
}

void Worker::Work(State& state, Threads::iterator self) {
  std::unique_lock<std::mutex> lock{state.Mutex};
  while (WaitForJob(state, lock)) {
    Job job = std::move(state.Jobs.front());
    state.Jobs.pop_front();
    lock.unlock();
    job(state.WorkersContext);
    job = nullptr;
    lock.lock();
  }
  // The destructor has taken the lists over where it is stopping.
  if (!state.Stopping) state.Ended.splice(state.Ended.end(), state.Running, self);
}

bool Worker::WaitForJob(State& state, std::unique_lock<std::mutex>& lock) {
  ++state.Idle;
  state.Changed.wait_for(lock, IdleTime, [&state] { return state.Stopping || !state.Jobs.empty(); });
  --state.Idle;
  return !state.Stopping && !state.Jobs.empty();
}

void Worker::Join(Threads& threads) {
  for (auto& thread : threads) thread.join();
  threads.clear();
}

}  // namespace mtlspop
