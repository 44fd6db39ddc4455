// Which tenants a token may be asked for: a resource's challenge does not override what the application configured.
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_cloud.hpp"
#include "mtlspop/credential/client_assertion_credential.hpp"
#include "mtlspop/credential/client_certificate_credential.hpp"
#include "mtlspop/credential/errors.hpp"
#include "support/error_code_of.hpp"
#include "support/temporary_directory.hpp"
#include "support/test_certificate_authority.hpp"
#include "tenants.hpp"

namespace mtlspop::test {
namespace {

std::vector<std::string> const NoDirectory{"common", "COMMON", "Organizations", "consumers", "Consumers"};
std::vector<std::string> const NoName{
    ".",
    "..",
    "...",
    ".a",
    "a.",
    "a..b",
    "a/b",
    "a\\b",
    "a b",
    "a%2e",
    "a?b",
    "a#b",
    "ä.example",
    std::string(254, 'a'),
    std::string{"a\0b", 3}};

TokenRequest RequestOf(std::string tenant) {
  auto request = ManagedIdentityWorld::Request();
  request.TenantId = std::move(tenant);
  return request;
}

/// An application with a certificate of its own.
struct AppWorld {
  AppWorld() {
    Options.TenantId = "Own.Example";
    Options.ClientId = FakeCloud::ClientId;
    auto const certificate = Authority.IssueForClient("app");
    Options.CertificatePath = Directory.WriteFile("app.pem", certificate.CertificatePem + certificate.PrivateKeyPem);
    Options.Transport = Cloud;
    Options.Time = Time;
  }
  std::string CodeFor(std::string const& tenant) const {
    return ErrorCodeOf([&] { ClientCertificateCredential{Options}.GetToken(RequestOf(tenant), {}); });
  }
  TemporaryDirectory Directory;
  TestCertificateAuthority Authority;
  std::shared_ptr<ManualClock> Time = std::make_shared<ManualClock>();
  std::shared_ptr<FakeCloud> Cloud = std::make_shared<FakeCloud>(Time);
  ClientCertificateCredentialOptions Options;
};

TEST(Tenants, NamesOfDirectoriesAreTaken) {
  for (std::string const tenant :
       {"72f988bf-86f1-41af-91ab-2d7cd011db47", "contoso.onmicrosoft.com", "a", "common.example", "9.9"}) {
    EXPECT_NO_THROW(CheckTenant(tenant, "It")) << tenant;
  }
}

TEST(Tenants, WhatNamesNoDirectoryIsRefusedWhereverItIsGiven) {
  for (auto const& tenant : NoDirectory) {
    ManagedIdentityWorld world;
    EXPECT_EQ(ErrorCodeOf([&] { world.Get(RequestOf(tenant)); }), "tenant_required") << tenant;
    world.Options.TenantId = tenant;
    EXPECT_EQ(ErrorCodeOf([&] { ManagedIdentityCredential{world.Options}; }), "tenant_required") << tenant;
    AppWorld app;
    app.Options.AdditionallyAllowedTenants = {"*"};
    EXPECT_EQ(app.CodeFor(tenant), "tenant_required") << tenant;
  }
  for (auto const& tenant : NoName) {
    ManagedIdentityWorld world;
    world.Options.AdditionallyAllowedTenants = {"*"};
    EXPECT_EQ(ErrorCodeOf([&] { world.Get(RequestOf(tenant)); }), "invalid_argument") << tenant;
    EXPECT_EQ(world.Cloud->Count(""), 0);
    world.Options.AdditionallyAllowedTenants = {tenant};
    EXPECT_EQ(ErrorCodeOf([&] { ManagedIdentityCredential{world.Options}; }), "invalid_argument") << tenant;
    AppWorld app;
    app.Options.AdditionallyAllowedTenants = {"*"};
    EXPECT_EQ(app.CodeFor(tenant), "invalid_argument") << tenant;
    app.Options.TenantId = tenant;
    EXPECT_EQ(ErrorCodeOf([&] { ClientCertificateCredential{app.Options}; }), "invalid_argument") << tenant;
  }
}

TEST(Tenants, AnothersIsRefusedUnlessItIsListed) {
  AppWorld app;
  EXPECT_EQ(app.CodeFor("own.example"), "no error");
  EXPECT_EQ(app.CodeFor("other.example"), "tenant_not_allowed");
  EXPECT_EQ(app.Cloud->Count("other.example/oauth2/v2.0/token"), 0);
  app.Options.AdditionallyAllowedTenants = {"third.example", "OTHER.example"};
  EXPECT_EQ(app.CodeFor("other.example"), "no error");
  EXPECT_EQ(app.CodeFor("fourth.example"), "tenant_not_allowed");
  app.Options.AdditionallyAllowedTenants = {"*"};
  EXPECT_EQ(app.CodeFor("fourth.example"), "no error");
}

TEST(Tenants, AnotherThanTheIdentitysOwnIsRefusedThoughNoneIsConfigured) {
  ManagedIdentityWorld world;
  EXPECT_EQ(world.Get(RequestOf(FakeCloud::TenantId)).Type, TokenType::MtlsPop);
  auto const error = ErrorOf([&] { world.Get(RequestOf("other.example")); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code(), errors::TenantNotAllowed);
  EXPECT_THAT(error->what(), testing::HasSubstr("AdditionallyAllowedTenants"));
  EXPECT_EQ(world.Cloud->Count("/other.example/oauth2/v2.0/token"), 0);
}

TEST(Tenants, WhatIsNotAllowedIsNoReasonForABearerToken) {
  ManagedIdentityWorld world;
  world.Options.Binding = TokenBinding::Preferred;
  world.Options.TenantId = "own.example";
  EXPECT_EQ(ErrorCodeOf([&] { world.Get(RequestOf("other.example")); }), "tenant_not_allowed");
  ManagedIdentityWorld unknown;
  unknown.Options.Binding = TokenBinding::Preferred;
  EXPECT_EQ(ErrorCodeOf([&] { unknown.Get(RequestOf("other.example")); }), "tenant_not_allowed");
}

TEST(Tenants, OfAFederatedIdentityAreCheckedToo) {
  ManagedIdentityWorld identity;
  ClientAssertionCredentialOptions options;
  options.TenantId = FakeCloud::TenantId;
  options.ClientId = FakeCloud::ClientId;
  options.Assertion = std::make_shared<ManagedIdentityCredential>(identity.Options);
  options.Transport = identity.Cloud;
  options.Time = identity.Time;
  EXPECT_EQ(
      ErrorCodeOf([&] { ClientAssertionCredential{options}.GetToken(RequestOf("other"), {}); }), "tenant_not_allowed");
  options.AdditionallyAllowedTenants = {"other"};
  EXPECT_EQ(ErrorCodeOf([&] { ClientAssertionCredential{options}.GetToken(RequestOf("other"), {}); }), "no error");
}

}  // namespace
}  // namespace mtlspop::test
