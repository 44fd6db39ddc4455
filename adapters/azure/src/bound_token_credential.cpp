#include "mtlspop/azure/bound_token_credential.hpp"

#include <chrono>
#include <utility>

#include "azure_context.hpp"
#include "azure_failure.hpp"
#include "bound_operation.hpp"
#include "mtlspop/credential/errors.hpp"
#include "token_pairs.hpp"

namespace mtlspop::azure {
namespace {

using Azure::Core::Credentials::TokenRequestContext;

// What is wanted of the credential that `options` say to make, said with each request.
std::optional<TokenBinding> BindingToAskFor(BoundTokenCredentialOptions const& options) {
  if (options.Credential) return std::nullopt;
  return options.ManagedIdentity.Binding.value_or(TokenBinding::Required);
}

BoundTokenCredentialOptions Completed(BoundTokenCredentialOptions options) {
  if (options.Credential) return options;
  auto& identity = options.ManagedIdentity;
  // What closes connections when a binding is retired has to be what opens them.
  if (!identity.Transport) identity.Transport = options.Transport;
  if (!identity.Log.IsEnabled(LogLevel::Error)) identity.Log = options.Log;
  auto made = identity;
  // A credential that prefers bound tokens gives no other where it can have them. One that is asked for them with each
  // request can be asked for a bearer token where the resource refuses the bound one.
  made.Binding = identity.Binding.value_or(TokenBinding::Required);
  if (made.Binding == TokenBinding::Preferred) made.Binding = TokenBinding::None;
  options.Credential = std::make_shared<ManagedIdentityCredential>(std::move(made));
  return options;
}

BoundTokenCredentialOptions Over(std::shared_ptr<mtlspop::TokenCredential> credential) {
  BoundTokenCredentialOptions options;
  options.Credential = std::move(credential);
  return options;
}

// How Azure's policy says that the last request was answered 401.
bool AsksForAnother(TokenRequestContext const& wanted) {
  return wanted.MinimumExpiration == (Azure::DateTime::duration::max)();
}

bool ExpiresTooSoon(AccessToken const& token, Clock& time, TokenRequestContext const& wanted) {
  // In Azure's unit, in which its longest minimum does not overflow.
  auto const left = std::chrono::duration_cast<Azure::DateTime::duration>(token.ExpiresOn - time.Now());
  return left < wanted.MinimumExpiration;
}

// The policy would not know such a token for a bound one without its pair, and let it pass as a bearer token.
void RefuseUnlessRecognizable(AccessToken const& token) {
  if (IsBoundToken(token.Token.Reveal())) return;
  throw Error{
      {errors::TokenMalformed, "the credential returned a bound token that does not say what it is bound to",
       "A bound token has to be a JWT with x5t#S256 in its cnf claim (RFC 8705 section 3.1): correct the credential "
       "that "
       "BoundTokenCredentialOptions::Credential names"}};
}

}  // namespace

BoundTokenCredential::BoundTokenCredential(BoundTokenCredentialOptions options)
    : TokenCredential("BoundTokenCredential"),
      binding_(BindingToAskFor(options)),
      options_(Completed(std::move(options))),
      pairs_(std::make_shared<TokenPairs>(options_.ManagedIdentity.Time.get())) {}

BoundTokenCredential::BoundTokenCredential(std::shared_ptr<mtlspop::TokenCredential> credential)
    : BoundTokenCredential(Over(std::move(credential))) {}

BoundTokenCredential::~BoundTokenCredential() = default;

Azure::Core::Credentials::AccessToken BoundTokenCredential::GetToken(
    TokenRequestContext const& tokenRequestContext, Azure::Core::Context const& context) const {
  context.ThrowIfCancelled();
  TokenRequest request;
  request.Scopes = tokenRequestContext.Scopes;
  request.TenantId = tokenRequestContext.TenantId;
  request.Binding = binding_;
  try {
    auto token = Get(request, tokenRequestContext, context);
    if (token.Type == TokenType::MtlsPop) {
      RefuseUnlessRecognizable(token);
      pairs_->Remember(token, request);
    }
    return {token.Token.Reveal(), Azure::DateTime{token.ExpiresOn}};
  } catch (Error const& error) {
    ThrowAsAuthenticationFailure(error, context);
  }
}

AccessToken BoundTokenCredential::Get(
    TokenRequest const& request, TokenRequestContext const& wanted, Azure::Core::Context const& context) const {
  // Azure's policy also asks for another token where the request that was refused carried none, or one for another
  // tenant: as it does to learn the tenant. Then a cached one is as good as a new one.
  auto const operation = BoundOperation::Of(context);
  auto const isRefused = AsksForAnother(wanted);
  auto token = options_.Credential->GetToken(request, FromAzure(context));
  if (token.Source != TokenSource::Cache) return token;
  auto const isUsable = isRefused ? operation && !operation->WasRefused(token)
                                  : !ExpiresTooSoon(token, *options_.ManagedIdentity.Time, wanted);
  if (isUsable) return token;
  options_.Credential->ReportRefusal(request, token, RefusalReason::TokenRejected);
  return options_.Credential->GetToken(request, FromAzure(context));
}

}  // namespace mtlspop::azure
