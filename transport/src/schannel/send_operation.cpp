#include "schannel/send_operation.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include <gsl/util>

#include "request_rules.hpp"
#include "schannel/proxy_answer.hpp"
#include "schannel/request_body.hpp"
#include "schannel/response_body.hpp"
#include "schannel/response_header.hpp"

// Newer than the cross compiler's headers; the number is that of the Windows SDK's winhttp.h.
#ifndef WINHTTP_OPTION_SECURITY_INFO
#define WINHTTP_OPTION_SECURITY_INFO 151
#endif

namespace mtlspop::schannel {
namespace {

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

/// How often a request is tried where WinHTTP offers connections of other sessions. After the first it is to be sent
/// without keep-alive, which should give it a connection of its own; that it does is nowhere written down. Where it
/// does not, each try closes the connection that it refuses, and there are no more of them than other sessions have
/// left resting, and leave meanwhile.
constexpr int ForeignConnections = 16;

bool IsLost(Error const& error) {
  return error.Code() == errors::ConnectionLost || error.Code() == errors::ConnectionLostDuringBinding;
}

bool Rewinds(Request const& request) { return !request.Body || request.Body->TryRewind(); }

/// "TLSv1.2" or "TLSv1.3" where this Windows says it (Windows 10 2004 and later): the first member of what it answers is
/// SecPkgContext_ConnectionInfo, whose first member is the protocol.
std::string TlsVersionOf(AsyncRequest const& sending) {
  std::vector<DWORD> info(512);
  auto bytes = static_cast<DWORD>(info.size() * sizeof(DWORD));
  if (!sending.QueryOption(WINHTTP_OPTION_SECURITY_INFO, info.data(), &bytes)) {
    return {};
  }
  constexpr DWORD tls12 = 0x800;
  constexpr DWORD tls13 = 0x2000;
  return info.front() == tls13 ? "TLSv1.3" : info.front() == tls12 ? "TLSv1.2" : "";
}

/// Whether, as far as is known, only a proxy was spoken to, and not the https server behind it.
bool HasMetProxyAlone(Request const& request, SessionKey const& key, AsyncRequest const& sending) {
  return request.Target.IsHttps() && key.MayMeetProxy() && !sending.HasServerTls();
}

/// Whether the answer comes from the proxy and not from the server behind it. WinHTTP hands out what a proxy answers to
/// CONNECT as if the server had said it.
bool IsOfProxy(Response const& response, Request const& request, SessionKey const& key, AsyncRequest const& sending) {
  // Of a plain request nobody but a proxy wants to be told who one is.
  return HasMetProxyAlone(request, key, sending) ||
         (!request.Target.IsHttps() && !key.Proxy.empty() && response.StatusCode == 407);
}

std::optional<std::uint64_t> ContentLength(Response const& response, std::string const& method) {
  if (method == "HEAD" || response.StatusCode == 204 || response.StatusCode == 304) {
    return 0;
  }
  auto const* const text = response.Fields.Find("content-length");
  if (text == nullptr || response.Fields.Contains("transfer-encoding") ||
      text->find_first_not_of("0123456789") != std::string::npos || text->empty() || text->size() > 19) {
    return std::nullopt;
  }
  std::uint64_t length = 0;
  std::from_chars(text->data(), text->data() + text->size(), length);
  return length;
}

Error UnknownConnection(std::string const& host, bool nothingSent) {
  ErrorDetails details{
      errors::SystemFailure,
      host +
          ": Windows does not say which connection it would use, not even of a fresh one, and that it is not another "
          "certificate's cannot be made sure",
      "Check that Windows is up to date; report it together with this text"};
  details.NothingSent = nothingSent;
  return Error{std::move(details)};
}

Error LostToForeignConnection(std::string const& host) {
  ErrorDetails details{
      errors::ConnectionLost,
      host +
          ": the connection was lost, and WinHTTP was about to repeat the request on one that was made for another "
          "certificate",
      "Send the request again if the operation may be repeated"};
  details.Transient = true;
  return Error{std::move(details)};
}

/// What has gone out once may go out again, by another connection, only if it can: WinHTTP was repeating the request by
/// itself. Of a connection that is not named there is one other try.
void ThrowIfLastTry(UnusableConnection const& connection, Request const& request, bool wasSent, bool wasUnknown) {
  bool const mayRepeat = !wasSent || (IsIdempotent(request.Method) && Rewinds(request));
  if (connection.IsForeign && !mayRepeat) {
    throw LostToForeignConnection(request.Target.Host());
  }
  if (!connection.IsForeign && (wasUnknown || !mayRepeat)) {
    throw UnknownConnection(request.Target.Host(), !wasSent);
  }
}

[[noreturn]] void ThrowOnlyForeign(std::string const& host, bool nothingSent) {
  ErrorDetails details{
      errors::SystemFailure, host + ": WinHTTP offers only connections that were made for other certificates",
      "Send the request again; where that does not help, set PoolOptions::IdleTimeout to 0"};
  details.NothingSent = nothingSent;
  details.Transient = true;
  throw Error{std::move(details)};
}

}  // namespace

SendOperation::SendOperation(
    RequestOpening& opening,
    TransportOptions const& options,
    Request& request,
    std::shared_ptr<BindingCertificate const> binding,
    Context const& context)
    : opening_(opening),
      options_(options),
      request_(request),
      binding_(std::move(binding)),
      context_(context),
      plan_(opening_.MakePlan(request_, binding_.get())) {}

SendOperation::Need SendOperation::Advance() {
  for (;;) {
    try {
      return Step();
    } catch (UnusableConnection const& connection) {
      AfterUnusable(connection);
    } catch (Error const& error) {
      if (sending_ == nullptr || !sending_->WantsResend()) {
        AfterFailure(error);
        continue;
      }
      try {
        PrepareResend();
      } catch (Error const& final) {
        AfterFailure(final);
      }
    }
  }
}

SendOperation::Need SendOperation::Step() {
  for (;;) {
    switch (stage_) {
      case Stage::Attempt:
        BeginAttempt();
        stage_ = Stage::Send;
        break;
      case Stage::Send:
        sending_->BeginSend(RequestTotalLength(request_), options_.ConnectTimeout);
        stage_ = Stage::Sending;
        return Need::WinHttp;
      case Stage::Sending:
        return AfterSending();
      case Stage::Piece:
        return AfterPiece();
      case Stage::Writing:
        sending_->Finish("Sending the request", context_);
        if (hasEnded_) return BeginReceiving();
        stage_ = Stage::Piece;
        return Need::BodyPiece;
      case Stage::Receiving:
        sending_->Finish("Waiting for the answer", context_);
        sending_->NoteAnswer();
        stage_ = TakeAnswer() ? Stage::Answered : Stage::Send;
        break;
      case Stage::Answered:
        return Need::Nothing;
    }
  }
}

void SendOperation::BeginAttempt() {
  sending_ = nullptr;
  checked_ = std::make_shared<Checked>();
  sending_ = opening_.Open(request_, plan_, binding_, context_, checked_);
  resends_ = 0;
  hasGivenCredentials_ = false;
  hasGivenCertificateAgain_ = false;
}

SendOperation::Need SendOperation::AfterSending() {
  sending_->Finish("Sending the request", context_);
  // A proxy that has refused the tunnel gets nothing that is meant for the server.
  if (!request_.Body || HasMetProxyAlone(request_, plan_.Key, *sending_)) return BeginReceiving();
  sentBytes_ = 0;
  hasEnded_ = false;
  stage_ = Stage::Piece;
  return Need::BodyPiece;
}

gsl::span<std::uint8_t> SendOperation::PieceBuffer() { return piece_.Renew(RequestPieceBytes); }

SendOperation::Need SendOperation::AfterPiece() {
  if (pieceFailure_) ThrowUnreadable(std::exchange(pieceFailure_, nullptr));
  auto const count = std::exchange(pieceBytes_, 0);
  auto const length = request_.Body->Length();
  sentBytes_ += count;
  hasEnded_ = count == 0;
  CheckBodyLength(length, sentBytes_, hasEnded_);
  if (hasEnded_ && length) return BeginReceiving();
  gsl::span<std::uint8_t const> const piece = piece_.Bytes().first(count);
  if (length) {
    sending_->BeginWrite(piece);
  } else {
    auto chunk = Chunk(piece);
    auto const cleanse = gsl::finally([&chunk] { Cleanse(chunk.data(), chunk.size()); });
    sending_->BeginWrite(chunk);
  }
  stage_ = Stage::Writing;
  return Need::WinHttp;
}

SendOperation::Need SendOperation::BeginReceiving() {
  piece_.Clear();
  sending_->BeginReceive();
  stage_ = Stage::Receiving;
  return Need::WinHttp;
}

/// Returns whether it is the server's; else the request is to be sent once more, with credentials for the proxy.
bool SendOperation::TakeAnswer() {
  auto response = std::make_unique<Response>();
  ParseResponseHeader(sending_->ResponseHeader(), options_.Limits, *response);
  if (!IsOfProxy(*response, request_, plan_.Key, *sending_)) {
    if (opening_.Verifies(request_, plan_) && !checked_->IsVerified) ThrowUnverified(request_.Target.Host());
    response_ = std::move(response);
    return true;
  }
  if (response->StatusCode != 407 || !plan_.Credentials || hasGivenCredentials_) {
    ThrowProxyAnswer(
        {plan_.Key.Proxy, request_.Target.GetOrigin().HostAndPort(), response->StatusCode,
         plan_.Credentials.has_value(), !sending_->Progress().WasSending});
  }
  sending_->SetProxyCredentials(*plan_.Credentials);
  hasGivenCredentials_ = true;
  if (!Rewinds(request_)) throw TranslateWinHttpError(ERROR_WINHTTP_RESEND_REQUEST, sending_->Progress());
  return false;
}

/// WinHTTP asks for the request to be sent once more.
/// @throw Error where it may not be
void SendOperation::PrepareResend() {
  bool const wantsCertificate = sending_->WantsCertificate();
  bool const isEnough = ++resends_ > options_.Limits.Renegotiations ||
                        (wantsCertificate && std::exchange(hasGivenCertificateAgain_, true));
  if (!isEnough && wantsCertificate) SetCertificate(*sending_, sending_->Binding().get());
  if (isEnough || !Rewinds(request_)) {
    throw TranslateWinHttpError(
        wantsCertificate ? ERROR_WINHTTP_CLIENT_AUTH_CERT_NEEDED : ERROR_WINHTTP_RESEND_REQUEST, sending_->Progress());
  }
  stage_ = Stage::Send;
}

/// While the connection is what is being handled.
/// @throw Error where no other one is tried
void SendOperation::AfterUnusable(UnusableConnection const& connection) {
  wasSent_ = wasSent_ || sending_->Progress().WasSending;
  ThrowIfLastTry(connection, request_, wasSent_, wasUnknown_);
  wasUnknown_ = wasUnknown_ || !connection.IsForeign;
  if (++unusable_ == ForeignConnections) ThrowOnlyForeign(request_.Target.Host(), !wasSent_);
  plan_.KeepsAlive = false;
  stage_ = Stage::Attempt;
  options_.Observer.Tell(
      Severity::Warning, connection.IsForeign ? "transport.foreign_connection" : "transport.unknown_connection",
      {{"host", request_.Target.Host()}});
}

/// While `error` is what is being handled.
/// @throw `error` where the request is not repeated
void SendOperation::AfterFailure(Error const& error) {
  bool const mayRepeat = sending_ != nullptr && !hasRepeated_ && IsLost(error) && sending_->IsOnReusedConnection() &&
                         !sending_->Progress().HasAnswer &&
                         (error.Details().NothingSent || IsIdempotent(request_.Method)) && Rewinds(request_);
  if (!mayRepeat && error.Code() == errors::DeadlineExceeded && sending_ != nullptr) {
    // Where there was no connection yet, the caller's time says so as `ConnectTimeout` does.
    auto details = error.Details();
    details.NothingSent = !wasSent_ && !hasRepeated_ && !sending_->Progress().WasSending;
    throw Error{std::move(details)};
  }
  if (!mayRepeat) throw;
  hasRepeated_ = true;
  stage_ = Stage::Attempt;
  options_.Observer.Tell(Severity::Debug, "transport.repeated", {{"host", request_.Target.Host()}});
}

std::unique_ptr<Response> SendOperation::TakeResponse(Executor const& executor) {
  auto& info = response_->Connection;
  info.Id = checked_->Connection;
  info.Reused = sending_->IsOnReusedConnection();
  info.X5tS256 = plan_.Key.X5tS256;
  info.TlsVersion = request_.Target.IsHttps() ? TlsVersionOf(*sending_) : std::string{};
  if (info.Reused) opening_.Ledger().CountReuse();
  auto const length = ContentLength(*response_, request_.Method);
  response_->Body = std::make_unique<ResponseBody>(std::move(sending_), length, executor);
  return std::move(response_);
}

void CheckBeforeSending(Request const& request, bool isBound, Context const& context) {
  CheckRequest(request, isBound);
  RefuseExpectContinue(request);
  context.ThrowIfEnded("The request");
}

void ReadPieceHere(SendOperation& operation, BodyStream& body, Context const& context) {
  try {
    operation.TakePiece(body.Read(operation.PieceBuffer(), context));
  } catch (...) {
    operation.FailPiece(std::current_exception());
  }
}

}  // namespace mtlspop::schannel
