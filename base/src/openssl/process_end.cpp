#include "mtlspop/base/process_end.hpp"

#include <cstdlib>

#include <openssl/ssl.h>

namespace mtlspop {

void CallAtProcessEnd(void (*handler)()) noexcept {
  // OpenSSL registers its own handler when it is first used. What is registered later is called earlier.
  static_cast<void>(OPENSSL_init_ssl(0, nullptr));
  static_cast<void>(std::atexit(handler));
}

}  // namespace mtlspop
