#pragma once

/// @file
/// An application with a certificate of its own that the emulator knows.

#include <string>

#include "emulator.hpp"
#include "mtlspop/credential/client_certificate_credential.hpp"
#include "support/temporary_directory.hpp"
#include "support/test_certificate_authority.hpp"

namespace mtlspop::test {

struct OwnApp {
  explicit OwnApp(Emulator const& emulator) {
    Register(emulator, Certificate);
    Options.TenantId = TenantId;
    Options.ClientId = ClientId;
    Options.CertificatePath = Write(Certificate);
    Options.Transport = emulator.Transport();
  }
  /// Makes a certificate known to the emulator, in the place of the one before.
  void Register(Emulator const& emulator, IssuedCertificate const& certificate) const {
    emulator.Control(
        "apps", {{"client_id", ClientId},
                 {"tenant_id", TenantId},
                 {"certificate_pem", certificate.CertificatePem},
                 {"federated", true},
                 {"vault_access", true}});
  }
  /// Puts a certificate where the credential reads it.
  std::string Write(IssuedCertificate const& certificate) const {
    return Directory.WriteFile("app.pem", certificate.CertificatePem + certificate.PrivateKeyPem);
  }

  std::string ClientId = "aaaaaaaa-1111-2222-3333-444444444444";
  std::string TenantId = "bbbbbbbb-1111-2222-3333-444444444444";
  TemporaryDirectory Directory;
  TestCertificateAuthority Authority;
  IssuedCertificate Certificate = Authority.IssueForClient("app", KeyKind::Rsa2048);
  ClientCertificateCredentialOptions Options;
};

}  // namespace mtlspop::test
