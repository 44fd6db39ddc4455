// A pointer that is null where one must be there: an error, not the end of the process.
#include <memory>

#include <gtest/gtest.h>

#include "fake_cloud.hpp"
#include "mtlspop/credential/binding_store.hpp"
#include "mtlspop/credential/chained_credential.hpp"
#include "mtlspop/credential/client_assertion_credential.hpp"
#include "mtlspop/credential/client_certificate_credential.hpp"
#include "mtlspop/credential/key_provider.hpp"
#include "mtlspop/credential/openssl.hpp"
#include "mtlspop/transport/openssl.hpp"
#include "support/error_code_of.hpp"
#include "support/test_certificate_authority.hpp"

namespace mtlspop::test {
namespace {

constexpr char const* Code = "invalid_argument";

TEST(NullPointers, OfCredentialsAreErrors) {
  ManagedIdentityWorld world;
  world.Options.Time = nullptr;
  EXPECT_EQ(ErrorCodeOf([&] { ManagedIdentityCredential{world.Options}; }), Code);
  EXPECT_EQ(ErrorCodeOf([&] { GetManagedIdentityCapabilities(world.Options, {}); }), Code);

  ClientCertificateCredentialOptions app;
  app.TenantId = "tenant";
  app.ClientId = "client";
  app.Time = nullptr;
  EXPECT_EQ(ErrorCodeOf([&] { ClientCertificateCredential{app}; }), Code);

  ClientAssertionCredentialOptions federated;
  federated.TenantId = "tenant";
  federated.ClientId = "client";
  EXPECT_EQ(ErrorCodeOf([&] { ClientAssertionCredential{federated}; }), Code) << "no leg 1";
  federated.Assertion = std::make_shared<ManagedIdentityCredential>();
  federated.Time = nullptr;
  EXPECT_EQ(ErrorCodeOf([&] { ClientAssertionCredential{federated}; }), Code);

  EXPECT_EQ(ErrorCodeOf([&] { ChainedCredential{{federated.Assertion, nullptr}}; }), Code);
}

TEST(NullPointers, OfKeysAndStoresAreErrors) {
  EXPECT_EQ(ErrorCodeOf([] { MakeKeyProviderChain({MakeSoftwareKeyProvider(), nullptr}); }), Code);
  FileBindingStoreOptions store;
  store.Time = nullptr;
  EXPECT_EQ(ErrorCodeOf([&] { MakeFileBindingStore(store); }), Code);
}

TEST(NullPointers, OfOpensslsKeysAreErrors) {
  EXPECT_EQ(ErrorCodeOf([] { openssl::WrapPrivateKey(nullptr); }), Code);
  EXPECT_EQ(ErrorCodeOf([] { openssl::WrapBindingKey(nullptr, KeyStrength::Software); }), Code);
}

TEST(NullPointers, OfTheTransportAreErrors) {
  TransportOptions options;
  options.Time = nullptr;
  EXPECT_EQ(ErrorCodeOf([&] { MakeHttpTransport(options); }), Code);
  EXPECT_EQ(ErrorCodeOf([] { openssl::MakeSignerKey(nullptr); }), Code);
  EXPECT_EQ(ErrorCodeOf([] { BindingCertificate{BindingCertificate::Parts{}}; }), Code);
  TestCertificateAuthority authority;
  auto const certificate = authority.IssueForClient("app");
  std::shared_ptr<PrivateKeyHandle const> const none;
  EXPECT_EQ(ErrorCodeOf([&] { openssl::MakeBindingCertificate({{0x30}}, none, KeyStrength::Software); }), Code);
  EXPECT_EQ(
      ErrorCodeOf(
          [&] { openssl::MakeBindingCertificateFromPem(certificate.CertificatePem, none, KeyStrength::Software); }),
      Code);
}

}  // namespace
}  // namespace mtlspop::test
