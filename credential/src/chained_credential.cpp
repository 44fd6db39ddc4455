#include "mtlspop/credential/chained_credential.hpp"

#include <exception>
#include <string>
#include <utility>

#include "mtlspop/credential/errors.hpp"
#include "mtlspop/transport/required.hpp"

namespace mtlspop {

ChainedCredential::ChainedCredential(Sources sources, Logger log)
    : sources_(std::move(sources)), log_(std::move(log)), chosen_(sources_.size()) {
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

AccessToken ChainedCredential::TryAll(TokenRequest const& request, Context const& context) {
  std::string tried;
  for (std::size_t i = 0;; ++i) {
    auto const name = std::string{sources_[i]->Name()};
    try {
      auto token = sources_[i]->GetToken(request, context);
      chosen_.store(i, std::memory_order_relaxed);
      log_.Write(LogLevel::Info, "credential_chosen", {{"credential", name}});
      return token;
    } catch (Error const& error) {
      if (error.Code() == errors::Cancelled || context.IsCancelled() || context.IsExpired()) throw;
      log_.Write(LogLevel::Info, "credential_passed_over", {{"credential", name}, {"reason", error.Code().Name()}});
      tried.append(tried.empty() ? "" : ", ").append(name).append(" (").append(error.Code().Name()).append(1, ')');
      if (i + 1 < sources_.size()) continue;
      std::throw_with_nested(Error{
          {errors::NoCredentialWorked, "None of the credentials gave a token: " + tried,
           "Look up the code behind the credential that should work here; the last one's failure is the cause"}});
    }
  }
}

}  // namespace mtlspop
