#include "mtlspop/base/processors.hpp"

#include <sched.h>

#include <algorithm>
#include <thread>

namespace mtlspop {

unsigned AvailableProcessors() noexcept {
  // glibc's own answer is of the machine. A set of this size is too small for more than a thousand processors.
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (::sched_getaffinity(0, sizeof allowed, &allowed) == 0) {
    return static_cast<unsigned>(std::max(1, CPU_COUNT(&allowed)));
  }
  return std::max(1U, std::thread::hardware_concurrency());
}

}  // namespace mtlspop
