#include "asynchronous_bound_call.hpp"

#include <optional>
#include <string_view>
#include <utility>

#include "bound_call_authorization.hpp"
#include "mtlspop/transport/executor.hpp"
#include "mtlspop/transport/out_of_memory.hpp"
#include "response_body.hpp"

namespace mtlspop {
namespace {

/// One call. Whatever it waits for keeps it alive, and goes on with it when that has come; so it is on one thread at a time,
/// and nothing of it may be touched once something has been begun that goes on with it.
class AsynchronousDriver final : public std::enable_shared_from_this<AsynchronousDriver> {
 public:
  AsynchronousDriver(
      BoundCallParts parts,
      std::shared_ptr<PipelineRequest> request,
      Context const& context,
      Completion<std::unique_ptr<Response>> done)
      : parts_(std::move(parts)),
        request_(std::move(request)),
        context_(context),
        done_(std::move(done)),
        call_(
            std::in_place,
            parts_.Settings,
            CallTarget{request_->Message.Method, request_->Message.Target, request_->Message.Body != nullptr},
            context.Deadline()) {}

  void Start() {
    Go(Stack::Callers, [this] {
      Authorize(*request_, std::nullopt);
      return std::make_optional(call_->Start(Now()));
    });
  }

 private:
  using Step = BoundCall::Step;
  using Answer = std::unique_ptr<Response>;
  /// None where something was begun that goes on with this call.
  using Next = std::optional<Step>;
  /// Completions are not called on that of the starting call.
  enum class Stack { Callers, Own };

  /// One time for all that is done without waiting.
  CallTime Now() {
    if (!now_) now_ = CallTime{parts_.Time->Now(), parts_.Time->SteadyNow()};
    return *now_;
  }

  /// Follows what `first` says for as long as that needs no waiting.
  template <typename First>
  void Go(Stack stack, First const& first) {
    now_.reset();
    std::optional<Outcome<Answer>> end;
    try {
      bool const isOver = OrOutOfMemory([&] {
        auto next = first();
        while (next && !std::holds_alternative<BoundCall::Deliver>(*next)) next = Follow(*next);
        return next.has_value();
      });
      if (!isOver) return;
      end.emplace(std::move(response_));
    } catch (...) {
      end.emplace(CurrentOrOutOfMemory());
    }
    End(stack, std::move(*end));
  }

  void End(Stack stack, Outcome<Answer> outcome) {
    call_.reset();
    auto const done = std::exchange(done_, nullptr);
    if (stack == Stack::Own) return done(std::move(outcome));
    auto held = std::make_shared<Outcome<Answer>>(std::move(outcome));
    DefaultExecutor()([done, held] { done(std::move(*held)); });
  }

  Next Follow(Step const& step) {
    Report(parts_.Credential, step);
    if (call_->NeedsRewind() && !request_->Message.Body->TryRewind()) return call_->CannotRewind();
    return std::visit([this](auto const& what) { return Do(what); }, step);
  }

  Next Do(BoundCall::GetToken const& ask) {
    Authorize(*request_, std::nullopt);
    try {
      if (auto token = parts_.Credential.TryGetToken(*ask.Request)) {
        return call_->TokenObtained(std::move(*token), Now());
      }
      parts_.Credential.GetTokenAsync(
          *ask.Request, context_, [self = shared_from_this()](Outcome<AccessToken> outcome) {
            self->Go(Stack::Own, [&] { return self->GotToken(std::move(outcome)); });
          });
      return std::nullopt;
    } catch (Error const& error) {
      return call_->TokenFailed(error, Now());
    }
  }

  Next GotToken(Outcome<AccessToken> outcome) {
    try {
      return call_->TokenObtained(std::move(outcome).Take(), Now());
    } catch (Error const& error) {
      return call_->TokenFailed(error, Now());
    }
  }

  Next Do(BoundCall::Send const& send) {
    return AfterDiscarding([this, send] { return SendNow(send); });
  }

  Next SendNow(BoundCall::Send const& send) {
    try {
      parts_.Next.SendAsync(Prepare(request_, send), context_, [self = shared_from_this()](Outcome<Answer> outcome) {
        self->Go(Stack::Own, [&] { return self->Came(std::move(outcome)); });
      });
      return std::nullopt;
    } catch (Error const& error) {
      return call_->SendFailed(error, Now());
    }
  }

  Next Came(Outcome<Answer> outcome) {
    try {
      response_ = std::move(outcome).Take();
    } catch (Error const& error) {
      return call_->SendFailed(error, Now());
    }
    if (!call_->WantsBody(response_->StatusCode)) return Answered({});
    PeekBodyAsync(*response_, context_, [self = shared_from_this()](std::string_view body) {
      self->Go(Stack::Own, [&] { return self->Answered(body); });
    });
    return std::nullopt;
  }

  Next Answered(std::string_view body) {
    return call_->Answered({response_->StatusCode, response_->Fields, body, &response_->Connection}, Now());
  }

  Next Do(BoundCall::Wait const& wait) {
    return AfterDiscarding([this, wait]() -> Next {
      parts_.Time->SleepAsync(wait.For, context_, GoOnWaited());
      return std::nullopt;
    });
  }

  Next Do(BoundCall::WaitForAnotherCall const& wait) {
    wait.UntilAsync(context_, GoOnWaited());
    return std::nullopt;
  }

  Completion<void> GoOnWaited() {
    return [self = shared_from_this()](Outcome<void> outcome) {
      self->Go(Stack::Own, [&]() -> Next {
        std::move(outcome).Take();
        return self->call_->Waited(self->Now());
      });
    };
  }

  Next Do(BoundCall::Deliver const&) { return BoundCall::Deliver{}; }
  [[noreturn]] Next Do(BoundCall::Fail const& fail) { fail.Throw(); }

  /// Goes on after an answer that nobody wants any more has been read, so that its connection can be used again.
  template <typename Then>
  Next AfterDiscarding(Then then) {
    if (!response_) return then();
    DrainBodyAsync(
        std::exchange(response_, nullptr), context_, [self = shared_from_this(), then] { self->Go(Stack::Own, then); });
    return std::nullopt;
  }

  BoundCallParts const parts_;
  std::shared_ptr<PipelineRequest> const request_;
  Context const context_;
  Completion<Answer> done_;
  /// Gone, with what it keeps others from doing, before `done_` is called.
  std::optional<BoundCall> call_;
  Answer response_;
  std::optional<CallTime> now_;
};

}  // namespace

void DriveBoundCall(
    BoundCallParts parts,
    std::shared_ptr<PipelineRequest> request,
    Context const& context,
    Completion<std::unique_ptr<Response>> done) {
  std::make_shared<AsynchronousDriver>(std::move(parts), std::move(request), context, std::move(done))->Start();
}

}  // namespace mtlspop
