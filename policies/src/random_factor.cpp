#include "random_factor.hpp"

#include <cstdint>
#include <random>

namespace mtlspop {

double RandomFraction(std::function<double()> const& random) {
  if (random) return random();
  thread_local std::minstd_rand generator{std::random_device{}()};
  return std::uniform_real_distribution<double>{0.0, 1.0}(generator);
}

std::chrono::milliseconds ShortenedByAFifth(std::chrono::milliseconds time, std::function<double()> const& random) {
  auto const factor = 0.8 + 0.2 * RandomFraction(random);
  return std::chrono::milliseconds{static_cast<std::int64_t>(static_cast<double>(time.count()) * factor)};
}

}  // namespace mtlspop
