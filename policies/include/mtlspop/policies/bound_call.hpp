#pragma once

/// @file
/// What is done about each thing that can happen to a request with a bound token; without sockets, threads or a clock.
///
/// A `BoundCall` holds everything that one call of an application remembers: which token it carries, what was refused, what
/// has been done once, how often it was sent. A driver tells it what happened and does what it says:
///
/// @code
/// mtlspop::BoundCall call{settings, {request.Method, request.Target, request.Body != nullptr}, context.Deadline()};
/// auto step = call.Start(Now());
/// while (!std::holds_alternative<mtlspop::BoundCall::Deliver>(step)) {
///   auto const* const ask = std::get_if<mtlspop::BoundCall::GetToken>(&step);
///   if (ask != nullptr && ask->Report) Report(*ask->Report);
///   if (call.NeedsRewind() && !request.Body->TryRewind()) {
///     step = call.CannotRewind();
///   } else if (ask != nullptr) {
///     step = TokenOrError(call, *ask);  // TokenObtained or TokenFailed
///   } else if (auto const* send = std::get_if<mtlspop::BoundCall::Send>(&step)) {
///     step = AnswerOrError(call, *send);  // Answered or SendFailed
///   } else if (auto const* wait = std::get_if<mtlspop::BoundCall::Wait>(&step)) {
///     time->Sleep(wait->For, context);
///     step = call.Waited(Now());
///   } else if (auto const* other = std::get_if<mtlspop::BoundCall::WaitForAnotherCall>(&step)) {
///     other->Until(context);
///     step = call.Waited(Now());
///   } else {
///     std::get<mtlspop::BoundCall::Fail>(step).Throw();
///   }
/// }
/// @endcode
///
/// `src/bound_call_policy.cpp` is such a driver, and the shortest explanation.

#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "mtlspop/credential/token_credential.hpp"
#include "mtlspop/export.hpp"
#include "mtlspop/policies/resource_memory.hpp"
#include "mtlspop/policies/retry_options.hpp"
#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/observer.hpp"
#include "mtlspop/transport/outcome.hpp"
#include "mtlspop/transport/response.hpp"
#include "mtlspop/transport/url.hpp"

namespace mtlspop {

/// Options of bound calls: what tokens are for, how they are bound, and what is tried again.
struct BoundCallOptions {
  /// What tokens are asked for, for example "https://vault.azure.net/.default". Where there are none, the resource's own
  /// challenge says so, as Key Vault's does: the first request to an origin then goes without a token and without a body
  /// (one that changes something is preceded by a GET of the same URL), and what was learned is kept.
  std::vector<std::string> Scopes;
  /// "" for the one that the resource's challenge names, or else the credential's own.
  std::string TenantId;
  /// The tenants that a resource's challenge may put in place of `TenantId`; "*" for any. Another one never does.
  std::vector<std::string> AdditionallyAllowedTenants;
  /// Wins over the credential's own setting, unless that is `Required`.
  std::optional<TokenBinding> Binding;
  /// How often, and after what, a request is sent again.
  RetryOptions Retry;
  /// Whether lost connections and the statuses in `RetryOptions::StatusCodes` are answered with another attempt. False
  /// where the framework above does that by itself.
  bool RetriesFailures = true;
  /// What is remembered of resources, and for how long.
  ResourceMemoryOptions Memory;
  /// Who is told of what happens; the process's default observer where nobody else is named.
  EventSink Observer;
};

/// What the calls of one client share. Immutable, but for its memory.
struct MTLSPOP_EXPORT BoundCallSettings {
  /// @param options what holds for all calls of the client
  /// @param memory what was learned, to be shared with other clients of the same credential; null for one of its own.
  /// @throw Error `invalid_argument` for options out of range
  explicit BoundCallSettings(BoundCallOptions options, std::shared_ptr<ResourceMemory> memory = nullptr);

