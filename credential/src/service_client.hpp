#pragma once

/// @file
/// Requests to the metadata service and the token service, with their retries.

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <gsl/pointers>

#include "mtlspop/base/per_process.hpp"
#include "mtlspop/transport/clock.hpp"
#include "mtlspop/transport/http_transport.hpp"
#include "mtlspop/transport/observer.hpp"
#include "renewal_schedule.hpp"

namespace mtlspop {

/// A request as data, so that it can be sent more than once.
struct ServiceRequest {
  /// For logs, for example "issue_credential".
  char const* Name;
  std::string Method;
  Url Target;
  Headers Fields;
  /// "" for none.
  Secret Body;
  /// Null for none.
  std::shared_ptr<BindingCertificate const> Binding;
  bool NeverProxied = false;
  std::string CorrelationId;
  /// For one attempt, answer included.
  std::chrono::milliseconds Timeout = std::chrono::seconds{30};
  /// The same for those after the first, where another one is meant.
  std::optional<std::chrono::milliseconds> LaterTimeout{};

  /// Of an attempt, which is counted from 1.
  std::chrono::milliseconds TimeoutOf(int attempt) const {
    return attempt > 1 ? LaterTimeout.value_or(Timeout) : Timeout;
  }
};

/// An answer, whole.
struct ServiceResponse {
  ServiceResponse() = default;
  ServiceResponse(ServiceResponse&&) noexcept = default;
  ServiceResponse& operator=(ServiceResponse&&) noexcept = default;
  /// Overwrites the body, which may hold a token.
  ~ServiceResponse() { Cleanse(Body); }

  int StatusCode = 0;
  Headers Fields;
  /// Without the token, which nobody else shall see.
  std::string Body;
  /// As `TakeToken` says.
  Secret Token;
  /// How many times the request went out; 0 for an answer to an earlier one that holds still.
  int Attempts = 0;
  /// Under which the request was sent that this is the answer to.
  std::string CorrelationId;
  /// The service said that it is not to be asked again before; with up to a quarter of that time on top.
  std::optional<Clock::SystemTime> NotBefore;
};

/// What came of one attempt. Exactly one of the two is there.
struct AttemptResult {
  ServiceResponse const* Response = nullptr;
  Error const* Failure = nullptr;
};

/// Whether it was an attempt that anybody could have seen.
bool WasSent(AttemptResult const& result) noexcept;

/// How long to wait before the next attempt, none for no further one. `attempt` counts from 1 and is the one that
/// ended.
using RetryRule = std::function<std::optional<std::chrono::seconds>(int attempt, AttemptResult const& result)>;

/// 404, 408, 429, 5xx, time-outs, and connections that were made and lost: three retries after 1, 2 and 4 seconds. 410:
/// seven, every ten seconds. Nothing else, least of all where no connection could be made or what came is no HTTP. Each of
/// the two is counted for itself, so this rule is for one request.
RetryRule ImdsRetry();
/// "Is IMDS there?": connections that were made and lost, on the same schedule; one on which there was no answer in time,
/// once and without a wait. Whatever is answered says that it is there, and no connection that it is not.
RetryRule ImdsProbeRetry();
/// 5xx and timeouts: one retry after a second, unless the service says itself when to come back (Retry-After).
std::optional<std::chrono::seconds> TokenServiceRetry(int attempt, AttemptResult const& result);

/// Sends requests and buffers their answers.
///
/// Where the last answer was 429 or 503 and said when to come back (`Retry-After`, RFC 9110 section 10.2.3; five minutes
/// count at most), that URL is not asked again before, whatever is in its query. A retry waits for that time where it is
/// ten seconds or less. Otherwise, and for each later request until then, the same answer is given, with no attempts.
/// Copies of a client share that memory. Every wait, and every time that is not asked before, has up to a quarter of itself
/// on top, at random: a service that puts a fleet off names one time to all of it.
///
/// An error that time ran out says what was asked of whom, for how long, and what had failed before.
///
/// Thread safety: all members may be called from any thread.
class ServiceClient final {
 public:
  ServiceClient(
      gsl::not_null<std::shared_ptr<HttpTransport>> transport,
      gsl::not_null<std::shared_ptr<Clock>> clock,
      RandomNumbers random,
      EventSink observer)
      : transport_(std::move(transport)),
        clock_(std::move(clock)),
        random_(std::move(random)),
        observer_(std::move(observer)) {}

  /// Sends until the rule wants no further attempt; then gives the last answer, or throws the last failure.
  /// @throw Error what the transport throws; `cancelled` and `deadline_exceeded` when `context` ends
  ServiceResponse Send(ServiceRequest const& request, RetryRule const& rule, Context const& context) const;

  HttpTransport& Transport() const noexcept { return *transport_; }
  std::shared_ptr<HttpTransport> SharedTransport() const { return transport_; }
  Clock& Time() const noexcept { return *clock_; }
  RandomNumbers const& Random() const noexcept { return random_; }
  EventSink const& Observer() const noexcept { return observer_; }

 private:
  /// What a service said that is not to be asked yet. No secret is in it, since it is no answer of 200.
  struct Refusal {
    Clock::SteadyTime Until;
    int StatusCode = 0;
    Headers Fields;
    std::string Body;
    std::string CorrelationId;
  };
  struct Memory {
    /// A child of fork() asks for itself.
    explicit Memory(Memory*) {}
    std::mutex Mutex;
    /// By URL without query.
    std::map<std::string, Refusal> Refusals;
  };

  std::optional<ServiceResponse> FindRefusal(ServiceRequest const& request) const;
  void RememberRefusal(ServiceRequest const& request, ServiceResponse const& response) const;
  ServiceResponse SendUntil(ServiceRequest const& request, RetryRule const& rule, Context const& context) const;
  ServiceResponse SendOnce(
      ServiceRequest const& request, std::chrono::milliseconds timeout, Context const& context) const;

  gsl::not_null<std::shared_ptr<HttpTransport>> transport_;
  gsl::not_null<std::shared_ptr<Clock>> clock_;
  RandomNumbers random_;
  EventSink observer_;
  std::shared_ptr<PerProcess<Memory>> memory_ = std::make_shared<PerProcess<Memory>>();
};

/// `details` with what is known of a request: correlation id, attempts, status, and that it was not sent where so.
ErrorDetails WithRequest(ErrorDetails details, ServiceRequest const& request, ServiceResponse const& response);

}  // namespace mtlspop
