#include "mtlspop/base/fork_epoch.hpp"

namespace mtlspop {

/// Windows has no fork().
std::uint64_t ForkEpoch() noexcept { return 0; }

}  // namespace mtlspop
