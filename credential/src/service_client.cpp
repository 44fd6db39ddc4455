#include "service_client.hpp"

#include <algorithm>
#include <utility>

#include "answer_text.hpp"
#include "mtlspop/base/http_date.hpp"
#include "mtlspop/transport/redact.hpp"
#include "no_answer.hpp"
#include "progress.hpp"
#include "token_times.hpp"

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
bool EndsBefore(Context const& context, std::chrono::milliseconds delay) noexcept {
  return context.Deadline() != Context::TimePoint::max() && context.Deadline() - Context::Clock::now() <= delay;
}

/// One wrong number must not keep a process without tokens for a day.
constexpr seconds LongestRetryAfter{300};

/// Nothing where the answer does not say when to come back.
std::optional<seconds> ReadRetryAfter(ServiceResponse const& response, Clock::SystemTime now) {
  auto const status = response.StatusCode;
  if (status != 429 && status != 408 && !IsServerError(status)) return std::nullopt;
  auto const wait = ReadRetryAfterValue(response.Fields.Get("Retry-After"), now);
  if (!wait) return std::nullopt;
  // Never too early.
  return std::min(std::chrono::ceil<seconds>(*wait), LongestRetryAfter);
}

/// A retry that has to wait longer is the caller's: whoever waits for a token does not wait for that.
constexpr seconds LongestWait{10};

struct Unfinished {
  ServiceRequest const& Request;
  int Attempt;
  /// How many of the attempts went out.
  int Sent;
  Clock::SteadyTime::duration Took;
  /// What ended the attempt before, "" where there was none.
  std::string const& Before;
};

/// Throws in place of the error that is being handled, which says how far it came.
[[noreturn]] void ThrowOutOfTime(Unfinished const& work) {
  auto const took = std::chrono::duration_cast<std::chrono::milliseconds>(work.Took);
  ErrorDetails details{
      errors::DeadlineExceeded,
      (work.Sent > 0 ? "Time ran out " + DescribeDuration(took) + " after " + work.Request.Name +
                           " was first sent to " + work.Request.Target.GetOrigin().ToString()
                     : "Time ran out after " + DescribeDuration(took) + " without a connection to " +
                           work.Request.Target.GetOrigin().ToString() + " for " + work.Request.Name) +
          ", in attempt " + std::to_string(work.Attempt) +
          (work.Before.empty() ? "" : "; the one before ended with " + work.Before),
      "Check whether that service is slow or out of reach, or allow more time"};
  if (work.Sent > 0) details.CorrelationId = work.Request.CorrelationId;
  details.Attempts = work.Sent;
  details.Transient = true;
  std::throw_with_nested(Error{std::move(details)});
}

std::string WithoutQuery(Url const& url) { return url.GetOrigin().ToString() + std::string{url.Path()}; }

}  // namespace

bool WasSent(AttemptResult const& result) noexcept {
  return result.Failure == nullptr || !result.Failure->Details().NothingSent;
}

RetryRule ImdsRetry() {
  return [gone = 0, others = 0](int, AttemptResult const& result) mutable -> std::optional<seconds> {
    int const status = result.Response != nullptr ? result.Response->StatusCode : 0;
    if (status == 410) return gone++ < 7 ? std::make_optional(seconds{10}) : std::nullopt;
    bool const again =
        result.Response != nullptr
            ? status == 404 || status == 408 || status == 429 || IsServerError(status)
            : WhyNoAnswer(*result.Failure) == NoAnswer::Lost || result.Failure->Code() == errors::DeadlineExceeded;
    if (!again || others == 3) return std::nullopt;
    return seconds{1 << others++};
  };
}

