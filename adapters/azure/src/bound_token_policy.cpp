#include "bound_token_policy.hpp"

#include <algorithm>
#include <exception>
#include <string>
#include <utility>
#include <variant>

#include "azure_context.hpp"
#include "azure_failure.hpp"
#include "bound_travel.hpp"
#include "mtlspop/azure/errors.hpp"
#include "mtlspop/transport/out_of_memory.hpp"
#include "token_span.hpp"

namespace mtlspop::azure {
namespace {

using Azure::Core::Http::RawResponse;
using Azure::Core::Http::Request;
using Azure::Core::Http::Policies::NextHttpPolicy;

constexpr char const* AuthorizationField = "authorization";
constexpr char const* BoundField = "x-ms-tokenboundauth";
constexpr char const* ChallengeField = "www-authenticate";
constexpr std::string_view BearerPrefix = "Bearer ";

int StatusOf(RawResponse const& response) noexcept { return static_cast<int>(response.GetStatusCode()); }

Headers FieldsOf(RawResponse const& response) {
  Headers fields;
  // All that is looked at are challenges, redirects and waits.
  if (StatusOf(response) < 300) return fields;
  for (auto const& [name, value] : response.GetHeaders()) fields.Add(name, value);
  return fields;
}

/// Why a token is asked for, where it is not the first one.
std::string_view ReasonFor(BoundCall::GetToken const& ask) noexcept {
  if (ask.Report) return ToString(ask.Report->Reason);
  return ask.Request->Claims.empty() ? "" : "claims";
}

std::string_view BeginningOfBody(RawResponse const& response) {
  auto const& body = response.GetBody();
  return {reinterpret_cast<char const*>(body.data()), std::min(body.size(), BoundCall::LookedAtBodyBytes)};
}

/// The driver of a `BoundCall`, for one pass of Azure's policies through ours.
class Pass final {
 public:
  Pass(
      BoundSource const& source,
      BoundCall& call,
      Request& request,
      NextHttpPolicy& next,
      Azure::Core::Context const& context)
      : source_(source), call_(call), request_(request), next_(next), context_(context) {}

  std::unique_ptr<RawResponse> Send(TokenRequest const& wanted, bool isAnotherWanted) {
    auto step = call_.Start(wanted, Now(), isAnotherWanted);
    while (!std::holds_alternative<BoundCall::Deliver>(step)) {
      Report(step);
      if (call_.NeedsRewind() && !Rewind()) {
        step = call_.CannotRewind();
      } else {
        step = std::visit([this](auto const& what) { return Do(what); }, step);
      }
    }
    auto const& fields = response_->GetHeaders();
    auto const hasChallenge = fields.find(ChallengeField) != fields.end();
    if (hasChallenge && call_.IsChallengeAnswered()) response_->SetHeader(ChallengeField, "");
    return std::move(response_);
  }

 private:
  using Step = BoundCall::Step;

  CallTime Now() const { return {source_.Time->Now(), source_.Time->SteadyNow()}; }

  void Report(Step const& step) {
    auto const* const ask = std::get_if<BoundCall::GetToken>(&step);
    if (ask == nullptr || !ask->Report) return;
    source_.Credential->ReportRefusal(*ask->Report->Request, ask->Report->Token, ask->Report->Reason);
  }

  bool Rewind() {
    try {
      if (auto* const body = request_.GetBodyStream()) body->Rewind();
    } catch (std::exception const&) {
      return false;
    }
    return true;
  }

  Step Do(BoundCall::GetToken const& ask) {
    failsForWantOfAToken_ = true;
    try {
      return call_.TokenObtained(GetTokenTraced(*source_.Credential, *ask.Request, ReasonFor(ask), context_), Now());
    } catch (Error const& error) {
      return call_.TokenFailed(error, Now());
    }
  }

  Step Do(BoundCall::Send const& send) {
    failsForWantOfAToken_ = false;
    response_ = nullptr;
    travel_ = std::make_shared<BoundTravel>();
    travel_->Token = *send.Token;
    request_.SetHeader(AuthorizationField, TokenPlaceholder);
    request_.RemoveHeader(BoundField);
    if (send.Token->Binding) request_.SetHeader(BoundField, "true");
    try {
      response_ = next_.Send(request_, context_.WithValue(BoundTravelKey(), std::shared_ptr<BoundTravel>{travel_}));
    } catch (std::exception const&) {
      // What did not come from the transport is not ours to judge.
      if (!travel_->Failure) throw;
    }
    if (!response_) return call_.SendFailed(*travel_->Failure, Now());
    auto const body = call_.WantsBody(StatusOf(*response_)) ? BeginningOfBody(*response_) : std::string_view{};
    return call_.Answered({StatusOf(*response_), FieldsOf(*response_), body, &travel_->Connection}, Now());
  }

  Step Do(BoundCall::Wait const& wait) {
    response_ = nullptr;
    source_.Time->Sleep(wait.For, FromAzure(context_));
    return call_.Waited(Now());
  }

  Step Do(BoundCall::WaitForAnotherCall const& wait) {
    wait.Until(FromAzure(context_));
    return call_.Waited(Now());
  }

