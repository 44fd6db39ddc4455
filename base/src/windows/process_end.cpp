#include "mtlspop/base/process_end.hpp"

namespace mtlspop {

void CallAtProcessEnd(void (*)()) noexcept {}

}  // namespace mtlspop
