#pragma once

/// @file
/// Which processor what is measured runs on.

#include <cerrno>
#include <system_error>
#include <vector>

#include <sched.h>

namespace mtlspop::bench {

/// The processors that this thread may run on.
inline std::vector<int> AllowedProcessors() {
  cpu_set_t allowed;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) {
    throw std::system_error{errno, std::generic_category(), "processors"};
  }
  std::vector<int> processors;
  for (int processor = 0; processor < CPU_SETSIZE; ++processor) {
    if (CPU_ISSET(static_cast<std::size_t>(processor), &allowed)) processors.push_back(processor);
  }
  return processors;
}

/// Keeps this thread, and the threads and processes that it starts meanwhile, on one processor.
class OneProcessor final {
 public:
  explicit OneProcessor(int processor = ::sched_getcpu()) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<std::size_t>(processor < 0 ? 0 : processor), &one);
    if (::sched_getaffinity(0, sizeof all_, &all_) != 0 || ::sched_setaffinity(0, sizeof one, &one) != 0) {
      throw std::system_error{errno, std::generic_category(), "one processor"};
    }
  }
  ~OneProcessor() { ::sched_setaffinity(0, sizeof all_, &all_); }
  OneProcessor(OneProcessor const&) = delete;
  OneProcessor& operator=(OneProcessor const&) = delete;

 private:
  cpu_set_t all_{};
};

}  // namespace mtlspop::bench
