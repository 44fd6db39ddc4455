#pragma once

#include <chrono>
#include <optional>

#include "mtlspop/policies/bound_call.hpp"
#include "mtlspop/transport/error.hpp"

namespace mtlspop {

/// How often one call may still try, and after how long. Each question that is answered with a wait costs one retry.
class RetryBudget final {
 public:
  RetryBudget(BoundCallOptions const& options, Context::TimePoint deadline) noexcept
      : options_(&options), deadline_(deadline) {}

  using MaybeWait = std::optional<std::chrono::milliseconds>;

  /// After a request that got no answer.
  MaybeWait AfterFailure(Error const& error, bool isIdempotent, CallTime now);
  /// After a token request that failed.
  MaybeWait AfterTokenFailure(Error const& error, CallTime now);
  /// After an answer that is worth another try by its status.
  MaybeWait AfterAnswer(CallAnswer const& answer, bool isIdempotent, CallTime now);
  /// After a 401 because the other side could not check the binding.
  MaybeWait AfterFailedCheck(CallAnswer const& answer, CallTime now);

 private:
  /// Up to a quarter more than was asked for, never less.
  MaybeWait Spend(MaybeWait asked, CallTime now);
  MaybeWait AskedBy(Error const& error, CallTime now) const noexcept;

  BoundCallOptions const* options_;
  Context::TimePoint deadline_;
  int retries_ = 0;
};

}  // namespace mtlspop
