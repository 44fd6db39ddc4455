#include "no_thread.hpp"

#include <string>
#include <utility>

#include "mtlspop/transport/error.hpp"

namespace mtlspop {

void ThrowNoThread(std::system_error const& cause) {
  ErrorDetails details{
      errors::SystemFailure, std::string{"There was no thread for an asynchronous call: "} + cause.what(),
      "Raise the limit on threads (ulimit -u, TasksMax=, the cgroup's pids.max), or look for what takes them; where "
      "the "
      "process is ending, nothing has to be done"};
  details.NothingSent = true;
  details.Transient = true;
  throw Error{std::move(details)};
}

}  // namespace mtlspop
