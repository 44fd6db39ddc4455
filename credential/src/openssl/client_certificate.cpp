#include <utility>

#include "../certificate_content.hpp"
#include "../crypto.hpp"
#include "certificate_choice.hpp"
#include "certificate_material.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/transport/openssl.hpp"
#include "mtlspop/transport/redact.hpp"
#include "ossl.hpp"

namespace mtlspop::crypto {
namespace {

using std::chrono::system_clock;

BindingCertificate::Der ToDer(X509* certificate, std::string const& name) {
  unsigned char* der = nullptr;
  int const length = i2d_X509(certificate, &der);
  auto const release = gsl::finally([&der] { OPENSSL_free(der); });
  if (length <= 0) {
    RefuseClientCertificate(
        name, "holds a certificate that cannot be encoded (OpenSSL: " + ossl::TakeReason() + ")",
        "Check where the certificate came from");
  }
  return {der, der + length};
}

gsl::not_null<std::shared_ptr<BindingCertificate const>> ToBinding(
    CertificateMaterial const& material, system_clock::time_point now, std::string const& name) {
  auto const choice = ChooseCertificate(material, now, name);
  std::vector<BindingCertificate::Der> chain;
  for (auto* const certificate : choice.Chain) chain.push_back(ToDer(certificate, name));
  try {
    auto key = openssl::WrapPrivateKey(gsl::make_not_null(choice.Key));
    return openssl::MakeBindingCertificate(std::move(chain), std::move(key), KeyStrength::Software);
  } catch (Error const& error) {
    std::throw_with_nested(Error{
        {errors::ClientCertificateUnusable,
         "The client certificate " + name + " cannot be used: " + error.Details().What,
         "Correct it: the private key must belong to the certificate, which must allow TLS client authentication"}});
  }
}

}  // namespace

gsl::not_null<std::shared_ptr<BindingCertificate const>> ParseClientCertificate(
    Secret const& content, Secret const& password, std::string const& nameForMessages, system_clock::time_point now) {
  ERR_clear_error();
  auto const name = Redact(nameForMessages);
  return ToBinding(ReadCertificateMaterial(ReadCertificateContent(content, name), password, name), now, name);
}

gsl::not_null<std::shared_ptr<BindingCertificate const>> LoadClientCertificateFromUri(
    std::string const& uri, Secret const& password, system_clock::time_point now) {
  ERR_clear_error();
  // What follows '?' in a PKCS#11 URI can be a PIN.
  auto const name = Redact(uri.substr(0, uri.find('?')));
  return ToBinding(ReadCertificateMaterialFromUri(uri, password, name), now, name);
}

}  // namespace mtlspop::crypto
