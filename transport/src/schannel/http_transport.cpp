#include "schannel/http_transport.hpp"

#include <exception>
#include <optional>
#include <utility>

#include "mtlspop/transport/required.hpp"
#include "request_rules.hpp"
#include "schannel/request_opening.hpp"
#include "schannel/send_operation.hpp"

namespace mtlspop::schannel {
namespace {

using Need = SendOperation::Need;

/// WinHTTP sends the whole request before it looks for an answer, an interim one included.
void RefuseExpectContinue(Request const& request) {
  if (request.ExpectContinue) {
    ErrorDetails details{
        errors::InvalidArgument,
        "Request::ExpectContinue cannot be had on Windows: WinHTTP does not wait for 100 Continue",
        "Leave it out on Windows. Where it is there to have the certificate asked for before a large body is sent, "
        "send "
        "a small request to the same origin first: its connection is used again"};
    details.NothingSent = true;
    throw Error{std::move(details)};
  }
}

/// A request that is sent without a thread that waits. Each step runs on the executor; WinHTTP's threads, and those on which
/// the body is read, do no more than wake it. Keeps itself alive until its completion is called.
class AsyncSend final : public std::enable_shared_from_this<AsyncSend> {
 public:
  AsyncSend(
      RequestOpening& opening,
      TransportOptions const& options,
      std::shared_ptr<Request> request,
      std::shared_ptr<BindingCertificate const> binding,
      Context const& context,
      Completion<std::unique_ptr<Response>> done)
      : opening_(opening),
        options_(options),
        request_(std::move(request)),
        binding_(std::move(binding)),
        context_(context),
        done_(std::move(done)) {}

  void Run() {
    std::exception_ptr failure;
    std::unique_ptr<Response> response;
    try {
      if (!operation_) Begin();
      if (!GoOn()) return;
      response = operation_->TakeResponse(options_.Callbacks);
    } catch (...) {
      failure = std::current_exception();
    }
    // Of what WinHTTP holds, nothing but the answer outlives this.
    operation_.reset();
    binding_ = nullptr;
    request_ = nullptr;
    auto const done = std::exchange(done_, nullptr);
    if (failure) return done(std::move(failure));
    done(std::move(response));
  }

 private:
  void Begin() {
    CheckRequest(*request_, binding_ != nullptr);
    RefuseExpectContinue(*request_);
    context_.ThrowIfEnded("The request");
    operation_.emplace(opening_, options_, *request_, binding_, context_);
  }

  /// Returns whether the answer is there; else this is run again.
  bool GoOn() {
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

  void ReadPiece() {
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

 public:
  static void ReadPieceHere(SendOperation& operation, BodyStream& body, Context const& context) {
    try {
      operation.TakePiece(body.Read(operation.PieceBuffer(), context));
    } catch (...) {
      operation.FailPiece(std::current_exception());
    }
  }

 private:
  RequestOpening& opening_;
  TransportOptions const& options_;
  std::shared_ptr<Request> request_;
  std::shared_ptr<BindingCertificate const> binding_;
  Context const context_;
  Completion<std::unique_ptr<Response>> done_;
  std::optional<SendOperation> operation_;
};

class WinHttpTransport final : public HttpTransport {
 public:
  WinHttpTransport(TransportOptions options, std::shared_ptr<WinHttpFunctions> functions)
      : options_(std::move(options)), opening_(options_, std::move(functions)) {}

  std::unique_ptr<Response> Send(
      Request& request, std::shared_ptr<BindingCertificate const> const& binding, Context const& context) override;
  void SendAsync(
      std::shared_ptr<Request> request,
      std::shared_ptr<BindingCertificate const> binding,
      Context const& context,
      Completion<std::unique_ptr<Response>> done) override;
  void DropConnections(std::string_view x5tS256) noexcept override { opening_.Sessions().Drop(x5tS256); }
  mtlspop::PoolStatistics PoolStatistics() const override;

 private:
  TransportOptions const options_;
  RequestOpening opening_;
};

std::unique_ptr<Response> WinHttpTransport::Send(
    Request& request, std::shared_ptr<BindingCertificate const> const& binding, Context const& context) {
  CheckRequest(request, binding != nullptr);
  RefuseExpectContinue(request);
  context.ThrowIfEnded("The request");
  SendOperation operation{opening_, options_, request, binding, context};
  for (;;) {
    switch (operation.Advance()) {
      case Need::Nothing:
        return operation.TakeResponse(options_.Callbacks);
      case Need::WinHttp:
        operation.Sending().Wait(context);
        break;
      case Need::BodyPiece:
        AsyncSend::ReadPieceHere(operation, *request.Body, context);
    }
  }
}

void WinHttpTransport::SendAsync(
    std::shared_ptr<Request> request,
    std::shared_ptr<BindingCertificate const> binding,
    Context const& context,
    Completion<std::unique_ptr<Response>> done) {
  auto const sending = std::make_shared<AsyncSend>(
      opening_, options_, Required(std::move(request), "The request of SendAsync"), std::move(binding), context,
      std::move(done));
  options_.Callbacks([sending] { sending->Run(); });
}

mtlspop::PoolStatistics WinHttpTransport::PoolStatistics() const {
  mtlspop::PoolStatistics statistics;
  statistics.Bindings = opening_.Sessions().Bindings();
  statistics.Opened = opening_.Ledger().OpenedSoFar();
  statistics.Reused = opening_.Ledger().ReusedSoFar();
  statistics.Dropped = opening_.Sessions().DroppedSoFar();
  return statistics;
}

}  // namespace

gsl::not_null<std::shared_ptr<HttpTransport>> MakeWinHttpTransport(
    TransportOptions options, std::shared_ptr<WinHttpFunctions> functions) {
  CheckOptions(options);
  return std::shared_ptr<HttpTransport>{std::make_shared<WinHttpTransport>(std::move(options), std::move(functions))};
}

}  // namespace mtlspop::schannel

namespace mtlspop {

gsl::not_null<std::shared_ptr<HttpTransport>> MakeHttpTransport(TransportOptions options) {
  return schannel::MakeWinHttpTransport(std::move(options), schannel::SystemWinHttp());
}

}  // namespace mtlspop
