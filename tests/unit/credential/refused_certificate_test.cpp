// Section 6 of the wire contract: an application's own certificate is refused while others ask with it.
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_cloud.hpp"
#include "mtlspop/credential/client_certificate_credential.hpp"
#include "support/temporary_directory.hpp"
#include "support/test_certificate_authority.hpp"

namespace mtlspop::test {
namespace {

/// The file is gone, so that reading it again is logged: at that moment another one who was refused asks.
TEST(RefusedCertificate, TokenIsForgottenBeforeTheCertificateIsReadAgain) {
  auto const time = std::make_shared<ManualClock>();
  TemporaryDirectory directory;
  TestCertificateAuthority authority;
  auto const certificate = authority.IssueForClient("app");
  auto const path = directory.WriteFile("app.pem", certificate.CertificatePem + certificate.PrivateKeyPem);
  std::unique_ptr<ClientCertificateCredential> credential;
  auto const request = ManagedIdentityWorld::Request();
  AccessToken meanwhile;
  ClientCertificateCredentialOptions options;
  options.TenantId = FakeCloud::TenantId;
  options.ClientId = FakeCloud::ClientId;
  options.CertificatePath = path;
  options.Transport = std::make_shared<FakeCloud>(time);
  options.Time = std::shared_ptr<Clock>{time};
  options.Log = Logger{
      [&](LogLevel, std::string_view line) {
        if (line.find("client_certificate_not_reloaded") == std::string_view::npos) return;
        meanwhile = credential->GetToken(request, {});
      },
      LogLevel::Warning};
  credential = std::make_unique<ClientCertificateCredential>(options);
  auto const first = credential->GetToken(request, {});
  ASSERT_EQ(std::remove(path.c_str()), 0);

  auto const second = GetInsteadOf(*credential, first, request);

  ASSERT_TRUE(meanwhile.Binding);
  EXPECT_NE(meanwhile.Token, first.Token);
  // One new token is enough for both.
  EXPECT_EQ(second.Token, meanwhile.Token);
}

}  // namespace
}  // namespace mtlspop::test
