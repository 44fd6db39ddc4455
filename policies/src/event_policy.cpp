#include "mtlspop/policies/event_policy.hpp"

#include <string>
#include <utility>

#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/out_of_memory.hpp"
#include "required.hpp"

namespace mtlspop {
namespace {

// "a=1&b=2" as "a,b".
std::string ParameterNames(std::string_view query) {
  std::string names;
  while (!query.empty()) {
    auto const parameter = query.substr(0, query.find('&'));
    if (!names.empty()) names += ',';
    names += parameter.substr(0, parameter.find('='));
    query.remove_prefix(std::min(query.size(), parameter.size() + 1));
  }
  return names;
}

/// The trace's id in `traceparent` (W3C Trace Context, section 3.2), "" where that is of another form.
std::string_view TraceId(Headers const& fields) noexcept {
  constexpr std::size_t begin = 3;
  constexpr std::size_t length = 32;
  auto const parent = fields.Get("traceparent");
  return parent.size() > begin + length && parent[begin + length] == '-' ? parent.substr(begin, length)
                                                                         : std::string_view{};
}

/// A 401 to a request without a token is no trouble: that is how a resource is asked what token it wants.
bool IsTrouble(PipelineRequest const& request, Response const& response) noexcept {
  if (response.StatusCode == 401 && !request.Message.Fields.Contains("Authorization")) return false;
  return response.StatusCode >= 400;
}

std::string_view ClientRequestId(PipelineRequest const& request) noexcept {
  return request.Message.Fields.Get("x-ms-client-request-id");
}

std::int64_t MillisecondsBetween(Clock::SteadyTime begin, Clock::SteadyTime end) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(end - begin).count();
}

}  // namespace

EventPolicy::EventPolicy(EventSink observer, std::shared_ptr<Clock> time)
    : observer_(std::move(observer)), time_(Required(std::move(time), "EventPolicy has no clock")) {}

std::unique_ptr<Response> EventPolicy::Send(
    PipelineRequest& request, NextHttpPolicy next, Context const& context) const {
  if (!observer_.IsEnabled(Severity::Warning)) return next.Send(request, context);
  auto const begin = time_->SteadyNow();
  try {
    auto response = next.Send(request, context);
    WriteAnswer(request, *response, begin);
    return response;
  } catch (Error const& error) {
    WriteFailure(request, error, begin);
    throw;
  }
}

void EventPolicy::SendAsync(
    std::shared_ptr<PipelineRequest> request,
    NextHttpPolicy next,
    Context const& context,
    Completion<std::unique_ptr<Response>> done) const {
  if (!observer_.IsEnabled(Severity::Warning)) return next.SendAsync(std::move(request), context, std::move(done));
  auto const begin = time_->SteadyNow();
  auto whenTold = [this, request, begin, done = std::move(done)](Outcome<std::unique_ptr<Response>> outcome) {
    done(OutcomeOf([&] {
      return OrOutOfMemory([&] {
        try {
          auto response = std::move(outcome).Take();
          WriteAnswer(*request, *response, begin);
          return response;
        } catch (Error const& error) {
          WriteFailure(*request, error, begin);
          throw;
        }
      });
    }));
  };
  try {
    next.SendAsync(request, context, std::move(whenTold));
  } catch (Error const& error) {
    // Said at once, and by nobody else.
    WriteFailure(*request, error, begin);
    throw;
  }
}

void EventPolicy::WriteAnswer(PipelineRequest const& request, Response const& response, Clock::SteadyTime begin) const {
  auto const& target = request.Message.Target;
  auto const& connection = response.Connection;
  observer_.Tell(
      IsTrouble(request, response) ? Severity::Warning : Severity::Info, "request.answered",
      {{"method", request.Message.Method},
       {"host", target.Host()},
       {"path", target.Path()},
       {"query", ParameterNames(target.Query())},
       {"status", response.StatusCode},
       {"duration_ms", MillisecondsBetween(begin, time_->SteadyNow())},
       {"attempt", request.Attempt},
       {"x5t_s256", connection.X5tS256},
       {"connection", static_cast<std::int64_t>(connection.Id)},
       {"reused", connection.Reused},
       {"tls", connection.TlsVersion},
       {"correlation_id", ClientRequestId(request)},
       {"request_id", response.Fields.Get("x-ms-request-id")},
       {"trace_id", TraceId(request.Message.Fields)}});
}

void EventPolicy::WriteFailure(PipelineRequest const& request, Error const& error, Clock::SteadyTime begin) const {
  auto const& target = request.Message.Target;
  observer_.Tell(
      Severity::Warning, "request.failed",
      {{"method", request.Message.Method},
       {"host", target.Host()},
       {"path", target.Path()},
       {"query", ParameterNames(target.Query())},
       {"error", error.Code().Name()},
       {"duration_ms", MillisecondsBetween(begin, time_->SteadyNow())},
       {"attempt", request.Attempt},
       {"x5t_s256", request.Binding ? std::string_view{request.Binding->X5tS256()} : std::string_view{}},
       {"correlation_id", ClientRequestId(request)},
       {"trace_id", TraceId(request.Message.Fields)}});
}

std::unique_ptr<HttpPolicy> EventPolicy::Clone() const { return std::make_unique<EventPolicy>(observer_, time_); }

}  // namespace mtlspop
