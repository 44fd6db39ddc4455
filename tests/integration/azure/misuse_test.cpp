#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <azure/core/http/curl_transport.hpp>
#include <azure/identity/chained_token_credential.hpp>

#include "azure/azure_fixture.hpp"

namespace mtlspop::test {
namespace {

using testing::HasSubstr;

/// Clients that have the credential and lack a part of what UseTokenBinding does, with Azure's own transport.
class AzureMisuse : public AzureAgainstEmulator {
 protected:
  std::shared_ptr<Azure::Core::Http::HttpTransport> Curl() const {
    Azure::Core::Http::CurlTransportOptions curl;
    curl.CAInfo = emulator_.Startup().at("ca_file").get<std::string>();
    return std::make_shared<Azure::Core::Http::CurlTransport>(curl);
  }

  /// What the client's call throws; the vault has seen nothing of it.
  std::string Refusal(
      std::shared_ptr<Azure::Core::Credentials::TokenCredential const> credential,
      Azure::Core::_internal::ClientOptions const& options) const {
    auto const url = emulator_.Startup().at("vault").get<std::string>() + "/secrets/boundsecret?api-version=7.4";
    std::string text;
    try {
      GetStatus(MakePipeline(std::move(credential), VaultScope, options), url);
    } catch (Azure::Core::Credentials::AuthenticationException const& error) {
      text = error.what();
    }
    EXPECT_TRUE(emulator_.Log("vault").empty());
    return text;
  }
};

TEST_F(AzureMisuse, OfOptionsThatNobodyPrepared) {
  Azure::Core::_internal::ClientOptions options;
  options.Transport.Transport = Curl();
  EXPECT_THAT(Refusal(MakeCredential(), options), HasSubstr("token_binding_not_in_use"));
}

TEST_F(AzureMisuse, OfATransportThatWasSetAfterwards) {
  auto const credential = MakeCredential();
  auto options = Bound<Azure::Core::_internal::ClientOptions>(credential);
  options.Transport.Transport = Curl();
  EXPECT_THAT(Refusal(credential, options), HasSubstr("Set no transport in the options after UseTokenBinding"));
}

TEST_F(AzureMisuse, OfAChainWhosePartIsNotPrepared) {
  auto const chain = std::make_shared<Azure::Identity::ChainedTokenCredential>(
      Azure::Identity::ChainedTokenCredential::Sources{MakeCredential()});
  EXPECT_THAT(
      Refusal(chain, Bound<Azure::Core::_internal::ClientOptions>(MakeCredential())),
      HasSubstr("ChainedTokenCredential"));
}

}  // namespace
}  // namespace mtlspop::test
