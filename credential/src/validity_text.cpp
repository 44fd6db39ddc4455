#include "validity_text.hpp"

#include "mtlspop/base/local_time.hpp"
#include "mtlspop/transport/log.hpp"

namespace mtlspop {

std::string DescribeValidity(
    std::chrono::system_clock::time_point notBefore,
    std::chrono::system_clock::time_point notAfter,
    std::chrono::system_clock::time_point now) {
  auto text = "from " + ToTimestamp(notBefore) + " until " + ToTimestamp(notAfter) +
              ", and this machine's clock says " + ToTimestamp(now);
  auto const local = ToLocalTimestamp(now);
  if (!local.empty()) text += " (" + local + " local time)";
  return text;
}

}  // namespace mtlspop
