// The emulator's time: the system's, moved forward by tests that will not wait for an expiry.
#pragma once

#include <chrono>
#include <ctime>

namespace mtlspop_emulator {

std::time_t Now();

void AdvanceClock(std::chrono::seconds by);

}  // namespace mtlspop_emulator
