#include "openssl/send_operation.hpp"

#include <utility>

#include "request_rules.hpp"

namespace mtlspop::openssl {

SendOperation::SendOperation(
    std::shared_ptr<TransportCore const> core,
    std::shared_ptr<Request> request,
    std::shared_ptr<BindingCertificate const> binding,
    Context const& context,
    Completion<std::unique_ptr<Response>> done)
    : Operation(context, core->Options.Callbacks),
      core_(std::move(core)),
      request_(std::move(request)),
      binding_(std::move(binding)),
      done_(std::move(done)) {}

void SendOperation::Send() {
  try {
    CheckRequest(*request_, binding_ != nullptr);
    GetContext().ThrowIfEnded("The request");
    sending_.emplace(*core_, *request_, binding_, GetContext(), *this, false);
  } catch (Error const&) {
    return End(std::current_exception());
  }
  Start();
}

void SendOperation::ReadBody() {
  // Another one after a rewind: the other may have been cancelled.
  if (!reading_ || !sending_->ReadsBody()) {
    reading_.emplace(GetContext().WithCancellation());
  }
  core_->Options.Callbacks(
      [self = std::static_pointer_cast<SendOperation>(shared_from_this())] { self->ReadBodyHere(); });
}

/// On the executor.
void SendOperation::ReadBodyHere() noexcept {
  if (!sending_->ReadsBody()) {
    sending_->ReadBody();
    return ComeBack();
  }
  try {
    auto const self = std::static_pointer_cast<SendOperation>(shared_from_this());
    // Held here too: the request may have ended before this returns.
    auto const body = request_->Body;
    auto const reading = *reading_;
    body->ReadAsync(sending_->BodyRoom(), reading, [self](Outcome<std::size_t> outcome) {
      if (auto failure = outcome.Failure()) {
        self->sending_->FailBody(std::move(failure));
      } else {
        self->sending_->PutBody(std::move(outcome).Take());
      }
      self->ComeBack();
    });
  } catch (...) {
    sending_->FailBody(std::current_exception());
    ComeBack();
  }
}

/// Where no more of the body is wanted, its reading is cancelled: elsewhere, since who hears of that may be the application.
Step SendOperation::Hear() {
  auto const step = sending_->Hear();
  if (step.For == Awaits::Nothing) {
    core_->Options.Callbacks([reading = *reading_] { reading.Cancel(); });
  }
  return step;
}

void SendOperation::End(std::exception_ptr failure) noexcept {
  if (failure) {
    failure_ = std::move(failure);
  } else {
    response_ = sending_->Take();
  }
  // The connection first: who hears of a failure finds nothing of it left.
  sending_.reset();
  TellElsewhere();
}

/// What `done` throws ends the process.
void SendOperation::Tell() noexcept {
  auto const context = ReleaseContext();
  auto const reading = std::exchange(reading_, std::nullopt);
  auto const request = std::move(request_);
  auto const binding = std::move(binding_);
  auto const done = std::exchange(done_, nullptr);
  if (failure_) {
    done(std::exchange(failure_, nullptr));
  } else {
    done(std::move(response_));
  }
}

}  // namespace mtlspop::openssl
