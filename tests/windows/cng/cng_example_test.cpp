// The example of cng_key.hpp, compiled as it stands there. It is not run: it wants a certificate of the machine's store.
#include <memory>

#include <windows.h>

#include <wincrypt.h>

#include <openssl/ssl.h>

#include "mtlspop/cng/cng_key.hpp"

namespace mtlspop::test {
namespace {

[[maybe_unused]] void PresentsACertificateOfTheStore(PCCERT_CONTEXT certificate, SSL_CTX* context) {
#include "examples/cng_key.inc"
}

}  // namespace
}  // namespace mtlspop::test
