// What a vault says when it refuses a token (contract, section 7), by the emulator's vault, and what a client does then.
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "emulator.hpp"
#include "mtlspop/policies/client.hpp"
#include "mtlspop/version.hpp"
#include "support/error_code_of.hpp"

namespace mtlspop::test {
namespace {

using nlohmann::json;

constexpr char const* SecretUrl = "https://contoso.vault.azure.net/secrets/boundsecret?api-version=7.4";

Client MakeClient(Emulator const& emulator, TokenBinding binding) {
  auto identity = emulator.CredentialOptions();
  identity.Binding = binding;
  ClientOptions options;
  options.Scopes = {"https://vault.azure.net/.default"};
  options.Transport = emulator.Transport();
  options.Retry.InitialDelay = std::chrono::milliseconds{1};
  return Client{std::make_shared<ManagedIdentityCredential>(identity), options};
}

TEST(VaultRefusals, BearerTokensWhereOnlyBoundOnesAreTakenAreAnErrorOfTheirOwn) {
  Emulator const emulator{{"--allow-bearer", "false"}};
  auto const client = MakeClient(emulator, TokenBinding::None);
  EXPECT_EQ(ErrorCodeOf([&] { client.Get(SecretUrl); }), "bearer_tokens_not_taken");
  EXPECT_EQ(emulator.Log("vault").at(0).at("error"), "BearerAuthenticationDisabledForKeyVault");
  EXPECT_EQ(MakeClient(emulator, TokenBinding::Required).Get(SecretUrl).Status, 200);
}

/// A vault that took bearer tokens only, and was then told to take bound ones only.
TEST(VaultRefusals, BearerTokensThatWereRememberedAreFollowedByABoundOne) {
  Emulator const emulator{{"--allow-bearer", "false"}};
  auto const client = MakeClient(emulator, TokenBinding::Preferred);
  emulator.ArmFault(
      {{"service", "vault"}, {"fault", {{"status", 401}, {"body", "MtlsClientPopTokenNotSupportedByResource"}}}});
  emulator.ArmFault({{"service", "vault"}, {"fault", {{"status", 200}, {"body", "with a bearer token"}}}});
  EXPECT_EQ(client.Get(SecretUrl).Text, "with a bearer token");
  EXPECT_EQ(client.Get(SecretUrl).Status, 200);
  std::string types;
  for (auto const& entry : emulator.Log("vault")) {
    types += entry.at("token_type").is_null() ? "- " : entry.at("token_type").get<std::string>() + " ";
  }
  // The two that faults answered were not looked at.
  EXPECT_EQ(types, "- - Bearer mtls_pop ");
}

TEST(VaultRefusals, BindingThatCannotBeValidatedIsShownAgain) {
  Emulator const emulator;
  emulator.ArmFault({{"service", "vault"}, {"count", 2}, {"fault", {{"refuse_binding", true}}}});
  EXPECT_EQ(MakeClient(emulator, TokenBinding::Required).Get(SecretUrl).Status, 200);
  EXPECT_EQ(emulator.Log("vault").size(), 3U);
  EXPECT_EQ(emulator.Log("vault").at(0).at("error"), "AggregatedAuthenticationFailure");
  EXPECT_EQ(emulator.Count("issuecredential"), 1);
}

/// Section 5: who asks is said to the token service, and in part to IMDS v1.
TEST(ClientNameAgainstEmulator, IsToldToBothServices) {
  Emulator const emulator;
  MakeClient(emulator, TokenBinding::Required).Get(SecretUrl);
  MakeClient(emulator, TokenBinding::None).Get(SecretUrl);
  auto const isNamed = [](json const& entry) {
    return entry.at("client_sku") == "mtlspop" && entry.at("client_version") == Version;
  };
  int named = 0;
  for (auto const& entry : emulator.Log()) {
    auto const isToken = entry.at("service") == "sts" || entry.at("path") == "/metadata/identity/oauth2/token";
    if (isToken && entry.at("method") != "TLS") {
      EXPECT_TRUE(isNamed(entry)) << entry;
      ++named;
    }
    if (entry.at("service") == "vault") {
      EXPECT_TRUE(entry.at("client_sku").is_null()) << entry;
    }
  }
  EXPECT_EQ(named, 2);
}

}  // namespace
}  // namespace mtlspop::test
