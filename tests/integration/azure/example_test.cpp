// The example of bound_token_credential.hpp, included where it stands.
#include <memory>

#include <gtest/gtest.h>
#include <azure/keyvault/secrets.hpp>

#include "examples/pointed_at.hpp"
#include "mtlspop/azure/bound_token_credential.hpp"
#include "mtlspop/azure/token_binding.hpp"

namespace mtlspop::test {
namespace {

using Azure::Security::KeyVault::Secrets::SecretClient;
using Azure::Security::KeyVault::Secrets::SecretClientOptions;

TEST(HeaderExamples, BoundTokenCredentialReadsASecret) {
  Emulator const emulator;
  ScopedEnvironment const environment{PointedAt(emulator)};
#include "examples/bound_token_credential.inc"
  EXPECT_EQ(client.SetSecret("a", "b").Value.Name, "a");
  EXPECT_EQ(client.GetSecret("a").Value.Value.Value(), "b");
  EXPECT_FALSE(emulator.Log("vault").back().at("x5t_s256").get<std::string>().empty());
}

}  // namespace
}  // namespace mtlspop::test
