#include "openssl/fork_generation.hpp"

#include <atomic>

#include <pthread.h>

namespace mtlspop::openssl {
namespace {

std::atomic<std::uint64_t> generation{0};

}  // namespace

std::uint64_t ForkGeneration() noexcept {
  static bool const registered =
      ::pthread_atfork(nullptr, nullptr, [] { generation.fetch_add(1, std::memory_order_relaxed); }) == 0;
  static_cast<void>(registered);
  return generation.load(std::memory_order_relaxed);
}

}  // namespace mtlspop::openssl
