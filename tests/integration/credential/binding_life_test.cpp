// What refusals cost on the real transport, counted in connections: mocks hid that a certificate which stays in use after
// one had each later request open a connection of its own.
#include <algorithm>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "emulator.hpp"
#include "mtlspop/credential/client_assertion_credential.hpp"
#include "mtlspop/credential/client_certificate_credential.hpp"
#include "own_app.hpp"
#include "support/event.hpp"
#include "support/manual_clock.hpp"

namespace mtlspop::test {
namespace {

constexpr int Requests = 40;

/// Connections that so many requests with a token open. The resource's connection may be there already.
std::uint64_t OpenedFor(Emulator const& emulator, TokenCredential& credential) {
  auto const before = emulator.Transport()->PoolStatistics();
  for (int i = 0; i < Requests; ++i) {
    EXPECT_EQ(emulator.ReadSecret(credential.GetToken(VaultRequest(), {})), 200);
  }
  auto const after = emulator.Transport()->PoolStatistics();
  EXPECT_EQ(after.InUse, 0U);
  return after.Opened - before.Opened;
}

void Refuse(TokenCredential& credential, AccessToken const& token) {
  credential.ReportRefusal(VaultRequest(), token, RefusalReason::BindingNoLongerGood);
}

TEST(BindingLifeOnTheWire, CertificateThatStaysAfterARefusalSharesConnectionsAgain) {
  Emulator const emulator;
  OwnApp const app{emulator};
  ClientCertificateCredential credential{app.Options};
  auto const first = credential.GetToken(VaultRequest(), {});
  EXPECT_EQ(emulator.ReadSecret(first), 200);
  Refuse(credential, first);
  EXPECT_EQ(emulator.Transport()->PoolStatistics().Dropped, 2U) << "one to the token service, one to the resource";
  EXPECT_EQ(OpenedFor(emulator, credential), 2U);
  EXPECT_EQ(OpenedFor(emulator, credential), 0U);
  // Whoever refuses it again and again has no more connections dropped for a while.
  for (int i = 0; i < Requests; ++i) Refuse(credential, credential.GetToken(VaultRequest(), {}));
  EXPECT_EQ(OpenedFor(emulator, credential), 0U);
}

TEST(BindingLifeOnTheWire, TwoCredentialsWithOneCertificateDoNotSpoilEachOther) {
  Emulator const emulator;
  OwnApp const app{emulator};
  ClientCertificateCredential one{app.Options};
  ClientCertificateCredential other{app.Options};
  OpenedFor(emulator, other);
  Refuse(one, one.GetToken(VaultRequest(), {}));
  EXPECT_EQ(OpenedFor(emulator, other), 1U) << "the resource's; its token is in the cache";
  EXPECT_EQ(OpenedFor(emulator, other), 0U);
  EXPECT_LE(OpenedFor(emulator, one), 1U);
}

TEST(BindingLifeOnTheWire, FileThatIsRolledBackSharesConnectionsAgain) {
  Emulator const emulator;
  OwnApp app{emulator};
  auto const time = std::make_shared<ManualClock>();
  app.Options.Time = std::shared_ptr<Clock>{time};
  ClientCertificateCredential credential{app.Options};
  auto const renewed = app.Authority.IssueForClient("app", KeyKind::Rsa2048);
  auto const comesToUse = [&](IssuedCertificate const& certificate) {
    app.Register(emulator, certificate);
    app.Write(certificate);
    return Eventually([&] {
      time->Advance(app.Options.ReloadInterval);
      return credential.GetToken(VaultRequest(), {}).Binding->X5tS256() == certificate.X5tS256;
    });
  };
  OpenedFor(emulator, credential);
  ASSERT_TRUE(comesToUse(renewed));
  OpenedFor(emulator, credential);
  ASSERT_TRUE(comesToUse(app.Certificate));
  EXPECT_LE(OpenedFor(emulator, credential), 1U) << "the resource's";
  EXPECT_EQ(OpenedFor(emulator, credential), 0U);
}

TEST(BindingLifeOnTheWire, RefusedBindingsConnectionsAreClosedAndTheNextOnesAreShared) {
  Emulator const emulator;
  ManagedIdentityCredential credential{emulator.CredentialOptions()};
  auto const first = credential.GetToken(VaultRequest(), {});
  EXPECT_EQ(emulator.ReadSecret(first), 200);
  Refuse(credential, first);
  EXPECT_EQ(emulator.Transport()->PoolStatistics().Dropped, 2U);
  EXPECT_LE(OpenedFor(emulator, credential), 2U) << "IMDS's is there: token service and resource";
  EXPECT_EQ(OpenedFor(emulator, credential), 0U);
  EXPECT_EQ(emulator.Count("issuecredential"), 2);
}

/// Both legs travel with leg 1's certificate.
TEST(BindingLifeOnTheWire, RefusalOfAnAssertionsBindingReachesTheFirstLeg) {
  Emulator const emulator;
  OwnApp const app{emulator};
  ClientAssertionCredentialOptions options;
  options.TenantId = app.TenantId;
  options.ClientId = app.ClientId;
  options.Transport = emulator.Transport();
  options.Assertion = std::make_shared<ManagedIdentityCredential>(emulator.CredentialOptions());
  ClientAssertionCredential credential{options};
  auto const first = credential.GetToken(VaultRequest(), {});
  EXPECT_EQ(emulator.ReadSecret(first), 200);
  Refuse(credential, first);
  auto const second = credential.GetToken(VaultRequest(), {});
  EXPECT_NE(second.Binding->X5tS256(), first.Binding->X5tS256());
  EXPECT_LE(OpenedFor(emulator, credential), 1U);
  EXPECT_EQ(OpenedFor(emulator, credential), 0U);
}

}  // namespace
}  // namespace mtlspop::test
