#include "client_name.hpp"

#include "mtlspop/version.hpp"

namespace mtlspop {

void AddClientName(Headers& fields) {
  fields.Set("x-client-SKU", "mtlspop");
  fields.Set("x-client-Ver", Version);
}

void AddClientHeaders(Headers& fields) {
  AddClientName(fields);
  fields.Set("x-client-OS", MTLSPOP_SYSTEM_NAME);
  fields.Set("x-ms-lib-capability", "retry-after");
}

}  // namespace mtlspop
