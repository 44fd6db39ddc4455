#include "service_client.hpp"

#include <utility>

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

}  // namespace

std::optional<seconds> ImdsRetry(int attempt, AttemptResult const& result) {
  if (result.Response == nullptr) return std::nullopt;
  int const status = result.Response->StatusCode;
  if (status == 410) return attempt <= 7 ? std::make_optional(seconds{10}) : std::nullopt;
  bool const again = status == 404 || status == 408 || status == 429 || IsServerError(status);
  if (!again || attempt > 3) return std::nullopt;
  return seconds{1 << (attempt - 1)};
}

std::optional<seconds> ImdsProbeRetry(int attempt, AttemptResult const& result) {
  if (result.Response != nullptr && result.Response->StatusCode == 404) return std::nullopt;
  return ImdsRetry(attempt, result);
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
       {"key_id", request.Binding ? request.Binding->KeyId() : std::string{}}});

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
  return details;
}

}  // namespace mtlspop
