#include "mtlspop/transport/request.hpp"

namespace mtlspop {

bool IsIdempotent(std::string_view method) noexcept {
  for (std::string_view const idempotent : {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"}) {
    if (method == idempotent) {
      return true;
    }
  }
  return false;
}

}  // namespace mtlspop
