#include "mtlspop/azure/bound_token_credential.hpp"

#include <utility>

#include "azure_context.hpp"
#include "azure_failure.hpp"
#include "token_pairs.hpp"

namespace mtlspop::azure {
namespace {

BoundTokenCredentialOptions Completed(BoundTokenCredentialOptions options) {
  if (!options.Credential) {
    auto identity = options.ManagedIdentity;
    if (!identity.Binding) identity.Binding = TokenBinding::Required;
    options.Credential = std::make_shared<ManagedIdentityCredential>(std::move(identity));
  }
  return options;
}

BoundTokenCredentialOptions Over(std::shared_ptr<mtlspop::TokenCredential> credential) {
  BoundTokenCredentialOptions options;
  options.Credential = std::move(credential);
  return options;
}

}  // namespace

BoundTokenCredential::BoundTokenCredential(BoundTokenCredentialOptions options)
    : TokenCredential("BoundTokenCredential"),
      options_(Completed(std::move(options))),
      pairs_(std::make_shared<TokenPairs>(options_.ManagedIdentity.Time.get())) {}

BoundTokenCredential::BoundTokenCredential(std::shared_ptr<mtlspop::TokenCredential> credential)
    : BoundTokenCredential(Over(std::move(credential))) {}

BoundTokenCredential::~BoundTokenCredential() = default;

Azure::Core::Credentials::AccessToken BoundTokenCredential::GetToken(
    Azure::Core::Credentials::TokenRequestContext const& tokenRequestContext,
    Azure::Core::Context const& context) const {
  context.ThrowIfCancelled();
  TokenRequest request;
  request.Scopes = tokenRequestContext.Scopes;
  request.TenantId = tokenRequestContext.TenantId;
  // How Azure's policy says that the token it holds was refused.
  request.ForceRefresh = tokenRequestContext.MinimumExpiration == (Azure::DateTime::duration::max)();
  try {
    auto token = options_.Credential->GetToken(request, FromAzure(context));
    auto const isTooOld = [&] {
      return token.ExpiresOn - options_.ManagedIdentity.Time->Now() < tokenRequestContext.MinimumExpiration;
    };
    if (!request.ForceRefresh && token.Source == TokenSource::Cache && isTooOld()) {
      request.ForceRefresh = true;
      token = options_.Credential->GetToken(request, FromAzure(context));
    }
    request.ForceRefresh = false;
    if (token.Type == TokenType::MtlsPop) pairs_->Remember(token, request);
    return {token.Token.Reveal(), Azure::DateTime{token.ExpiresOn}};
  } catch (Error const& error) {
    ThrowAsAuthenticationFailure(error, context);
  }
}

}  // namespace mtlspop::azure
