#include "mtlspop/policies/bound_call_policy.hpp"

#include <utility>

#include "asynchronous_bound_call.hpp"
#include "bound_call_authorization.hpp"
#include "required.hpp"
#include "response_body.hpp"

namespace mtlspop {
namespace {

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
      Report(credential_, step);
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
      // Borrowed: the driver outlives no call.
      auto const sent = Prepare({std::shared_ptr<void>{}, &request_}, send);
      response_ = next_.Send(*sent, context_);
    } catch (Error const& error) {
      return call_.SendFailed(error, Now());
    }
    auto const body = call_.WantsBody(response_->StatusCode) ? PeekBody(*response_, context_) : std::string{};
    return call_.Answered({response_->StatusCode, response_->Fields, body, &response_->Connection}, Now());
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

void BoundCallPolicy::SendAsync(
    std::shared_ptr<PipelineRequest> request,
    NextHttpPolicy next,
    Context const& context,
    Completion<std::unique_ptr<Response>> done) const {
  DriveBoundCall({*credential_, settings_, time_, next}, std::move(request), context, std::move(done));
}

std::unique_ptr<HttpPolicy> BoundCallPolicy::Clone() const {
  return std::make_unique<BoundCallPolicy>(credential_, settings_, time_);
}

}  // namespace mtlspop
