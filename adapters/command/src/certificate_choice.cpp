#include "certificate_choice.hpp"

#include "errors.hpp"
#include "platform.hpp"
#include "text.hpp"
#if defined(MTLSPOP_COMMAND_PKCS11)
#include "mtlspop/pkcs11/pkcs11_key.hpp"
#endif
#if defined(MTLSPOP_COMMAND_TPM)
#include "mtlspop/tpm/tpm_key.hpp"
#endif

namespace mtlspop::command {
namespace {

using Source = std::function<std::shared_ptr<BindingCertificate const>()>;

constexpr std::size_t MostCertificateBytes = std::size_t{1024} * 1024;

bool BeginsWith(std::string const& text, std::string_view prefix) noexcept {
  return text.compare(0, prefix.size(), prefix) == 0;
}

Secret PasswordOf(IdentityOptions const& options) {
  return options.PasswordFile.empty() ? Secret{} : ReadPasswordFile(options.PasswordFile);
}

Source FromToken(IdentityOptions const& options) {
#if defined(MTLSPOP_COMMAND_PKCS11)
  Pkcs11Options token;
  token.Uri = options.Certificate;
  token.Pin = PasswordOf(options);
  return Pkcs11ClientCertificate(std::move(token));
#else
  static_cast<void>(options);
  Fail(
      errors::NotBuilt, "This mtlspop was built without PKCS#11",
      "Install libp11-kit-dev and build it again, or give --cert a file");
#endif
}

Source FromTpm(IdentityOptions const& options) {
  if (options.CertificateChain.empty()) {
    Fail(
        errors::Usage, "--cert " + options.Certificate + " says where the key is, and not where its certificate is",
        "Give the certificate's file (PEM) as --cert-chain");
  }
#if defined(MTLSPOP_COMMAND_TPM)
  TpmOptions tpm;
  tpm.KeyAuthorization = PasswordOf(options);
  return TpmClientCertificate(std::move(tpm), options.Certificate.substr(4), options.CertificateChain);
#else
  Fail(
      errors::NotBuilt, "This mtlspop was built without TPM",
      "Install libtss2-dev and build it again, or give --cert a file");
#endif
}

}  // namespace

CertificatePlace PlaceOf(std::string const& certificate) noexcept {
  if (BeginsWith(certificate, "pkcs11:")) return CertificatePlace::Pkcs11;
  if (BeginsWith(certificate, "tpm:")) return CertificatePlace::Tpm;
  return BeginsWith(certificate, "file:") || BeginsWith(certificate, "cert:") ? CertificatePlace::Store
                                                                              : CertificatePlace::File;
}

void ChooseCertificate(IdentityOptions const& options, ClientCertificateCredentialOptions& credential) {
  switch (PlaceOf(options.Certificate)) {
    case CertificatePlace::Pkcs11:
      credential.CertificateSource = FromToken(options);
      return;
    case CertificatePlace::Tpm:
      credential.CertificateSource = FromTpm(options);
      return;
    case CertificatePlace::Store:
      credential.CertificateUri = options.Certificate;
      break;
    case CertificatePlace::File:
      credential.CertificatePath = options.Certificate;
      break;
  }
  credential.Password = PasswordOf(options);
}

Source CertificateOf(IdentityOptions const& options) {
  auto const place = PlaceOf(options.Certificate);
  if (place == CertificatePlace::Pkcs11) return FromToken(options);
  if (place == CertificatePlace::Tpm) return FromTpm(options);
  if (place == CertificatePlace::File && options.PasswordFile.empty()) {
    return [path = options.Certificate] {
      Secret const pem{ReadFile(path, MostCertificateBytes)};
      return ReadPemCertificate(pem.Reveal());
    };
  }
  Fail(
      errors::Usage,
      "--assertion-file goes with a certificate of a PEM file without password, a token or a TPM, and not with " +
          options.Certificate,
      "Give one of these as --cert");
}

}  // namespace mtlspop::command
