#include "mtlspop/base/random_numbers.hpp"

#include <random>

namespace mtlspop {

RandomNumbers SystemRandomNumbers() {
  // Straight from the system: such numbers are rarely wanted, and a generator with a state would be the same in each child
  // of fork().
  return [] {
    std::random_device device;
    return std::uniform_real_distribution<double>{}(device);
  };
}

RandomNumbers RandomOr(RandomNumbers const& given) { return given ? given : SystemRandomNumbers(); }

}  // namespace mtlspop
