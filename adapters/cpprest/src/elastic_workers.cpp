#include "elastic_workers.hpp"

#include <exception>
#include <utility>

#include "mtlspop/transport/error.hpp"

namespace mtlspop::cpprest {

ElasticWorkers::State::State(
    State* /*parents*/, std::chrono::milliseconds idleTime, ThreadPool::Factory const& makeThread)
    : Threads({idleTime, makeThread, [context = Ended] { context.Cancel(); }}) {}

ElasticWorkers::ElasticWorkers(std::chrono::milliseconds idleTime, ThreadPool::Factory makeThread)
    : state_(idleTime, std::move(makeThread)) {}

void ElasticWorkers::schedule(pplx::TaskProc_t task, void* argument) {
  try {
    state_.Get().Threads.Run([task, argument] { task(argument); });
  } catch (std::exception const&) {
    // pplx has nobody to tell, and whoever waits for the task would wait for ever.
    task(argument);
  }
}

void ElasticWorkers::RunNow(pplx::TaskProc_t task, void* argument) {
  try {
    state_.Get().Threads.RunNow([task, argument] { task(argument); });
  } catch (std::exception const&) {
    std::throw_with_nested(Error{
        {errors::SystemFailure, "The system has no thread to send the request on",
         "Raise the limit of threads or processes (ulimit -u, the cgroup's pids.max), or send fewer requests at a "
         "time; send none when the process ends"}});
  }
}

std::size_t ElasticWorkers::ThreadCount() const { return state_.Get().Threads.ThreadCount(); }

}  // namespace mtlspop::cpprest