RetryRule ImdsProbeRetry() {
  return [lost = 0, slow = 0](int, AttemptResult const& result) mutable -> std::optional<seconds> {
    if (result.Failure == nullptr) return std::nullopt;
    auto const why = WhyNoAnswer(*result.Failure);
    if (why == NoAnswer::TooSlow && slow++ == 0) return seconds{0};
    if (why == NoAnswer::Lost && lost < 3) return seconds{1 << lost++};
    return std::nullopt;
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
    observer_.Tell(
        Severity::Info, "service.held_back",
        {{"step", request.Name},
         {"host", request.Target.Host()},
         {"status", refusal->StatusCode},
         {"correlation_id", request.CorrelationId}});
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
  response.CorrelationId = found->second.CorrelationId;
  response.NotBefore = clock_->Now() + std::chrono::duration_cast<Clock::SystemTime::duration>(
                                           found->second.Until - clock_->SteadyNow());
  return response;
}

void ServiceClient::RememberRefusal(ServiceRequest const& request, ServiceResponse const& response) const {
  if (!response.NotBefore) return;
  auto const now = clock_->SteadyNow();
  auto const until = now + std::chrono::duration_cast<Clock::SteadyTime::duration>(*response.NotBefore - clock_->Now());
  auto& memory = memory_->Get();
  std::lock_guard<std::mutex> const lock{memory.Mutex};
  for (auto known = memory.Refusals.begin(); known != memory.Refusals.end();) {
    known = now >= known->second.Until ? memory.Refusals.erase(known) : std::next(known);
  }
  memory.Refusals[WithoutQuery(request.Target)] = {
      until, response.StatusCode, response.Fields, response.Body, response.CorrelationId};
}

ServiceResponse ServiceClient::SendUntil(
    ServiceRequest const& request, RetryRule const& rule, Context const& context) const {
  auto const begun = clock_->SteadyNow();
  std::string before;
  int sent = 0;
  for (int attempt = 1;; ++attempt) {
    std::optional<std::chrono::milliseconds> wait;
    auto const started = clock_->SteadyNow();
    Progress::Report(
        {request.Name, request.Target.GetOrigin().ToString(), request.CorrelationId, attempt, before, begun, clock_});
    try {
      auto response = SendOnce(request, request.TimeoutOf(attempt), context);
      response.Attempts = ++sent;
      observer_.Tell(
          Severity::Info, "service.answered",
          {{"step", request.Name},
           {"host", request.Target.Host()},
           {"status", response.StatusCode},
           {"attempt", attempt},
           {"duration_ms", Milliseconds(started, clock_->SteadyNow())},
           {"request_id", response.Fields.Get("x-ms-request-id")},
           {"correlation_id", request.CorrelationId}});
      auto delay = rule(attempt, {&response, nullptr});
      if (auto const asked = ReadRetryAfter(response, clock_->Now())) {
        // One time is named to the whole fleet that is put off.
        response.NotBefore = clock_->Now() + WithJitter(*asked, random_);
        if (delay) delay = std::max(*delay, *asked);
        if (delay > LongestWait) return response;
      }
      // Drawn before it is looked at: the wait that would be too long is the one that would be slept.
      if (delay) wait = WithJitter(*delay, random_);
      if (!wait || EndsBefore(context, *wait)) return response;
      before = "status " + std::to_string(response.StatusCode);
    } catch (Error const& error) {
      observer_.Tell(
          Severity::Info, "service.failed",
          {{"step", request.Name},
           {"host", request.Target.Host()},
           {"error", error.Code().Name()},
           {"attempt", attempt},
           {"duration_ms", Milliseconds(started, clock_->SteadyNow())},
           {"correlation_id", request.CorrelationId}});
      if (WasSent({nullptr, &error})) ++sent;
      if (context.IsExpired()) ThrowOutOfTime({request, attempt, sent, clock_->SteadyNow() - begun, before});
      context.ThrowIfEnded(request.Name);
      if (error.Code() == errors::Cancelled) throw;
      if (auto const delay = rule(attempt, {nullptr, &error})) wait = WithJitter(*delay, random_);
      if (!wait || EndsBefore(context, *wait)) throw;
      before = error.what();
    }
    Progress::Report(
        {request.Name, request.Target.GetOrigin().ToString(), request.CorrelationId, attempt, before, begun, clock_});
    observer_.Tell(
        Severity::Debug, "service.retried",
        {{"step", request.Name},
         {"host", request.Target.Host()},
         {"attempt", attempt},
         {"wait_ms", std::int64_t{wait->count()}},
         {"correlation_id", request.CorrelationId}});
    clock_->Sleep(*wait, context);
  }
}

ServiceResponse ServiceClient::SendOnce(
    ServiceRequest const& request, std::chrono::milliseconds timeout, Context const& context) const {
  Request message{request.Method, request.Target};
  message.Fields = request.Fields;
  message.NeverProxied = request.NeverProxied;
  if (!request.Body.Empty()) message.SetBody(std::string{request.Body.Reveal()});
  auto const attempt = context.WithTimeout(timeout);
  observer_.Tell(
      Severity::Debug, "service.sent",
      {{"step", request.Name},
       {"method", request.Method},
       {"host", request.Target.Host()},
       {"path", request.Target.Path()},
       {"x5t_s256", request.Binding ? std::string_view{request.Binding->X5tS256()} : std::string_view{}},
       {"correlation_id", request.CorrelationId}});

  auto const answer = transport_->Send(message, request.Binding, attempt);
  ServiceResponse response;
  response.StatusCode = answer->StatusCode;
  response.Fields = std::move(answer->Fields);
  response.Body = ReadToEnd(*answer->Body, MostBodyBytes, attempt);
  response.Token = TakeToken(response.Body);
  response.CorrelationId = request.CorrelationId;
  return response;
}

ErrorDetails WithRequest(ErrorDetails details, ServiceRequest const& request, ServiceResponse const& response) {
  details.HttpStatus = response.StatusCode;
  details.CorrelationId = response.CorrelationId.empty() ? request.CorrelationId : response.CorrelationId;
  details.Attempts = response.Attempts;
  details.ServiceRequestId = Redact(response.Fields.Get("x-ms-request-id"));
  details.NotBefore = response.NotBefore;
  if (response.Attempts == 0) {
    details.What += "; so it answered an earlier request";
    if (response.NotBefore) details.What += ", and it is not asked again before the time that it named";
  }
  return details;
}

}  // namespace mtlspop
