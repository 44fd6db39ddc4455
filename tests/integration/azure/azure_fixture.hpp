#pragma once

/// @file
/// Clients of the Azure SDK that reach an emulator of their own.

#include <gtest/gtest.h>
#include <azure/core/http/policies/policy.hpp>
#include <azure/core/internal/http/pipeline.hpp>
#include <azure/keyvault/secrets.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "credential/emulator.hpp"
#include "mtlspop/azure/token_binding.hpp"

namespace mtlspop::test {

class AzureAgainstEmulator : public testing::Test {
 protected:
  explicit AzureAgainstEmulator(std::vector<std::string> const& arguments = {}) : emulator_(arguments) {}

  using SecretClient = Azure::Security::KeyVault::Secrets::SecretClient;
  using SecretClientOptions = Azure::Security::KeyVault::Secrets::SecretClientOptions;
  using Pipeline = Azure::Core::Http::_internal::HttpPipeline;

  static constexpr char const* VaultScope = "https://vault.azure.net/.default";
  static constexpr char const* StorageScope = "https://storage.azure.com/.default";

  std::string VaultUrl() const { return "https://" + emulator_.Startup().at("vault_host").get<std::string>(); }
  std::string BlobUrl() const { return "https://" + emulator_.Startup().at("blob_host").get<std::string>(); }

  azure::BoundTokenCredentialOptions CredentialOptions(ManagedIdentityId identity = {}) const {
    azure::BoundTokenCredentialOptions options;
    options.ManagedIdentity = emulator_.CredentialOptions();
    options.ManagedIdentity.Identity = std::move(identity);
    options.Transport = emulator_.Transport();
    return options;
  }

  std::shared_ptr<azure::BoundTokenCredential> MakeCredential(ManagedIdentityId identity = {}) const {
    return std::make_shared<azure::BoundTokenCredential>(CredentialOptions(std::move(identity)));
  }

  template <typename Options>
  static Options Bound(std::shared_ptr<azure::BoundTokenCredential> const& credential) {
    Options options;
    options.Retry.RetryDelay = std::chrono::milliseconds{1};
    azure::UseTokenBinding(options, credential);
    return options;
  }

  SecretClient MakeSecretClient(std::shared_ptr<azure::BoundTokenCredential> const& credential) const {
    return SecretClient{VaultUrl(), credential, Bound<SecretClientOptions>(credential)};
  }

  /// As a service client builds its own, with Azure's own authentication policy.
  static Pipeline MakePipeline(
      std::shared_ptr<Azure::Core::Credentials::TokenCredential const> credential,
      std::string const& scope,
      Azure::Core::_internal::ClientOptions const& options) {
    using Azure::Core::Http::Policies::_internal::BearerTokenAuthenticationPolicy;
    Azure::Core::Credentials::TokenRequestContext wanted;
    wanted.Scopes = {scope};
    std::vector<std::unique_ptr<Azure::Core::Http::Policies::HttpPolicy>> perRetry;
    perRetry.push_back(std::make_unique<BearerTokenAuthenticationPolicy>(std::move(credential), wanted));
    return Pipeline{options, "test", "1.0", std::move(perRetry), {}};
  }

  static int GetStatus(Pipeline const& pipeline, std::string const& url) {
    Azure::Core::Http::Request request{Azure::Core::Http::HttpMethod::Get, Azure::Core::Url{url}};
    return static_cast<int>(pipeline.Send(request, {})->GetStatusCode());
  }

  nlohmann::json Statistics() const { return emulator_.Get("statistics"); }
  std::string Tenant() const { return emulator_.Startup().at("identities").at(0).at("tenant_id").get<std::string>(); }
  /// Of the requests for tokens.
  std::vector<std::string> TokenPaths() const {
    std::vector<std::string> paths;
    for (auto const& entry : emulator_.Log("sts")) {
      if (entry.at("method") == "POST") paths.push_back(entry.at("path").get<std::string>());
    }
    return paths;
  }

  Emulator emulator_;
};

}  // namespace mtlspop::test
