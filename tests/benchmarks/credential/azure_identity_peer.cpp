#include "azure_identity_peer.hpp"

#include <memory>
#include <string>
#include <vector>

#include <azure/core/http/raw_response.hpp>
#include <azure/core/http/transport.hpp>
#include <azure/core/io/body_stream.hpp>
#include <azure/identity/managed_identity_credential.hpp>

namespace mtlspop::bench {
namespace {

/// IMDS v1 that always gives the same long-lived token.
class FixedImds final : public Azure::Core::Http::HttpTransport {
 public:
  std::unique_ptr<Azure::Core::Http::RawResponse> Send(
      Azure::Core::Http::Request&, Azure::Core::Context const&) override {
    static std::string const body =
        R"({"access_token":")" + std::string(1500, 'a') + R"(","expires_in":"86400","token_type":"Bearer"})";
    auto response = std::make_unique<Azure::Core::Http::RawResponse>(1, 1, Azure::Core::Http::HttpStatusCode::Ok, "OK");
    response->SetBodyStream(std::make_unique<Azure::Core::IO::MemoryBodyStream>(
        reinterpret_cast<std::uint8_t const*>(body.data()), body.size()));
    response->SetHeader("content-type", "application/json");
    return response;
  }
};

}  // namespace

std::function<void()> MakeAzureIdentityPeer() {
  Azure::Core::Credentials::TokenCredentialOptions options;
  options.Transport.Transport = std::make_shared<FixedImds>();
  auto const credential = std::make_shared<Azure::Identity::ManagedIdentityCredential>(std::string{}, options);
  Azure::Core::Credentials::TokenRequestContext request;
  request.Scopes = {"https://vault.azure.net/.default"};
  auto const get = [credential, request] {
    auto const token = credential->GetToken(request, Azure::Core::Context{});
    if (token.Token.empty()) std::abort();
  };
  get();
  return get;
}

}  // namespace mtlspop::bench
