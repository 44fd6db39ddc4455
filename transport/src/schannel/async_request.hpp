#pragma once

/// @file
/// One asynchronous WinHTTP request, as a sequence of steps: each is begun, waited for with a thread or without one, and
/// finished.

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <gsl/span>

#include "mtlspop/base/pending_wait.hpp"
#include "schannel/cleansed_bytes.hpp"
#include "schannel/cleansed_text.hpp"
#include "schannel/connection_view.hpp"
#include "schannel/proxy_credentials.hpp"
#include "schannel/session.hpp"
#include "schannel/winhttp_error.hpp"

#include "mtlspop/transport/context.hpp"
#include "mtlspop/transport/executor.hpp"

namespace mtlspop::schannel {

/// Looks at the connection when TLS stands and before the first byte of the request is sent. Throwing stops the request:
/// not a byte of it is sent, the connection is closed, and the waiting thread gets the exception. Called on a thread of
/// WinHTTP's.
using ConnectionCheck = std::function<void(ConnectionView const&)>;

/// Where a request goes, as WinHTTP wants it.
struct RequestTarget {
  /// What is connected to.
  std::string Host;
  std::uint16_t Port = 0;
  bool IsHttps = false;
  std::string Method;
  /// Path and query.
  std::string Path;
  /// The host of the URL, for error texts.
  std::string NameForErrors;
};

/// A request handle with everything that WinHTTP may still touch after the request was given up: it keeps itself alive
/// until WinHTTP has said that the handle is closed.
///
/// A step that fails, or whose context ends, closes the request; it is of no use then.
///
/// Thread safety: one thread at a time.
class AsyncRequest final : public std::enable_shared_from_this<AsyncRequest> {
 public:
  /// Closes the request when it is destroyed.
  struct Closer {
    std::shared_ptr<AsyncRequest> Request;
    void operator()(AsyncRequest* request) const noexcept { request->Close(); }
  };
  /// The one owner of a request.
  using Ptr = std::unique_ptr<AsyncRequest, Closer>;

  /// @throw Error
  static Ptr Open(std::shared_ptr<Session const> session, RequestTarget const& target, ConnectionCheck check);
  explicit AsyncRequest(std::shared_ptr<Session const> session, RequestTarget const& target, ConnectionCheck check);
  ~AsyncRequest();
  AsyncRequest(AsyncRequest const&) = delete;
  AsyncRequest& operator=(AsyncRequest const&) = delete;

  /// @throw Error `system_failure`
  void SetOption(DWORD option, void* value, DWORD bytes);
  /// The same where the option is not known to every Windows. Returns whether it was taken.
  bool TrySetOption(DWORD option, void* value, DWORD bytes);
  void SetTimeouts(int connect, int transfer);
  void SetProxyCredentials(ProxyCredentials const& credentials);
  /// `fields` is "Name: value\r\n" for each.
  /// @throw Error `invalid_argument`
  void AddHeaders(CleansedText const& fields);

  /// Connects, where there is no connection, and sends the header. `connectTimeout` bounds name resolution, connection
  /// and handshake together. Where this, `BeginWrite`, `BeginReceive` or the `Finish` of one of them throws, `WantsResend`
  /// may say that it is to be begun anew.
  void BeginSend(DWORD totalLength, std::chrono::milliseconds connectTimeout);
  /// Sends a piece of the body.
  void BeginWrite(gsl::span<std::uint8_t const> piece);
  /// Waits for the header of the answer, which `NoteAnswer` says has come.
  void BeginReceive();
  void NoteAnswer() noexcept;
  /// Asks how many bytes of the answer's body there are: `Count`.
  void BeginQuery();
  /// Reads a piece of the answer's body, `Piece`, where `Count` says that there is one.
  void BeginRead();

  /// Waits on this thread until the step is over, or `context` or the time for connecting ends.
  void Wait(Context const& context);
  /// The same without a thread that waits: `then` runs on `executor`, once. Who calls it and whom it calls hold the one
  /// owner; nothing else is called meanwhile.
  /// @throw Error `system_failure` where no thread can be had, std::bad_alloc; `then` does not run then
  void WhenOver(Context const& context, Executor const& executor, std::function<void()> then);
  /// How the step, which was waited for, has ended.
  /// @throw Error where it failed, or is not over
  void Finish(char const* what, Context const& context);
  /// @throw Error `cancelled`, `deadline_exceeded`, with the host and how long the request has been on its way
  void ThrowIfEnded(char const* what, Context const& context) const;

