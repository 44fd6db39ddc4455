#include "retry_budget.hpp"

#include <algorithm>

#include "mtlspop/base/random_numbers.hpp"
#include "mtlspop/policies/retry_delay.hpp"

namespace mtlspop {

using std::chrono::milliseconds;

RetryBudget::MaybeWait RetryBudget::AskedBy(Error const& error, CallTime now) const noexcept {
  auto const notBefore = error.Details().NotBefore;
  if (!notBefore || *notBefore <= now.System) return std::nullopt;
  // Compared before it is converted: the farthest time there is must not overflow.
  auto const longest = options_->Retry.MaximumRetryAfter;
  if (*notBefore - now.System > longest) return longest + milliseconds{1};
  return std::chrono::ceil<milliseconds>(*notBefore - now.System);
}

RetryBudget::MaybeWait RetryBudget::Spend(MaybeWait asked, CallTime now) {
  auto const& retry = options_->Retry;
  if (retries_ >= retry.MaximumRetries || (asked && *asked > retry.MaximumRetryAfter)) return std::nullopt;
  // Machines that were put off together do not come back together, and none of them too early.
  auto const wait = asked ? WithJitter(*asked, RandomOr(retry.Random)) : BackOff(retry, retries_ + 1);
  if (deadline_ != Context::TimePoint::max() && now.Steady + wait >= deadline_) return std::nullopt;
  ++retries_;
  return wait;
}

RetryBudget::MaybeWait RetryBudget::AfterFailure(Error const& error, bool isIdempotent, CallTime now) {
  auto const& details = error.Details();
  if (!options_->RetriesFailures || !details.Transient || !(details.NothingSent || isIdempotent)) return std::nullopt;
  return Spend(AskedBy(error, now), now);
}

RetryBudget::MaybeWait RetryBudget::AfterTokenFailure(Error const& error, CallTime now) {
  if (!error.Details().Transient || !error.Details().NotBefore) return std::nullopt;
  return Spend(AskedBy(error, now), now);
}

RetryBudget::MaybeWait RetryBudget::AfterAnswer(CallAnswer const& answer, bool isIdempotent, CallTime now) {
  auto const statusCode = answer.StatusCode;
  auto const& codes = options_->Retry.StatusCodes;
  auto const isListed = std::find(codes.begin(), codes.end(), statusCode) != codes.end();
  auto const didNothing = statusCode == 408 || statusCode == 429 || statusCode == 503;
  if (!options_->RetriesFailures || !isListed || !(didNothing || isIdempotent)) return std::nullopt;
  return Spend(ReadRetryAfter(answer.Fields, now.System), now);
}

RetryBudget::MaybeWait RetryBudget::AfterFailedCheck(CallAnswer const& answer, CallTime now) {
  return Spend(ReadRetryAfter(answer.Fields, now.System), now);
}

}  // namespace mtlspop
