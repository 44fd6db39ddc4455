#pragma once

/// @file
/// One request over WinHTTP, from its first attempt to the header of its answer, as steps that say what they wait for.

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <vector>

#include <gsl/span>

#include "mtlspop/transport/context.hpp"
#include "mtlspop/transport/request.hpp"
#include "mtlspop/transport/response.hpp"
#include "schannel/cleansed_bytes.hpp"
#include "schannel/request_opening.hpp"

namespace mtlspop::schannel {

/// The one machine behind `Send` and `SendAsync`: who waits, and how, is the caller's.
///
/// @code
/// for (;;) {
///   switch (operation.Advance()) {
///     case Need::WinHttp: operation.Sending().Wait(context); break;
///     case Need::BodyPiece: operation.TakePiece(request.Body->Read(operation.PieceBuffer(), context)); break;
///     case Need::Nothing: return operation.TakeResponse();
///   }
/// }
/// @endcode
///
/// Thread safety: one thread at a time, which may be another one at each step.
class SendOperation final {
 public:
  /// What an operation waits for.
  enum class Need {
    /// Until `Sending()` has something to say: `Wait`, or `WhenOver`.
    WinHttp,
    /// `TakePiece`, or `FailPiece`.
    BodyPiece,
    /// `TakeResponse`.
    Nothing,
  };

  /// Borrows all but the binding and the context.
  SendOperation(
      RequestOpening& opening,
      TransportOptions const& options,
      Request& request,
      std::shared_ptr<BindingCertificate const> binding,
      Context const& context);

  /// Goes on until there is something to wait for.
  /// @throw Error that ends the request
  Need Advance();

  AsyncRequest& Sending() const noexcept { return *sending_; }
  /// Room for a piece of the request's body.
  gsl::span<std::uint8_t> PieceBuffer();
  /// So many bytes were read; 0 at the body's end.
  void TakePiece(std::size_t count) noexcept { pieceBytes_ = count; }
  /// The body cannot be read.
  void FailPiece(std::exception_ptr failure) noexcept { pieceFailure_ = std::move(failure); }

  /// Once, and not before nothing is waited for. `executor` is where completions of reading the answer run.
  std::unique_ptr<Response> TakeResponse(Executor const& executor);
  /// Lets go of the request under way.
  void Abandon() noexcept { sending_ = nullptr; }

 private:
  enum class Stage { Attempt, Send, Sending, Piece, Writing, Receiving, Answered };

  Need Step();
  void BeginAttempt();
  Need AfterSending();
  Need AfterPiece();
  Need BeginReceiving();
  bool TakeAnswer();
  void PrepareResend();
  void AfterUnusable(UnusableConnection const& connection);
  void AfterFailure(Error const& error);

  RequestOpening& opening_;
  TransportOptions const& options_;
  Request& request_;
  std::shared_ptr<BindingCertificate const> binding_;
  Context const context_;

  // Of all attempts.
  Plan plan_;
  Stage stage_ = Stage::Attempt;
  int unusable_ = 0;
  bool hasRepeated_ = false;
  bool wasSent_ = false;
  bool wasUnknown_ = false;

  // Of one attempt.
  std::shared_ptr<Checked> checked_;
  AsyncRequest::Ptr sending_;
  std::size_t resends_ = 0;
  bool hasGivenCredentials_ = false;
  bool hasGivenCertificateAgain_ = false;

  // Of the body.
  CleansedBytes piece_;
  std::size_t pieceBytes_ = 0;
  std::exception_ptr pieceFailure_;
  std::uint64_t sentBytes_ = 0;
  bool hasEnded_ = false;

  std::unique_ptr<Response> response_;
};

/// What ends a request before anything is opened for it.
/// @throw Error as `CheckRequest`, `invalid_argument` for `Request::ExpectContinue`; what `context` ends with
void CheckBeforeSending(Request const& request, bool isBound, Context const& context);

/// Reads the piece that `operation` needs on this thread.
void ReadPieceHere(SendOperation& operation, BodyStream& body, Context const& context);

}  // namespace mtlspop::schannel
