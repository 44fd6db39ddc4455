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
    : Operation(context),
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
    request_->Body->ReadAsync(sending_->BodyRoom(), GetContext(), [self](Outcome<std::size_t> outcome) {
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

void SendOperation::End(std::exception_ptr failure) noexcept {
  if (failure) {
    failure_ = std::move(failure);
  } else {
    response_ = sending_->Take();
  }
  // The connection first: who hears of a failure finds nothing of it left.
  sending_.reset();
  core_->Options.Callbacks([self = std::static_pointer_cast<SendOperation>(shared_from_this())] { self->Tell(); });
}

/// On the executor. What `done` throws ends the process.
void SendOperation::Tell() noexcept {
  auto const context = ReleaseContext();
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
