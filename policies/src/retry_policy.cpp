#include "mtlspop/policies/retry_policy.hpp"

#include <algorithm>
#include <exception>
#include <optional>
#include <string>
#include <utility>

#include "mtlspop/policies/binding_verdict.hpp"
#include "mtlspop/policies/retry_delay.hpp"
#include "mtlspop/transport/error.hpp"
#include "response_body.hpp"

namespace mtlspop {
namespace {

constexpr int MostRetries = 100;

RetryOptions Checked(RetryOptions options) {
  if (options.MaximumRetries < 0 || options.MaximumRetries > MostRetries || options.InitialDelay.count() < 0 ||
      options.MaximumDelay.count() < 0) {
    throw Error{
        {errors::InvalidArgument, "the retry options are out of range",
         "Set RetryOptions::MaximumRetries to a number from 0 to 100, and the delays to 0 or more"}};
  }
  return options;
}

// One request on its way, with all its attempts.
class Attempts final {
 public:
  Attempts(RetryOptions const& options, PipelineRequest& request, NextHttpPolicy next, Context const& context)
      : options_(options), request_(request), next_(next), context_(context) {}

  std::unique_ptr<Response> Send() {
    for (request_.Attempt = 1;; ++request_.Attempt) {
      std::unique_ptr<Response> response;
      std::chrono::milliseconds wait{};
      try {
        response = next_.Send(request_, context_);
      } catch (Error const& error) {
        if (!IsWorthAnother(error)) ThrowWithAttempts(error);
        wait = BackOff(options_, request_.Attempt);
        if (!CanWait(wait) || !Rewind()) ThrowWithAttempts(error);
        LogRetry(error.Code().Name(), wait);
      }
      if (response) {
        if (!IsWorthAnother(*response)) return response;
        auto const asked = ReadRetryAfter(response->Fields, options_.Time->Now());
        wait = asked.value_or(BackOff(options_, request_.Attempt));
        if ((asked && *asked > options_.MaximumRetryAfter) || !CanWait(wait) || !Rewind()) return response;
        LogRetry(std::to_string(response->StatusCode), wait);
        DrainBody(*response, context_);
        response = nullptr;
      }
      options_.Time->Sleep(wait, context_);
    }
  }

 private:
  bool HasAttemptsLeft() const noexcept { return request_.Attempt <= options_.MaximumRetries; }

  bool IsWorthAnother(Error const& error) const noexcept {
    if (!HasAttemptsLeft() || !error.Details().Transient || context_.IsCancelled() || context_.IsExpired())
      return false;
    return error.Details().NothingSent || IsIdempotent(request_.Message.Method);
  }

  bool IsWorthAnother(Response& response) const {
    if (!HasAttemptsLeft()) return false;
    if (response.StatusCode == 401) return SaysBindingCheckFailed(response);
    auto const& codes = options_.StatusCodes;
    if (std::find(codes.begin(), codes.end(), response.StatusCode) == codes.end()) return false;
    auto const didNothing = response.StatusCode == 408 || response.StatusCode == 429 || response.StatusCode == 503;
    return didNothing || IsIdempotent(request_.Message.Method);
  }

  // The resource could not check the binding, through a fault of its own; the request stays bound.
  bool SaysBindingCheckFailed(Response& response) const {
    return request_.Binding && ReadBindingVerdict(PeekBody(response, context_)) == BindingVerdict::CheckFailed;
  }

  bool CanWait(std::chrono::milliseconds wait) const noexcept {
    auto const deadline = context_.Deadline();
    return deadline == Context::TimePoint::max() || Context::Clock::now() + wait < deadline;
  }

  bool Rewind() const { return !request_.Message.Body || request_.Message.Body->TryRewind(); }

  void LogRetry(std::string_view reason, std::chrono::milliseconds wait) const {
    options_.Log.Write(
        LogLevel::Info, "retry",
        {{"method", request_.Message.Method},
         {"host", request_.Message.Target.Host()},
         {"reason", reason},
         {"attempt", request_.Attempt},
         {"wait_ms", static_cast<std::int64_t>(wait.count())}});
  }

  [[noreturn]] void ThrowWithAttempts(Error const& error) const {
    if (request_.Attempt == 1) throw;
    auto details = error.Details();
    details.What += " (" + std::to_string(request_.Attempt) + " attempts)";
    details.Attempts = request_.Attempt;
    std::throw_with_nested(Error{std::move(details)});
  }

  RetryOptions const& options_;
  PipelineRequest& request_;
  NextHttpPolicy next_;
  Context const& context_;
};

}  // namespace

RetryPolicy::RetryPolicy(RetryOptions options)
    : options_(std::make_shared<RetryOptions const>(Checked(std::move(options)))) {}

std::unique_ptr<Response> RetryPolicy::Send(
    PipelineRequest& request, NextHttpPolicy next, Context const& context) const {
  return Attempts{*options_, request, next, context}.Send();
}

std::unique_ptr<HttpPolicy> RetryPolicy::Clone() const { return std::make_unique<RetryPolicy>(*options_); }

}  // namespace mtlspop
