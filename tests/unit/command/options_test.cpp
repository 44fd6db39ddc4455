#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "certificate_choice.hpp"
#include "connection_options.hpp"
#include "credential_choice.hpp"
#include "resource_options.hpp"
#include "support/error_code_of.hpp"

namespace mtlspop::command {
namespace {

using test::ErrorCodeOf;

TEST(IdentityOptions, NameAManagedIdentity) {
  EXPECT_EQ(ParseManagedIdentity("system"), ManagedIdentityId::SystemAssigned());
  EXPECT_EQ(ParseManagedIdentity("client_id=a"), ManagedIdentityId::FromClientId("a"));
  EXPECT_EQ(ParseManagedIdentity("object_id=a=b"), ManagedIdentityId::FromObjectId("a=b"));
  EXPECT_EQ(ParseManagedIdentity("resource_id=/a/b"), ManagedIdentityId::FromResourceId("/a/b"));
  for (auto const* const wrong : {"", "client_id", "msi_res_id=x", "System"}) {
    EXPECT_EQ(ErrorCodeOf([&] { ParseManagedIdentity(wrong); }), "usage") << wrong;
  }
}

TEST(IdentityOptions, RequireBindingByDefault) {
  EXPECT_EQ(ParseBinding(IdentityOptions{}.Binding), TokenBinding::Required);
  EXPECT_EQ(ParseBinding("preferred"), TokenBinding::Preferred);
  EXPECT_EQ(ParseBinding("none"), TokenBinding::None);
}

TEST(IdentityOptions, SayWhereACertificateIs) {
  EXPECT_EQ(PlaceOf("/etc/app.pem"), CertificatePlace::File);
  EXPECT_EQ(PlaceOf("pkcs11:object=x"), CertificatePlace::Pkcs11);
  EXPECT_EQ(PlaceOf("tpm:0x81010001"), CertificatePlace::Tpm);
  EXPECT_EQ(PlaceOf("file:/etc/app.p12"), CertificatePlace::Store);
  EXPECT_EQ(PlaceOf("pkcs11"), CertificatePlace::File);
}

CredentialSurroundings Surroundings() { return {MakeHttpTransport().get(), {}}; }

TEST(CredentialFactory, GivesNoIdentityButTheOneThatIsMeant) {
  auto const factory = MakeCredentialFactory({}, Surroundings());
  EXPECT_TRUE(factory({}));
  EXPECT_EQ(ErrorCodeOf([&] { factory(ManagedIdentityId::FromClientId("another")); }), "usage");

  IdentityOptions named;
  named.ManagedIdentity = "client_id=mine";
  auto const own = MakeCredentialFactory(named, Surroundings());
  EXPECT_TRUE(own(ManagedIdentityId::FromClientId("mine")));
  EXPECT_TRUE(own({})) << "a program that names none is whoever the options say";
  EXPECT_EQ(ErrorCodeOf([&] { own(ManagedIdentityId::FromClientId("another")); }), "usage");
  EXPECT_EQ(ErrorCodeOf([&] { own(ManagedIdentityId::FromObjectId("mine")); }), "usage");
}

TEST(ConnectionOptions, AreCurls) {
  ConnectionOptions options;
  options.ConnectTo = {"a.example:443:127.0.0.1:8443", "[::1]:443:[::2]:444"};
  options.Tls13Origins = {"https://b.example"};
  options.ConnectTimeoutSeconds = 1.5;
  auto const transport = MakeTransportOptions(options);
  ASSERT_GE(transport.ConnectOverrides.size(), 2U);
  EXPECT_EQ(transport.ConnectOverrides[0].From, "a.example:443");
  EXPECT_EQ(transport.ConnectOverrides[0].To, "127.0.0.1:8443");
  EXPECT_EQ(transport.ConnectOverrides[1].From, "[::1]:443");
  EXPECT_EQ(transport.ConnectOverrides[1].To, "[::2]:444");
  EXPECT_EQ(transport.Tls.Origins.front().MaximumBoundVersion, TlsVersion::Tls13);
  EXPECT_EQ(transport.ConnectTimeout, std::chrono::milliseconds{1500});
  for (auto const* const wrong : {"", "a", "a:1", "a:1:b", "a:1:", "[::1:1:b:2"}) {
    options.ConnectTo = {wrong};
    EXPECT_EQ(ErrorCodeOf([&] { MakeTransportOptions(options); }), "usage") << wrong;
  }
}

TEST(ResourceOptions, WinOverTheTable) {
  auto const vault = Url::Parse("https://a.vault.azure.net");
  EXPECT_THAT(ScopesFor({}, vault), testing::ElementsAre("https://vault.azure.net/.default"));
  EXPECT_THAT(ScopesFor({"https://r.example/", ""}, vault), testing::ElementsAre("https://r.example/.default"));
  EXPECT_THAT(ScopesFor({"", "api://x/y"}, vault), testing::ElementsAre("api://x/y"));
  EXPECT_THAT(ScopesFor({}, Url::Parse("https://a.example")), testing::IsEmpty());
}

}  // namespace
}  // namespace mtlspop::command
