// A client without token binding beside one that has it.
#include <gtest/gtest.h>
#include <azure/core/http/curl_transport.hpp>

#include "azure/azure_fixture.hpp"

namespace mtlspop::test {
namespace {

/// Bearer tokens, as any credential of Azure's.
class PlainCredential final : public Azure::Core::Credentials::TokenCredential {
 public:
  explicit PlainCredential(ManagedIdentityCredentialOptions options)
      : TokenCredential("PlainCredential"), inner_(WithoutBinding(std::move(options))) {}

  Azure::Core::Credentials::AccessToken GetToken(
      Azure::Core::Credentials::TokenRequestContext const& wanted, Azure::Core::Context const&) const override {
    TokenRequest request;
    request.Scopes = wanted.Scopes;
    auto const token = inner_.GetToken(request, {});
    return {std::string{token.Token.Reveal()}, Azure::DateTime{token.ExpiresOn}};
  }

 private:
  static ManagedIdentityCredentialOptions WithoutBinding(ManagedIdentityCredentialOptions options) {
    options.Binding = TokenBinding::None;
    return options;
  }
  mutable ManagedIdentityCredential inner_;
};

TEST_F(AzureAgainstEmulator, LeavesAClientWithoutTokenBindingAlone) {
  auto const bound = MakeSecretClient(MakeCredential());
  Azure::Core::Http::CurlTransportOptions curl;
  curl.CAInfo = emulator_.Startup().at("ca_file").get<std::string>();
  Azure::Core::_internal::ClientOptions options;
  options.Transport.Transport = std::make_shared<Azure::Core::Http::CurlTransport>(curl);
  auto const plain =
      MakePipeline(std::make_shared<PlainCredential>(emulator_.CredentialOptions()), VaultScope, options);
  auto const url = emulator_.Startup().at("vault").get<std::string>() + "/secrets/boundsecret?api-version=7.4";
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(bound.GetSecret("boundsecret").Value.Value.HasValue());
    EXPECT_EQ(GetStatus(plain, url), 200);
  }
  int withBearer = 0;
  for (auto const& entry : emulator_.Log("vault")) {
    auto const isBearer = entry.at("token_type") == "Bearer";
    withBearer += isBearer ? 1 : 0;
    EXPECT_EQ(entry.at("x5t_s256").is_null(), isBearer) << entry;
    EXPECT_EQ(entry.at("status"), 200) << entry;
  }
  EXPECT_EQ(withBearer, 5);
}

}  // namespace
}  // namespace mtlspop::test
