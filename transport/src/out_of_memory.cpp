#include "mtlspop/transport/out_of_memory.hpp"

#include <exception>
#include <utility>

#include "mtlspop/transport/error.hpp"

namespace mtlspop {
namespace {

std::exception_ptr MakeOutOfMemory() {
  ErrorDetails details{
      errors::SystemFailure, "There was no memory for the request",
      "Give the process more memory (ulimit -v, the cgroup's memory.max), or look for what takes it; the other side "
      "has "
      "no part in it"};
  details.Transient = true;
  return std::make_exception_ptr(Error{std::move(details)});
}

/// Before main(), while there is memory.
std::exception_ptr const outOfMemory = MakeOutOfMemory();

}  // namespace

void ThrowOutOfMemory() { std::rethrow_exception(outOfMemory); }

}  // namespace mtlspop
