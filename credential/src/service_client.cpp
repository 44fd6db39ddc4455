#include "service_client.hpp"

#include <algorithm>
#include <utility>

#include "mtlspop/base/http_date.hpp"

namespace mtlspop {
namespace {

using std::chrono::seconds;

/// Answers of both services are a few kilobytes.
constexpr std::size_t MostBodyBytes = std::size_t{1} << 20;

bool IsServerError(int status) noexcept { return status >= 500 && status <= 599; }

std::int64_t Milliseconds(Clock::SteadyTime from, Clock::SteadyTime to) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(to - from).count();
}

bool IsTimeout(Error const& error) noexcept {
  return error.Code() == errors::DeadlineExceeded || error.Details().Transient;
}

/// Whether waiting so long would use up the time: then the last answer says more than that time ran out.
bool EndsBefore(Context const& context, seconds delay) noexcept {
  return context.Deadline() != Context::TimePoint::max() && context.Deadline() - Context::Clock::now() <= delay;
}

/// One wrong number must not keep a process without tokens for a day.
constexpr seconds LongestRetryAfter{300};

/// Nothing where the answer does not say when to come back.
std::optional<Clock::SteadyTime::duration> ReadRetryAfter(ServiceResponse const& response, Clock::SystemTime now) {
  if (response.StatusCode != 429 && response.StatusCode != 503) return std::nullopt;
  auto const wait = ReadRetryAfterValue(response.Fields.Get("Retry-After"), now);
  return wait ? std::make_optional(std::min<Clock::SteadyTime::duration>(*wait, LongestRetryAfter)) : std::nullopt;
}

std::string WithoutQuery(Url const& url) { return url.GetOrigin().ToString() + std::string{url.Path()}; }

}  // namespace

RetryRule ImdsRetry() {
  return [gone = 0, others = 0](int, AttemptResult const& result) mutable -> std::optional<seconds> {
    if (result.Response == nullptr) return std::nullopt;
    int const status = result.Response->StatusCode;
    if (status == 410) return gone++ < 7 ? std::make_optional(seconds{10}) : std::nullopt;
    bool const again = status == 404 || status == 408 || status == 429 || IsServerError(status);
    if (!again || others == 3) return std::nullopt;
    return seconds{1 << others++};
  };
}

RetryRule ImdsProbeRetry() {
  return [rule = ImdsRetry()](int attempt, AttemptResult const& result) -> std::optional<seconds> {
    if (result.Response != nullptr && result.Response->StatusCode == 404) return std::nullopt;
    return rule(attempt, result);
  };
}

std::optional<seconds> TokenServiceRetry(int attempt, AttemptResult const& result) {
  if (attempt > 1) return std::nullopt;
  bool again = false;
  if (result.Failure != nullptr) {
    again = IsTimeout(*result.Failure);
  } else {
    int const status = result.Response->StatusCode;
    again = (IsServerError(status) || status == 408) && !result.Response->Fields.Contains("Retry-After");
  }
  return again ? std::make_optional(seconds{1}) : std::nullopt;
}

ServiceResponse ServiceClient::Send(
    ServiceRequest const& request, RetryRule const& rule, Context const& context) const {
  if (auto refusal = FindRefusal(request)) {
    log_.Write(
        LogLevel::Info, "not_sent_before_retry_after",
        {{"request", request.Name}, {"status", refusal->StatusCode}, {"correlation_id", request.CorrelationId}});
    return std::move(*refusal);
  }
  auto response = SendUntil(request, rule, context);
  RememberRefusal(request, response);
  return response;
}

std::optional<ServiceResponse> ServiceClient::FindRefusal(ServiceRequest const& request) const {
  auto& memory = memory_->Get();
  std::lock_guard<std::mutex> const lock{memory.Mutex};
  auto const found = memory.Refusals.find(WithoutQuery(request.Target));
  if (found == memory.Refusals.end() || clock_->SteadyNow() >= found->second.Until) return std::nullopt;
  ServiceResponse response;
  response.StatusCode = found->second.StatusCode;
  response.Fields = found->second.Fields;
  response.Body = found->second.Body;
  return response;
}

void ServiceClient::RememberRefusal(ServiceRequest const& request, ServiceResponse const& response) const {
  auto const wait = ReadRetryAfter(response, clock_->Now());
  if (!wait) return;
  auto const now = clock_->SteadyNow();
  auto& memory = memory_->Get();
  std::lock_guard<std::mutex> const lock{memory.Mutex};
  for (auto known = memory.Refusals.begin(); known != memory.Refusals.end();) {
    known = now >= known->second.Until ? memory.Refusals.erase(known) : std::next(known);
  }
  memory.Refusals[WithoutQuery(request.Target)] = {now + *wait, response.StatusCode, response.Fields, response.Body};
}

ServiceResponse ServiceClient::SendUntil(
    ServiceRequest const& request, RetryRule const& rule, Context const& context) const {
  for (int attempt = 1;; ++attempt) {
    std::optional<seconds> delay;
    auto const started = clock_->SteadyNow();
    try {
      auto response = SendOnce(request, context);
      response.Attempts = attempt;
      log_.Write(
          LogLevel::Info, request.Name,
          {{"status", response.StatusCode},
           {"attempt", attempt},
           {"milliseconds", Milliseconds(started, clock_->SteadyNow())},
           {"correlation_id", request.CorrelationId}});
      delay = rule(attempt, {&response, nullptr});
      if (!delay || EndsBefore(context, *delay)) return response;
    } catch (Error const& error) {
      log_.Write(
          LogLevel::Info, request.Name,
          {{"failed", error.Code().Name()},
           {"attempt", attempt},
           {"milliseconds", Milliseconds(started, clock_->SteadyNow())},
           {"correlation_id", request.CorrelationId}});
      context.ThrowIfEnded(request.Name);
      if (error.Code() == errors::Cancelled) throw;
      delay = rule(attempt, {nullptr, &error});
      if (!delay || EndsBefore(context, *delay)) throw;
    }
    log_.Write(LogLevel::Debug, "retry", {{"request", request.Name}, {"after_seconds", std::int64_t{delay->count()}}});
    clock_->Sleep(*delay, context);
  }
}

ServiceResponse ServiceClient::SendOnce(ServiceRequest const& request, Context const& context) const {
  Request message{request.Method, request.Target};
  message.Fields = request.Fields;
  message.NeverProxied = request.NeverProxied;
  if (!request.Body.Empty()) message.SetBody(request.Body.Reveal());
  auto const attempt = context.WithTimeout(request.Timeout);
  log_.Write(
      LogLevel::Debug, "send",
      {{"request", request.Name},
       {"method", request.Method},
       {"origin", request.Target.GetOrigin().ToString()},
       {"path", request.Target.Path()},
       {"x5t_s256", request.Binding ? request.Binding->X5tS256() : std::string{}}});

  auto const answer = transport_->Send(message, request.Binding, attempt);
  ServiceResponse response;
  response.StatusCode = answer->StatusCode;
  response.Fields = std::move(answer->Fields);
  response.Body = ReadToEnd(*answer->Body, MostBodyBytes, attempt);
  return response;
}

ErrorDetails WithRequest(ErrorDetails details, ServiceRequest const& request, ServiceResponse const& response) {
  details.HttpStatus = response.StatusCode;
  details.CorrelationId = request.CorrelationId;
  details.Attempts = response.Attempts;
  if (response.Attempts == 0) {
    details.What += "; so it answered an earlier request, and it is not asked again before the time that it named";
  }
  return details;
}

}  // namespace mtlspop
