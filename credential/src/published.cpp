#include "published.hpp"

#include <algorithm>

namespace mtlspop {

std::size_t ReaderSlots() noexcept {
  static std::size_t const slots = [] {
    std::size_t const wanted = std::clamp<std::size_t>(std::size_t{2} * std::thread::hardware_concurrency(), 4, 64);
    std::size_t power = 4;
    while (power < wanted) power *= 2;
    return power;
  }();
  return slots;
}

std::size_t ThisThreadsSlot() noexcept {
  static std::atomic<std::size_t> next{0};
  static thread_local std::size_t const slot = next.fetch_add(1, std::memory_order_relaxed) & (ReaderSlots() - 1);
  return slot;
}

}  // namespace mtlspop
