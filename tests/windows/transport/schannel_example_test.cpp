// The example of schannel.hpp, compiled as it stands there. It is not run: the certificate that it names is nobody's.
#include <memory>

#include "mtlspop/transport/http_transport.hpp"
#include "mtlspop/transport/schannel.hpp"

namespace mtlspop::test {
namespace {

[[maybe_unused]] void SendsWithACertificateOfTheStore(
    std::shared_ptr<HttpTransport> const& transport, Request& request, Context const& context) {
#include "examples/schannel.inc"
}

}  // namespace
}  // namespace mtlspop::test
