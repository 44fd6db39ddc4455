#include "mtlspop/base/thread_name.hpp"

namespace mtlspop {

void NameThisThread(char const* /*name*/) noexcept {}

}  // namespace mtlspop
