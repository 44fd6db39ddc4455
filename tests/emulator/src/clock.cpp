#include "clock.hpp"

#include <atomic>
#include <cstdint>

namespace mtlspop_emulator {
namespace {

std::atomic<std::int64_t> offset{0};

}  // namespace

std::time_t Now() { return std::time(nullptr) + static_cast<std::time_t>(offset.load()); }

void AdvanceClock(std::chrono::seconds by) { offset += by.count(); }

}  // namespace mtlspop_emulator
