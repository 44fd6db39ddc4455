#include "azure_hosts.hpp"

#include <gtest/gtest.h>

namespace mtlspop::command {
namespace {

TEST(AzureHosts, GiveTheScopeOfAHost) {
  EXPECT_EQ(ScopeOfHost("myvault.vault.azure.net"), "https://vault.azure.net/.default");
  EXPECT_EQ(ScopeOfHost("account.blob.core.windows.net"), "https://storage.azure.com/.default");
  EXPECT_EQ(ScopeOfHost("account.z12.dfs.storage.azure.net"), "https://storage.azure.com/.default");
  EXPECT_EQ(ScopeOfHost("management.azure.com"), "https://management.azure.com/.default");
  EXPECT_EQ(ScopeOfHost("mtlstb.graph.microsoft.com"), "https://graph.microsoft.com/.default");
  EXPECT_EQ(ScopeOfHost("myvault.vault.usgovcloudapi.net"), "https://vault.usgovcloudapi.net/.default");
}

TEST(AzureHosts, AreComparedByWholeLabels) {
  // Whoever registers one of these must not be taken for Azure.
  EXPECT_EQ(ScopeOfHost("evilvault.azure.net"), "");
  EXPECT_EQ(ScopeOfHost("vault.azure.net.example.org"), "");
  EXPECT_EQ(ScopeOfHost("vault.azure.net"), "");
  EXPECT_EQ(ScopeOfHost("x.management.azure.com"), "");
  EXPECT_EQ(ScopeOfHost(""), "");
  EXPECT_TRUE(IsCoveredBy("y.x.a.net", ".a.net"));
  EXPECT_FALSE(IsCoveredBy("xa.net", ".a.net"));
  EXPECT_FALSE(IsCoveredBy("", ".a.net"));
  EXPECT_FALSE(IsCoveredBy("x", ""));
}

}  // namespace
}  // namespace mtlspop::command
