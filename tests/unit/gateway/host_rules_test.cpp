#include "gateway/host_rules.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "mtlspop/transport/error.hpp"

namespace mtlspop::gateway {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsNull;
using testing::NotNull;

HostRules Azure() { return HostRules{AzureHostRules()}; }

TEST(GatewayHostRules, KnowTheServicesOfAzuresClouds) {
  auto const rules = Azure();
  for (auto const* const host :
       {"contoso.vault.azure.net", "contoso.managedhsm.azure.net", "contoso.blob.core.windows.net",
        "contoso.z12.blob.storage.azure.net", "contoso.vault.azure.cn", "contoso.dfs.core.usgovcloudapi.net",
        "management.azure.com"}) {
    EXPECT_THAT(rules.Find(host, 443), NotNull()) << host;
  }
}

TEST(AttackGatewayHostRules, AnswerForNothingThatOnlyLooksLikeOne) {
  auto const rules = Azure();
  for (auto const* const host :
       {"vault.azure.net", "evilvault.azure.net", "contoso.vault.azure.net.evil.example",
        "management.azure.com.evil.example", "x.management.azure.com", "evil.example", ""}) {
    EXPECT_THAT(rules.Find(host, 443), IsNull()) << host;
  }
  EXPECT_THAT(rules.Find("contoso.vault.azure.net", 8443), IsNull());
}

TEST(GatewayHostRules, TakeTokensOfTheirResourceAlone) {
  auto const rules = Azure();
  auto const* const vault = rules.Find("a.vault.azure.net", 443);
  ASSERT_THAT(vault, NotNull());
  EXPECT_TRUE(rules.Takes(*vault, "a.vault.azure.net", "https://vault.azure.net"));
  EXPECT_FALSE(rules.Takes(*vault, "a.vault.azure.net", "https://storage.azure.com"));
  auto const* const blob = rules.Find("a.blob.core.windows.net", 443);
  ASSERT_THAT(blob, NotNull());
  EXPECT_TRUE(rules.Takes(*blob, "a.blob.core.windows.net", "https://a.blob.core.windows.net"));
  EXPECT_FALSE(rules.Takes(*blob, "a.blob.core.windows.net", "https://b.blob.core.windows.net"));
  auto const* const management = rules.Find("management.azure.com", 443);
  ASSERT_THAT(management, NotNull());
  EXPECT_TRUE(rules.Takes(*management, "management.azure.com", "https://management.core.windows.net"));
}

TEST(AttackGatewayHostRules, GiveNoHandleForAResourceThatOnlyEndsLikeAHost) {
  auto const rules = Azure();
  EXPECT_TRUE(rules.HasResource("https://a.blob.core.windows.net"));
  EXPECT_FALSE(rules.HasResource("https://evil.example/a.blob.core.windows.net"));
  EXPECT_FALSE(rules.HasResource("https://evil.example"));
  EXPECT_FALSE(rules.HasResource("https://database.windows.net"));
}

// Its SDKs call graph.microsoft.com, which the gateway does not answer for: a handle would leave it there.
TEST(AttackGatewayHostRules, GiveNoHandleForAResourceWhoseUsualHostIsNotListed) {
  EXPECT_FALSE(Azure().HasResource("https://graph.microsoft.com"));
  EXPECT_TRUE(Azure().HasResource("https://mtlstb.graph.microsoft.com")) << "which leads to that host alone";
  auto named = AzureHostRules();
  named.push_back(HostRule::Parse("graph.microsoft.com"));
  EXPECT_TRUE(HostRules{named}.HasResource("https://graph.microsoft.com"));
}

// Microsoft's documents have resources by application id, and the metadata service gives the same token for either name.
TEST(AttackGatewayHostRules, KnowThatAResourceMayHaveOtherNames) {
  auto const rules = Azure();
  for (auto const* const other :
       {"cfa8b339-82a2-471a-a3c9-0fc0be7a4093", "spn:cfa8b339-82a2-471a-a3c9-0fc0be7a4093", "vault.azure.net",
        "https://vault.azure.net:443", "https://vault.azure.net/secrets", "http://vault.azure.net",
        "https://vault.azure.net.", "https://a.vault.azure.net:8443/b", "https://management.core.windows.net:443"}) {
    EXPECT_FALSE(rules.HasResource(other)) << other;
    EXPECT_TRUE(rules.MayHaveByAnotherName(other)) << other;
  }
  for (auto const* const another :
       {"https://database.windows.net", "https://graph.microsoft.com", "api://11111111-2222-3333-4444-555555555555",
        "https://evil.example/vault.azure.net"}) {
    EXPECT_FALSE(rules.MayHaveByAnotherName(another)) << another;
  }
}

TEST(GatewayHostRules, TheOneForTheFewestNamesHoldsWhateverTheOrder) {
  std::vector<HostRule> rules{
      HostRule::Parse("*.azure.net=https://all.example"), HostRule::Parse("own.vault.azure.net=api://own")};
  for (auto& known : AzureHostRules()) rules.push_back(std::move(known));
  for (int order = 0; order < 2; ++order) {
    HostRules const both{rules};
    EXPECT_THAT(both.Find("own.vault.azure.net", 443)->Resources, ElementsAre("api://own"));
    EXPECT_THAT(both.Find("a.vault.azure.net", 443)->Resources, ElementsAre("https://vault.azure.net"));
    EXPECT_THAT(both.Find("a.azure.net", 443)->Resources, ElementsAre("https://all.example"));
    std::reverse(rules.begin(), rules.end());
  }
}

TEST(GatewayHostRules, GiveOneHostTheResourcesOfAllThatNameIt) {
  std::vector<HostRule> rules{HostRule::Parse("a.example=api://one"), HostRule::Parse("A.example=api://two")};
  rules.push_back(HostRule::Parse("management.azure.com=api://own"));
  for (auto& known : AzureHostRules()) rules.push_back(std::move(known));
  HostRules const merged{rules};
  auto const* const named = merged.Find("a.example", 443);
  ASSERT_THAT(named, NotNull());
  EXPECT_TRUE(merged.Takes(*named, "a.example", "api://one"));
  EXPECT_TRUE(merged.Takes(*named, "a.example", "api://two"));
  auto const* const management = merged.Find("management.azure.com", 443);
  ASSERT_THAT(management, NotNull());
  EXPECT_TRUE(merged.Takes(*management, "management.azure.com", "api://own"));
  EXPECT_TRUE(merged.Takes(*management, "management.azure.com", "https://management.azure.com"));
}

TEST(GatewayHostRules, ReadNames) {
  auto const one = HostRule::Parse("MyHost.Example.:8443=https://Resource.example/");
  EXPECT_EQ(one.Pattern, "myhost.example");
  EXPECT_EQ(one.Port, 8443);
  EXPECT_THAT(one.Resources, ElementsAre("https://resource.example"));
  EXPECT_THAT(HostRule::Parse("a.example").Resources, ElementsAre("https://a.example"));
  EXPECT_EQ(HostRule::Parse(".a.example=https://r.example").Pattern, "*.a.example");
}

TEST(AttackGatewayHostRules, RefuseAddressesAndWholeDomains) {
  for (auto const* const text :
       {"127.0.0.1", "[::1]", "0x7f000001", "*", "*.com=https://r.example", "*.a.example", "", "a..b", "-a.example",
        "a.example:0", "a.example:99999", "a.example=", "a b.example", "a.example=https://r.example/?q"}) {
    EXPECT_THROW(HostRule::Parse(text), Error) << text;
  }
}

TEST(GatewayHostRules, KnowAnAuthorityInEachSpelling) {
  EXPECT_TRUE(IsAuthority("A.Example", "a.example", 443));
  EXPECT_TRUE(IsAuthority("a.example:443", "a.example", 443));
  EXPECT_TRUE(IsAuthority("a.example.", "a.example", 443));
  EXPECT_TRUE(IsAuthority("a.example:8443", "a.example", 8443));
  EXPECT_FALSE(IsAuthority("a.example", "a.example", 8443));
  EXPECT_FALSE(IsAuthority("a.example:80", "a.example", 443));
  EXPECT_FALSE(IsAuthority("b.example", "a.example", 443));
  EXPECT_FALSE(IsAuthority("", "a.example", 443));
}

TEST(GatewayHostRules, SayWhatAnAuthorityHasToBePermitted) {
  HostRules const rules{
      {HostRule::Parse("*.a.example=https://a.example"), HostRule::Parse("b.example"),
       HostRule::Parse("b.example:8443")}};
  EXPECT_THAT(rules.PermittedNames(), ElementsAre("a.example", "b.example"));
}

}  // namespace
}  // namespace mtlspop::gateway
