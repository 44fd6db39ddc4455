#include "mtlspop/credential/static_credential.hpp"

#include <utility>

#include "mtlspop/credential/errors.hpp"
#include "mtlspop/transport/executor.hpp"

namespace mtlspop {

StaticCredential::StaticCredential(AccessToken token) : token_(std::move(token)) {
  if ((token_.Type == TokenType::MtlsPop) != (token_.Binding != nullptr)) {
    throw Error{
        {errors::InvalidArgument, "A bound token comes without its binding, or a bearer token with one",
         "Set Type to MtlsPop together with Binding, or to Bearer without"}};
  }
}

AccessToken StaticCredential::GetToken(TokenRequest const& request, Context const& context) {
  context.ThrowIfEnded("Getting a token");
  return *TryGetToken(request);
}

void StaticCredential::GetTokenAsync(
    TokenRequest const& request, Context const& context, Completion<AccessToken> done) {
  DefaultExecutor()([done = std::move(done), outcome = OutcomeOf([&] {
                                               return GetToken(request, context);
                                             })]() mutable { done(std::move(outcome)); });
}

std::optional<AccessToken> StaticCredential::TryGetToken(TokenRequest const& request) {
  if (request.Binding == TokenBinding::Required && token_.Type != TokenType::MtlsPop) {
    throw Error{
        {errors::TokenTypeMismatch, "A bound token is required, and this credential holds a bearer token",
         "Give the credential a bound token, or do not require one"}};
  }
  return token_;
}

}  // namespace mtlspop