  [[noreturn]] Step Do(BoundCall::Fail const& fail) {
    try {
      fail.Throw();
    } catch (Error const& error) {
      if (failsForWantOfAToken_) ThrowAsAuthenticationFailure(error, context_);
      throw;
    }
  }

  Step Do(BoundCall::Deliver const& deliver) { return deliver; }

  BoundSource const& source_;
  BoundCall& call_;
  Request& request_;
  NextHttpPolicy& next_;
  Azure::Core::Context const& context_;
  std::shared_ptr<BoundTravel> travel_;
  std::unique_ptr<RawResponse> response_;
  bool failsForWantOfAToken_ = false;
};

[[noreturn]] void ThrowNotInUse(Request const& request, std::string why, std::string action) {
  throw Error{
      {errors::TokenBindingNotInUse,
       "The request to " + request.GetUrl().GetHost() + " was not sent: " + std::move(why), std::move(action)}};
}

std::string TextOfBearer(Request& request) {
  auto const header = request.GetHeader(AuthorizationField);
  if (!header.HasValue() || header.Value().compare(0, BearerPrefix.size(), BearerPrefix) != 0) return {};
  return header.Value().substr(BearerPrefix.size());
}

// Whether a policy like this one, further up in the same pipeline, has prepared the request.
bool IsPrepared(Azure::Core::Context const& context) {
  std::shared_ptr<BoundTravel> travel;
  return context.TryGetValue(BoundTravelKey(), travel);
}

}  // namespace

void BoundTokenPolicy::RefuseForeignTransport(
    Request const& request, NextHttpPolicy& next, Azure::Core::Context const& context) const {
  if (isTransportKnown_) return;
  auto const travel = std::make_shared<BoundTravel>();
  travel->IsProbe = true;
  // Of a scheme that no transport sends.
  Request probe{Azure::Core::Http::HttpMethod::Get, Azure::Core::Url{"mtlspop-probe://transport.invalid/"}};
  try {
    // In a context of its own: it is no request of the caller's, and no span of the caller's trace.
    auto const apart = Azure::Core::Context{}.WithDeadline(context.GetDeadline());
    next.Send(probe, apart.WithValue(BoundTravelKey(), std::shared_ptr<BoundTravel>{travel}));
  } catch (Azure::Core::OperationCancelledException const&) {
    throw;
  } catch (std::exception const&) {
    // Another transport has refused it, or a policy has: it has not arrived.
  }
  if (!travel->HasArrived) {
    ThrowNotInUse(
        request, "what UseTokenBinding has put into the client's options does not reach the transport that it has set",
        "Set no transport in the options after UseTokenBinding; if none was set, look for a policy that replaces the "
        "context of requests");
  }
  isTransportKnown_ = true;
}

void BoundTokenPolicy::NoteOtherToken(Request const& request) const {
  auto const isStrict = [](BoundSource const& source) { return source.RefusesOtherTokens; };
  if (std::any_of(sources_->begin(), sources_->end(), isStrict)) {
    ThrowNotInUse(
        request,
        "its token is of a credential that binds none, though the client's options went through UseTokenBinding",
        "Construct the client with the credential that was passed to UseTokenBinding");
  }
  if (sources_->empty() || isOtherTokenTold_.exchange(true)) return;
  sources_->front().Settings->Options.Observer.Tell(
      Severity::Warning, "client.token_not_bound",
      {{"host", request.GetUrl().GetHost()},
       {"what", "the client's options went through UseTokenBinding, and it was constructed with another credential"}});
}

std::unique_ptr<RawResponse> BoundTokenPolicy::Send(
    Request& request, NextHttpPolicy nextPolicy, Azure::Core::Context const& context) const {
  if (IsPrepared(context)) return nextPolicy.Send(request, context);
  try {
    return OrOutOfMemory([&] { return SendOrThrow(request, nextPolicy, context); });
  } catch (Error const& error) {
    ThrowAsRequestFailure(error, context);
  }
}

std::unique_ptr<RawResponse> BoundTokenPolicy::SendOrThrow(
    Request& request, NextHttpPolicy& nextPolicy, Azure::Core::Context const& context) const {
  request.RemoveHeader(BoundField);
  auto const text = TextOfBearer(request);
  if (!TokenHandles::IsHandle(text)) {
    if (!text.empty()) NoteOtherToken(request);
    return nextPolicy.Send(request, context);
  }
  auto operation = BoundOperation::Of(context);
  if (!operation) operation = std::make_shared<BoundOperation>(*sources_);
  operation->Join(*sources_);
  auto const* const source = operation->FindByHandle(text);
  auto const wanted = source == nullptr ? nullptr : source->Handles->Find(text);
  if (!wanted) {
    ThrowNotInUse(
        request, "its token is of another credential than the client's options went through UseTokenBinding with",
        "Pass the credential that the client is constructed with to UseTokenBinding");
  }
  RefuseForeignTransport(request, nextPolicy, context);
  auto& call = operation->CallFor(*source, request, context);
  return Pass{*source, call, request, nextPolicy, context}.Send(*wanted, operation->TakeAnotherWanted());
}

}  // namespace mtlspop::azure
