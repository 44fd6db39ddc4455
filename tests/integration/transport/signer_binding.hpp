#pragma once

#include <memory>

#include "mtlspop/transport/openssl.hpp"
#include "transport_test.hpp"

namespace mtlspop::test {

/// A binding whose certificate is for `original`, and whose key is `wrapped`.
inline Binding SignerBinding(std::shared_ptr<EVP_PKEY> const& original, std::shared_ptr<EVP_PKEY> const& wrapped) {
  CertificateRequest request;
  request.CommonName = "signer";
  request.ExistingKey = original;
  auto const issued = Authority().Issue(request);
  BindingCertificate::Der der(static_cast<std::size_t>(i2d_X509(issued.Certificate.get(), nullptr)));
  auto* out = der.data();
  i2d_X509(issued.Certificate.get(), &out);
  auto const handle = openssl::WrapPrivateKey(gsl::make_not_null(wrapped.get()));
  return openssl::MakeBindingCertificate({der}, handle, KeyStrength::Hardware).get();
}

}  // namespace mtlspop::test
