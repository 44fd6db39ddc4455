#include "mtlspop/policies/bound_call_policy.hpp"

#include <utility>

#include "required.hpp"
#include "response_body.hpp"

namespace mtlspop {
namespace {

constexpr char const* AuthorizationField = "Authorization";
constexpr char const* BoundField = "x-ms-tokenboundauth";

// The request as it is to travel with `token`, or without any.
void Authorize(PipelineRequest& request, std::optional<AccessToken> const& token) {
  auto& fields = request.Message.Fields;
  fields.Remove(AuthorizationField);
  fields.Remove(BoundField);
  request.Binding = nullptr;
  if (!token) return;
  if (token->Type == TokenType::MtlsPop) {
    request.Binding = token->Binding;
    fields.Set(BoundField, "true");
  }
  fields.Set(AuthorizationField, token->AuthorizationHeader());
}

class Driver final {
 public:
  Driver(
      TokenCredential& credential,
      std::shared_ptr<BoundCallSettings const> settings,
      Clock& time,
      PipelineRequest& request,
      NextHttpPolicy next,
      Context const& context)
      : credential_(credential),
        time_(time),
        request_(request),
        next_(next),
        context_(context),
        call_(
            std::move(settings),
            {request.Message.Method, request.Message.Target, request.Message.Body != nullptr},
            context.Deadline()) {}

  std::unique_ptr<Response> Run() {
    Authorize(request_, std::nullopt);
    auto step = call_.Start(Now());
    while (!std::holds_alternative<BoundCall::Deliver>(step)) {
      Report(step);
      if (call_.NeedsRewind() && !request_.Message.Body->TryRewind()) {
        step = call_.CannotRewind();
      } else {
        step = std::visit([this](auto const& what) { return Do(what); }, step);
      }
    }
    return std::move(response_);
  }

 private:
  using Step = BoundCall::Step;

  CallTime Now() const { return {time_.Now(), time_.SteadyNow()}; }

  void Report(Step const& step) {
    auto const* const ask = std::get_if<BoundCall::GetToken>(&step);
    if (ask == nullptr || !ask->Report) return;
    credential_.ReportRefusal(*ask->Report->Request, ask->Report->Token, ask->Report->Reason);
  }

  Step Do(BoundCall::GetToken const& ask) {
    Authorize(request_, std::nullopt);
    try {
      return call_.TokenObtained(credential_.GetToken(*ask.Request, context_), Now());
    } catch (Error const& error) {
      return call_.TokenFailed(error, Now());
    }
  }

  Step Do(BoundCall::Send const& send) {
    Discard();
    try {
      response_ = send.AsQuestion ? SendQuestion(send) : SendRequest(send);
    } catch (Error const& error) {
      return call_.SendFailed(error, Now());
    }
    auto const body = call_.WantsBody(response_->StatusCode) ? PeekBody(*response_, context_) : std::string{};
    return call_.Answered({response_->StatusCode, response_->Fields, body, &response_->Connection}, Now());
  }

  std::unique_ptr<Response> SendRequest(BoundCall::Send const& send) {
    Authorize(request_, send.Token);
    request_.Attempt = send.Attempt;
    return next_.Send(request_, context_);
  }

  std::unique_ptr<Response> SendQuestion(BoundCall::Send const& send) {
    PipelineRequest question{Request{"GET", request_.Message.Target}, nullptr, send.Attempt};
    question.Message.Fields = request_.Message.Fields;
    question.Message.Fields.Remove("Content-Type");
    Authorize(question, std::nullopt);
    return next_.Send(question, context_);
  }

  Step Do(BoundCall::Wait const& wait) {
    Discard();
    time_.Sleep(wait.For, context_);
    return call_.Waited(Now());
  }

  Step Do(BoundCall::WaitForAnotherCall const& wait) {
    wait.Until(context_);
    return call_.Waited(Now());
  }

  Step Do(BoundCall::Deliver const&) { return BoundCall::Deliver{}; }
  [[noreturn]] Step Do(BoundCall::Fail const& fail) { fail.Throw(); }

  // An answer that nobody wants any more, so that its connection can be used again.
  void Discard() noexcept {
    if (response_) DrainBody(*response_, context_);
    response_ = nullptr;
  }

  TokenCredential& credential_;
  Clock& time_;
  PipelineRequest& request_;
  NextHttpPolicy next_;
  Context const& context_;
  BoundCall call_;
  std::unique_ptr<Response> response_;
};

}  // namespace

BoundCallPolicy::BoundCallPolicy(
    std::shared_ptr<TokenCredential> credential,
    std::shared_ptr<BoundCallSettings const> settings,
    std::shared_ptr<Clock> time)
    : credential_(Required(std::move(credential), "BoundCallPolicy has no credential")),
      settings_(Required(std::move(settings), "BoundCallPolicy has no settings")),
      time_(Required(std::move(time), "BoundCallPolicy has no clock")) {}

std::unique_ptr<Response> BoundCallPolicy::Send(
    PipelineRequest& request, NextHttpPolicy next, Context const& context) const {
  return Driver{*credential_, settings_, *time_, request, next, context}.Run();
}

std::unique_ptr<HttpPolicy> BoundCallPolicy::Clone() const {
  return std::make_unique<BoundCallPolicy>(credential_, settings_, time_);
}

}  // namespace mtlspop
