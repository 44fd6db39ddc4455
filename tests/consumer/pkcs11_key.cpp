// An installed mtlspop::pkcs11 is linked whole: what it says of a URI that is none.
#include "mtlspop/pkcs11/pkcs11_key.hpp"
#include "mtlspop/transport/error.hpp"

int main() {
  mtlspop::Pkcs11KeyProviderOptions options;
  options.Uri = "pkcs11:%zz";
  try {
    mtlspop::MakePkcs11KeyProvider(options);
  } catch (mtlspop::Error const& error) {
    return error.Code() == mtlspop::errors::InvalidArgument ? 0 : 1;
  }
  return 1;
}
