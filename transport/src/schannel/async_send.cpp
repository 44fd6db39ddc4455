#include "schannel/async_send.hpp"

#include <exception>

#include "mtlspop/transport/out_of_memory.hpp"

namespace mtlspop::schannel {

using Need = SendOperation::Need;

void AsyncSend::Run() {
  std::exception_ptr failure;
  std::unique_ptr<Response> response;
  try {
    if (!operation_) Begin();
    if (!GoOn()) return;
    response = operation_->TakeResponse(options_.Callbacks);
  } catch (...) {
    failure = CurrentOrOutOfMemory();
  }
  // Of what WinHTTP holds, nothing but the answer outlives this.
  operation_.reset();
  binding_ = nullptr;
  request_ = nullptr;
  auto const done = std::exchange(done_, nullptr);
  if (failure) return done(std::move(failure));
  done(std::move(response));
}

void AsyncSend::Begin() {
  CheckBeforeSending(*request_, binding_ != nullptr, context_);
  operation_.emplace(opening_, options_, *request_, binding_, context_);
}

/// Returns whether the answer is there; else this is run again.
bool AsyncSend::GoOn() {
  for (;;) {
    switch (operation_->Advance()) {
      case Need::Nothing:
        return true;
      case Need::WinHttp:
        operation_->Sending().WhenOver(context_, options_.Callbacks, [self = shared_from_this()] { self->Run(); });
        return false;
      case Need::BodyPiece:
        if (!request_->Body->NeverWaits()) {
          ReadPiece();
          return false;
        }
        ReadPieceHere(*operation_, *request_->Body, context_);
    }
  }
}

void AsyncSend::ReadPiece() {
  request_->Body->ReadAsync(
      operation_->PieceBuffer(), context_, [self = shared_from_this()](Outcome<std::size_t> outcome) {
        if (outcome.HasValue()) {
          self->operation_->TakePiece(std::move(outcome).Take());
        } else {
          self->operation_->FailPiece(outcome.Failure());
        }
        self->Run();
      });
}

}  // namespace mtlspop::schannel
