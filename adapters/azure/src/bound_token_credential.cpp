#include "mtlspop/azure/bound_token_credential.hpp"

#include <string>
#include <utility>

#include "azure_failure.hpp"
#include "azure_observer.hpp"
#include "bound_operation.hpp"
#include "credential_state.hpp"
#include "mtlspop/azure/errors.hpp"
#include "token_span.hpp"

namespace mtlspop::azure {
namespace {

using Azure::Core::Credentials::TokenRequestContext;

BoundTokenCredentialOptions Completed(BoundTokenCredentialOptions options) {
  if (!options.Memory.Random) options.Memory.Random = options.ManagedIdentity.Random;
  if (options.Credential) return options;
  auto& identity = options.ManagedIdentity;
  // What closes connections when a binding is retired has to be what opens them.
  if (!identity.Transport) identity.Transport = options.Transport;
  if (identity.Observer.IsDefault()) identity.Observer = options.Observer;
  options.Credential = std::make_shared<ManagedIdentityCredential>(identity);
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

[[noreturn]] void ThrowNotInUse(EventSink const& observer, std::string why, std::string action) {
  // A chain of credentials goes on to the next one, and drops this text.
  observer.Tell(Severity::Error, "client.token_binding_not_in_use", {{"what", why}});
  throw Error{{errors::TokenBindingNotInUse, std::move(why), std::move(action)}};
}

void RefuseOtherClients(
    BoundOperation const* operation, TokenHandles const& handles, bool isInUse, EventSink const& observer) {
  if (operation != nullptr && operation->Knows(handles)) return;
  if (operation != nullptr) {
    ThrowNotInUse(
        observer, "The client's options went through UseTokenBinding with another credential than the client was given",
        "Call UseTokenBinding with the credential that the client is constructed with, or once for each part of a "
        "chain");
  }
  if (isInUse) {
    ThrowNotInUse(
        observer, "The client was constructed with other options than those that went through UseTokenBinding",
        "Construct it with these, or with a copy made after UseTokenBinding; a credential in between has to pass on "
        "the "
        "context that it is called with");
  }
  ThrowNotInUse(
      observer, "The client was constructed without UseTokenBinding",
      "Call mtlspop::azure::UseTokenBinding(options, credential), and construct the client with these options");
}

}  // namespace

BoundTokenCredential::State::State(BoundTokenCredentialOptions options)
    : Options(Completed(std::move(options))), Memory(std::make_shared<ResourceMemory>(Options.Memory)) {
  FeedAzure();
}

BoundTokenCredential::BoundTokenCredential(BoundTokenCredentialOptions options)
    : TokenCredential("BoundTokenCredential"), state_(std::make_shared<State>(std::move(options))) {}

BoundTokenCredential::BoundTokenCredential(std::shared_ptr<mtlspop::TokenCredential> credential)
    : BoundTokenCredential(Over(std::move(credential))) {}

BoundTokenCredential::~BoundTokenCredential() = default;

Azure::Core::Credentials::AccessToken BoundTokenCredential::GetToken(
    TokenRequestContext const& tokenRequestContext, Azure::Core::Context const& context) const {
  context.ThrowIfCancelled();
  auto const operation = BoundOperation::Of(context);
  TokenRequest request;
  request.Scopes = tokenRequestContext.Scopes;
  request.TenantId = tokenRequestContext.TenantId;
  try {
    RefuseOtherClients(operation.get(), *state_->Handles, state_->IsInUse, state_->Options.Observer);
    // Whether there is a token decides which part of a chain is used. The one that is sent the policy asks for.
    auto const token = GetTokenTraced(*state_->Options.Credential, request, {}, context);
    if (AsksForAnother(tokenRequestContext)) operation->WantAnother();
    return {state_->Handles->For(request), Azure::DateTime{token.ExpiresOn}};
  } catch (Error const& error) {
    ThrowAsAuthenticationFailure(error, context);
  }
}

}  // namespace mtlspop::azure