  /// What was given to the constructor.
  BoundCallOptions const Options;
  /// `Options` as a token request.
  std::shared_ptr<TokenRequest const> const Wanted;
  /// What was learned. Never null.
  std::shared_ptr<ResourceMemory> const Memory;
};

/// When something happened, by both clocks.
struct CallTime {
  /// By the wall clock, for the times that tokens and servers name.
  std::chrono::system_clock::time_point System;
  /// By the monotonic clock, for waits and the deadline.
  std::chrono::steady_clock::time_point Steady;
};

/// The request, as far as it matters here.
struct CallTarget {
  /// The method, for example "GET". Decides whether the request may be sent twice.
  std::string Method;
  /// Where it goes.
  Url Target;
  /// Whether it has a body, which must be rewound before the request can be sent again.
  bool HasBody = false;
};

/// An answer, as far as it matters here. Holds references: valid for the duration of the event.
struct CallAnswer {
  /// The status, 200 to 999.
  int StatusCode = 0;
  /// The header fields.
  Headers const& Fields;
  /// The beginning of the body, at most `BoundCall::LookedAtBodyBytes`; "" where `BoundCall::WantsBody` says so.
  std::string_view Body{};
  /// For a log line; may be null.
  ConnectionInfo const* Connection = nullptr;
};

/// One call of an application: a request, with all that is sent on its behalf.
///
/// Each event returns what to do next. What came back last (the answer, with its body) is to be kept until a step says
/// `Send` or `Wait`, which means that it is not wanted any more: `Deliver` hands it on.
///
/// What it does about an answer, each at most once for the call:
/// - 401, token and certificate do not match or the certificate's time is over; the handshake refused the certificate; its
///   key cannot sign: the credential is told, and what it gives then is sent.
/// - 401 with `error="invalid_token"` (RFC 6750 section 3.1): the same with a new token.
/// - 401 with a claims challenge, or for another scope or tenant than the one used: a token for these.
/// - 401, bound tokens are not taken here: a bearer token, where binding is not required; and such an origin is sent bearer
///   tokens for `BearerOnlyLifetime`.
/// - 401, bearer tokens are not taken here: a bound token, where the origin was only remembered not to take any.
///
/// A token that was refused is never sent again by the same call. A 401 because the other side's check of the binding
/// failed, an answer of `RetryOptions::StatusCodes` and a lost connection are retried with exponential back-off, out of one
/// budget (`MaximumRetries`). A method that is not idempotent (RFC 9110 section 9.2.2) is sent again only where the other
/// side cannot have acted on it: no byte was sent, or it answered 401, 408, 429 or 503. `Retry-After` (RFC 9110
/// section 10.2.3), `retry-after-ms` and `x-ms-retry-after-ms` are honoured, and so is `ErrorDetails::NotBefore`, without
/// which a failed token request is not repeated: retrying it was the credential's. A wait that would outlast the deadline
/// is not begun.
///
/// Thread safety: one thread at a time.
class MTLSPOP_EXPORT BoundCall final {
 public:
  /// How many bytes of an answer's body are looked at, at most.
  static constexpr std::size_t LookedAtBodyBytes = std::size_t{64} * 1024;

  /// To be passed to `TokenCredential::ReportRefusal`.
  struct Refusal {
    /// What the token had been asked for. Never null.
    std::shared_ptr<TokenRequest const> Request;
    /// The token that was refused.
    AccessToken Token;
    /// Why.
    RefusalReason Reason;
  };

