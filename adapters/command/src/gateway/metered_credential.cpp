#include "gateway/metered_credential.hpp"

#include <utility>

namespace mtlspop::gateway {
namespace {

void Count(Metrics& metrics, std::string const& identity, Outcome<AccessToken> const& outcome) {
  try {
    if (outcome.HasValue()) return metrics.RecordToken(identity, Outcome<AccessToken>{outcome}.Take());
    std::rethrow_exception(outcome.Failure());
  } catch (Error const& error) {
    metrics.RecordTokenFailure(error.Code().Name());
  } catch (std::exception const&) {
    metrics.RecordTokenFailure("gateway_failure");
  }
}

}  // namespace

MeteredCredential::MeteredCredential(
    std::shared_ptr<TokenCredential> below, std::string identity, std::shared_ptr<Metrics> metrics)
    : CredentialOver(std::move(below)), identity_(std::move(identity)), metrics_(std::move(metrics)) {}

AccessToken MeteredCredential::GetToken(TokenRequest const& request, Context const& context) {
  auto outcome = OutcomeOf([&] { return Below().GetToken(request, context); });
  Count(*metrics_, identity_, outcome);
  return std::move(outcome).Take();
}

std::optional<AccessToken> MeteredCredential::TryGetToken(TokenRequest const& request) {
  auto token = Below().TryGetToken(request);
  if (token) metrics_->RecordToken(identity_, *token);
  return token;
}

void MeteredCredential::GetTokenAsync(
    TokenRequest const& request, Context const& context, Completion<AccessToken> done) {
  Below().GetTokenAsync(
      request, context,
      [identity = identity_, metrics = metrics_, done = std::move(done)](Outcome<AccessToken> outcome) {
        Count(*metrics, identity, outcome);
        done(std::move(outcome));
      });
}

}  // namespace mtlspop::gateway
