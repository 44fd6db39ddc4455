#include "mtlspop/base/processors.hpp"

#include <algorithm>
#include <thread>

namespace mtlspop {

unsigned AvailableProcessors() noexcept { return std::max(1U, std::thread::hardware_concurrency()); }

}  // namespace mtlspop
