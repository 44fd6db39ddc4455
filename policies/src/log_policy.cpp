#include "mtlspop/policies/log_policy.hpp"

#include <string>
#include <utility>

#include "mtlspop/transport/error.hpp"
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

std::int64_t MillisecondsBetween(Clock::SteadyTime begin, Clock::SteadyTime end) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(end - begin).count();
}

}  // namespace

LogPolicy::LogPolicy(Logger log, std::shared_ptr<Clock> time)
    : log_(std::move(log)), time_(Required(std::move(time), "LogPolicy has no clock")) {}

std::unique_ptr<Response> LogPolicy::Send(PipelineRequest& request, NextHttpPolicy next, Context const& context) const {
  if (!log_.IsEnabled(LogLevel::Warning)) return next.Send(request, context);
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

void LogPolicy::SendAsync(
    std::shared_ptr<PipelineRequest> request,
    NextHttpPolicy next,
    Context const& context,
    Completion<std::unique_ptr<Response>> done) const {
  if (!log_.IsEnabled(LogLevel::Warning)) return next.SendAsync(std::move(request), context, std::move(done));
  auto const begin = time_->SteadyNow();
  next.SendAsync(
      request, context, [this, request, begin, done = std::move(done)](Outcome<std::unique_ptr<Response>> outcome) {
        done(OutcomeOf([&] {
          try {
            auto response = std::move(outcome).Take();
            WriteAnswer(*request, *response, begin);
            return response;
          } catch (Error const& error) {
            WriteFailure(*request, error, begin);
            throw;
          }
        }));
      });
}

void LogPolicy::WriteAnswer(PipelineRequest const& request, Response const& response, Clock::SteadyTime begin) const {
  auto const& target = request.Message.Target;
  auto const& connection = response.Connection;
  log_.Write(
      response.StatusCode < 400 ? LogLevel::Info : LogLevel::Warning, "request",
      {{"method", request.Message.Method},
       {"host", target.Host()},
       {"path", target.Path()},
       {"query", ParameterNames(target.Query())},
       {"status", response.StatusCode},
       {"duration_ms", MillisecondsBetween(begin, time_->SteadyNow())},
       {"attempt", request.Attempt},
       {"x5t_s256", connection.X5tS256},
       {"connection", static_cast<std::int64_t>(connection.Id)},
       {"reused", connection.Reused ? "yes" : "no"},
       {"tls", connection.TlsVersion}});
}

void LogPolicy::WriteFailure(PipelineRequest const& request, Error const& error, Clock::SteadyTime begin) const {
  auto const& target = request.Message.Target;
  log_.Write(
      LogLevel::Warning, "request_failed",
      {{"method", request.Message.Method},
       {"host", target.Host()},
       {"path", target.Path()},
       {"query", ParameterNames(target.Query())},
       {"error", error.Code().Name()},
       {"duration_ms", MillisecondsBetween(begin, time_->SteadyNow())},
       {"attempt", request.Attempt},
       {"x5t_s256", request.Binding ? std::string_view{request.Binding->X5tS256()} : std::string_view{}}});
}

std::unique_ptr<HttpPolicy> LogPolicy::Clone() const { return std::make_unique<LogPolicy>(log_, time_); }

}  // namespace mtlspop
