#include "mtlspop/base/thread_name.hpp"

#include <pthread.h>

namespace mtlspop {

void NameThisThread(char const* name) noexcept { static_cast<void>(::pthread_setname_np(::pthread_self(), name)); }

}  // namespace mtlspop
