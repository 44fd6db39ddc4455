// Section 6 of the wire contract: an application's own certificate is refused while others ask with it.
#include <cstdio>
#include <memory>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "fake_cloud.hpp"
#include "mtlspop/credential/client_certificate_credential.hpp"
#include "support/temporary_directory.hpp"
#include "support/test_certificate_authority.hpp"

namespace mtlspop::test {
namespace {

/// To tell of a refusal waits for nothing: the file is a pipe that nobody writes to.
TEST(RefusedCertificate, IsReadAgainByWhoAsksNextAndNotByWhoTells) {
  auto const time = std::make_shared<ManualClock>();
  TemporaryDirectory directory;
  TestCertificateAuthority authority;
  auto const certificate = authority.IssueForClient("app");
  ClientCertificateCredentialOptions options;
  options.TenantId = FakeCloud::TenantId;
  options.ClientId = FakeCloud::ClientId;
  options.CertificatePath = directory.WriteFile("app.pem", certificate.CertificatePem + certificate.PrivateKeyPem);
  options.Transport = std::make_shared<FakeCloud>(time);
  options.Time = std::shared_ptr<Clock>{time};
  ClientCertificateCredential credential{options};
  auto const request = ManagedIdentityWorld::Request();
  auto const first = GetEitherWay(credential, request, {});
  ASSERT_EQ(std::remove(options.CertificatePath.c_str()), 0);
  ASSERT_EQ(::mkfifo(options.CertificatePath.c_str(), 0600), 0);

  credential.ReportRefusal(request, first, RefusalReason::BindingNoLongerGood);

  ASSERT_EQ(std::remove(options.CertificatePath.c_str()), 0);
  auto const second = GetEitherWay(credential, request, {});
  EXPECT_NE(second.Token, first.Token);
  EXPECT_EQ(second.Binding->X5tS256(), first.Binding->X5tS256());
}

}  // namespace
}  // namespace mtlspop::test
