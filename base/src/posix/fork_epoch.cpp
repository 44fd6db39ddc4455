#include "mtlspop/base/fork_epoch.hpp"

#include <atomic>

#include <pthread.h>

namespace mtlspop {
namespace {

std::atomic<std::uint64_t> epoch{0};

bool Register() noexcept {
  return ::pthread_atfork(nullptr, nullptr, [] { epoch.fetch_add(1, std::memory_order_relaxed); }) == 0;
}

/// Before main(), when there is memory for it.
std::atomic<bool> isRegistered{Register()};

}  // namespace

std::uint64_t ForkEpoch() noexcept {
  // Two threads may both register here, and a fork then counts twice, which does no harm.
  if (!isRegistered.load(std::memory_order_relaxed)) {
    isRegistered.store(Register(), std::memory_order_relaxed);
  }
  return epoch.load(std::memory_order_relaxed);
}

}  // namespace mtlspop
