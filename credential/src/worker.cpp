#include "worker.hpp"

#include <chrono>
#include <utility>

namespace mtlspop {
namespace {

/// Long enough to serve the next step of a burst, short enough that an idle process has no threads of ours.
constexpr std::chrono::seconds IdleTime{2};

}  // namespace

Worker::State::State(State* /*parents*/)
    : Threads({IdleTime, nullptr, [context = WorkersContext] { context.Cancel(); }}) {}

void Worker::Run(Job job) {
  auto& state = state_.Get();
  state.Threads.Run([context = state.WorkersContext, job = std::move(job)] {
    if (!context.IsCancelled()) job(context);
  });
}

}  // namespace mtlspop