  /// Tell the credential of the refusal, if any. Then ask it for a token, and call `TokenObtained` or `TokenFailed`.
  struct GetToken {
    /// What to ask the credential for. Never null.
    std::shared_ptr<TokenRequest const> Request;
    /// What to report first; none where nothing was refused.
    std::optional<Refusal> Report;
  };
  /// Send the request and call `Answered` or `SendFailed`.
  struct Send {
    /// With this token and its binding; without any, to be told what token is wanted.
    std::optional<AccessToken> Token;
    /// A GET of the same URL without a body is to be sent in place of the request.
    bool AsQuestion = false;
    /// How often the request has been sent then, from 1. Questions do not count.
    int Attempt = 1;
  };
  /// Wait so long, and call `Waited`.
  struct Wait {
    /// How long to wait. Not negative.
    std::chrono::milliseconds For{};
  };
  /// Another call is asking this origin what token it wants: call `Until`, then `Waited`.
  struct MTLSPOP_EXPORT WaitForAnotherCall {
    /// Returns when it has been asked.
    /// @throw Error `cancelled` or `deadline_exceeded`
    void Until(Context const& context) const;
    /// As `Until`, without a thread that waits: `done` is told when `Until` would return or what it would throw.
    /// @throw Error `system_failure` where no thread can be had for the deadline, std::bad_alloc; `done` is not called then
    void UntilAsync(Context const& context, Completion<void> done) const;
    /// The origin that is being asked. For this library's own use.
    std::shared_ptr<KnownResource> Resource;
  };
  /// The last answer is the result.
  struct Deliver {};
  /// This error is the result.
  struct MTLSPOP_EXPORT Fail {
    /// Throws `What`, with `Cause` nested in it where there is one.
    [[noreturn]] void Throw() const;
    /// The error.
    Error What;
    /// What was nested in it, null for nothing.
    std::exception_ptr Cause;
  };
  /// What the driver has to do next.
  using Step = std::variant<GetToken, Send, Wait, WaitForAnotherCall, Deliver, Fail>;

  /// @param settings what the calls of the client share. Not null
  /// @param target the request, as far as it matters here
  /// @param deadline when the caller's patience ends, by the steady clock.
  BoundCall(
      std::shared_ptr<BoundCallSettings const> settings,
      CallTarget target,
      Context::TimePoint deadline = Context::TimePoint::max());
  ~BoundCall();
  BoundCall(BoundCall const&) = delete;
  BoundCall& operator=(BoundCall const&) = delete;

  /// Begins, or begins again where the framework sends the same request once more by itself: what has been done once stays
  /// done.
  Step Start(CallTime now);
  /// The same with a token request of the framework's own.
  /// @param wanted what tokens are asked for, in place of `BoundCallOptions`
  /// @param now when
  /// @param isAnotherWanted whether the framework asks for another token than those that the origin has refused, to this call
  /// or to an earlier one: one token of the credential's that it has refused is replaced then.
  Step Start(TokenRequest wanted, CallTime now, bool isAnotherWanted = false);

  /// The credential gave `token`.
  Step TokenObtained(AccessToken token, CallTime now);
  /// The credential gave none, and threw `error`.
  Step TokenFailed(Error const& error, CallTime now);
  /// The request was answered.
  Step Answered(CallAnswer const& answer, CallTime now);
  /// The request was not answered: sending it threw `error`.
  Step SendFailed(Error const& error, CallTime now);
  /// The wait of the last step is over.
  Step Waited(CallTime now);

  /// Whether the body has been read and the last step means to send it again: rewind it before doing anything else but
  /// reporting a refusal, and call `CannotRewind` in place of what the step says where that cannot be done.
  bool NeedsRewind() const noexcept;
  /// The body cannot be rewound, so that the request is not sent again: the last answer, or the last failure, is the
  /// result.
  Step CannotRewind();

  /// Whether the beginning of the body of an answer with this status is looked at.
  bool WantsBody(int statusCode) const noexcept;
  /// Whether the challenge of a 401 that is delivered has been answered here as often as it may be: a framework that answers
  /// challenges by itself must not see it.
  bool IsChallengeAnswered() const noexcept;
  /// Whether this call has met the resource's refusal of exactly this token.
  bool WasRefused(AccessToken const& token) const noexcept;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace mtlspop