  /// How many bytes there are after `BeginQuery`; 0 at the end of the answer.
  std::size_t Count() const;
  /// What `BeginRead` has read. Good until the next step.
  gsl::span<std::uint8_t const> Piece() const;

  /// Whether the last step failed because WinHTTP asks for the request to be sent once more, on this same object
  /// (ERROR_WINHTTP_RESEND_REQUEST); it may at any step, since a server may ask to renegotiate at any time. With a
  /// certificate set anew where `WantsCertificate`.
  bool WantsResend() const;
  /// Whether it was because the server asks for a certificate (ERROR_WINHTTP_CLIENT_AUTH_CERT_NEEDED). WinHTTP does so
  /// where it has dropped the one that was set, or the word that there is none, after a server that asks a second time.
  bool WantsCertificate() const;
  /// Status line and header fields, separated by CR LF.
  std::wstring ResponseHeader();
  /// Ends the request, once: its connection goes back to the pool where the answer was read to its end, and is closed otherwise.
  void Close() noexcept;

  RequestProgress Progress() const;
  /// Whether the connection it was sent on was there before.
  bool IsOnReusedConnection() const;
  /// Whether TLS with the server was seen to stand when the request was last sent, on the connection that was last made.
  /// Where it was not, and there may be a proxy, an answer to an https request is the proxy's.
  bool HasServerTls() const;
  WinHttpFunctions& Functions() const noexcept { return session_->Functions(); }
  /// Null for none; lives as long as WinHTTP may ask its key to sign.
  std::shared_ptr<BindingCertificate const> const& Binding() const noexcept { return session_->Binding(); }
  /// As WinHttpQueryOption.
  bool QueryOption(DWORD option, void* value, DWORD* bytes) const;

 private:
  static void CALLBACK OnStatus(HINTERNET handle, DWORD_PTR context, DWORD status, void* info, DWORD bytes);
  void OnEvent(DWORD status, void* info, DWORD bytes);
  void OnConnecting();
  void OnSending();
  void OnClosed();
  ConnectionView View();
  std::exception_ptr WhatRefused() const;
  void Refuse(std::exception_ptr reason) noexcept;
  void Complete(DWORD error, DWORD count);

  void OpenHandles(RequestTarget const& target);
  template <class Start>
  void Begin(Start const& start);
  /// With the lock: until when the step may take, as far as is known yet.
  Context::TimePoint Until() const;
  /// Whether the step has ended, or the time for it.
  bool IsOver() const;
  bool WaitsWith(Context::TimePoint until, std::shared_ptr<PendingWait> wait);
  void TellChange(std::unique_lock<std::mutex> lock);
  [[noreturn]] void Fail(DWORD code);
  HINTERNET Handle() const;

  std::shared_ptr<Session const> session_;
  ConnectionCheck check_;
  std::string host_;
  Context::TimePoint const since_ = Context::Clock::now();
  bool isHttps_ = false;
  HINTERNET connect_ = nullptr;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  HINTERNET request_ = nullptr;
  bool isDone_ = false;
  DWORD error_ = 0;
  DWORD count_ = 0;
  /// Who is woken, in place of a thread, when something changes.
  std::shared_ptr<PendingWait> waiter_;
  std::chrono::milliseconds connectTimeout_{0};
  std::optional<Context::TimePoint> connectingSince_;
  /// Whether a connection was made that no request was sent on yet.
  bool isNewConnection_ = false;
  /// Whether a connection, or a tunnel through one, was made for the last sending at all.
  bool hasConnected_ = false;
  /// Whether the last sending has come to where the request goes out.
  bool isSending_ = false;
  /// Whether any sending has.
  bool wasSending_ = false;
  bool hasServerTls_ = false;
  bool hasAnswer_ = false;
  DWORD secureFailure_ = 0;
  std::exception_ptr refusal_;
  /// Holds this object until WinHTTP has let go of it.
  std::shared_ptr<AsyncRequest> self_;

  /// WinHTTP may read and write here for as long as the handle is not closed.
  CleansedBytes outgoing_;
  CleansedBytes incoming_;
};

}  // namespace mtlspop::schannel
