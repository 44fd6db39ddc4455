// Only an Azure SDK that was built with BUILD_TRANSPORT_CUSTOM asks for this: it has no transport of its own for clients whose
// options name none, and the program says what they take. UseTokenBinding names one.

#include <azure/core/http/policies/policy.hpp>

#include <memory>

#include "mtlspop/azure/http_transport.hpp"

std::shared_ptr<Azure::Core::Http::HttpTransport> AzureSdkGetCustomHttpTransport() {
  return std::make_shared<mtlspop::azure::HttpTransport>();
}
