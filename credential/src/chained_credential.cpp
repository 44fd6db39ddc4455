#include "mtlspop/credential/chained_credential.hpp"

#include <exception>
#include <string>
#include <utility>

#include "mtlspop/credential/errors.hpp"
#include "mtlspop/transport/required.hpp"
#include "tell_failure.hpp"

namespace mtlspop {

ChainedCredential::ChainedCredential(Sources sources, EventSink observer)
    : sources_(std::move(sources)), observer_(std::move(observer)), chosen_(sources_.size()) {
  for (auto const& source : sources_) Required(source, "A credential of the chain");
  if (!sources_.empty()) return;
  throw Error{{errors::InvalidArgument, "The chain holds no credential", "Give it at least one"}};
}

AccessToken ChainedCredential::GetToken(TokenRequest const& request, Context const& context) {
  auto const chosen = chosen_.load(std::memory_order_relaxed);
  if (chosen < sources_.size()) return sources_[chosen]->GetToken(request, context);
  return TryAll(request, context);
}

void ChainedCredential::ReportRefusal(
    TokenRequest const& request, AccessToken const& refused, RefusalReason reason) noexcept {
  auto const chosen = chosen_.load(std::memory_order_relaxed);
  if (chosen < sources_.size()) sources_[chosen]->ReportRefusal(request, refused, reason);
}

struct ChainedCredential::Attempt {
  TokenRequest Request;
  Context Limits;
  Completion<AccessToken> Done;
  std::size_t Index = 0;
  std::string Tried;
};

AccessToken ChainedCredential::TryAll(TokenRequest const& request, Context const& context) {
  for (Attempt attempt{request, context, nullptr, 0, {}};; ++attempt.Index) {
    try {
      auto token = sources_[attempt.Index]->GetToken(request, context);
      Choose(attempt.Index);
      return token;
    } catch (Error const& error) {
      PassOverOrThrow(error, attempt);
    }
  }
}

std::optional<AccessToken> ChainedCredential::TryGetToken(TokenRequest const& request) {
  auto const chosen = chosen_.load(std::memory_order_relaxed);
  return chosen < sources_.size() ? sources_[chosen]->TryGetToken(request) : std::nullopt;
}

void ChainedCredential::GetTokenAsync(
    TokenRequest const& request, Context const& context, Completion<AccessToken> done) {
  auto const chosen = chosen_.load(std::memory_order_relaxed);
  if (chosen < sources_.size()) return sources_[chosen]->GetTokenAsync(request, context, std::move(done));
  TryNext(std::make_shared<Attempt>(Attempt{request, context, std::move(done), 0, {}}));
}

void ChainedCredential::TryNext(std::shared_ptr<Attempt> const& attempt) {
  sources_[attempt->Index]->GetTokenAsync(
      attempt->Request, attempt->Limits, [this, attempt](Outcome<AccessToken> outcome) {
        if (outcome.HasValue()) {
          Choose(attempt->Index);
          return attempt->Done(std::move(outcome));
        }
        ContinueOrTell(attempt->Done, [&] {
          try {
            std::move(outcome).Take();
          } catch (Error const& error) {
            PassOverOrThrow(error, *attempt);
          }
          ++attempt->Index;
          TryNext(attempt);
        });
      });
}

void ChainedCredential::Choose(std::size_t index) {
  chosen_.store(index, std::memory_order_relaxed);
  observer_.Tell(Severity::Info, "credential.chosen", {{"chosen", sources_[index]->Name()}});
}

void ChainedCredential::PassOverOrThrow(Error const& error, Attempt& attempt) {
  auto const& context = attempt.Limits;
  if (error.Code() == errors::Cancelled || context.IsCancelled() || context.IsExpired()) throw;
  auto const name = std::string{sources_[attempt.Index]->Name()};
  observer_.Tell(Severity::Info, "credential.passed_over", {{"passed_over", name}, {"error", error.Code().Name()}});
  auto& tried = attempt.Tried;
  tried.append(tried.empty() ? "" : ", ").append(name).append(" (").append(error.Code().Name()).append(1, ')');
  if (attempt.Index + 1 < sources_.size()) return;
  std::throw_with_nested(Error{
      {errors::NoCredentialWorked,
       "None of the credentials gave a token: " + tried + "; the last one said: " + error.Details().What,
       "Look up the code behind the credential that should work here"}});
}

}  // namespace mtlspop
