#pragma once

/// @file
/// One request and its answer on one connection.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "http1_parser.hpp"
#include "mtlspop/transport/http_transport.hpp"
#include "openssl/connection_pool.hpp"

namespace mtlspop::openssl {

/// How a request is written for where it goes.
struct RequestForm {
  /// Absolute form, for a proxy that is asked for an http URL (RFC 9112 section 3.2.2).
  bool Absolute = false;
  /// The value of Proxy-Authorization; null for none.
  Secret const* ProxyAuthorization = nullptr;
};

/// Sends a request and receives the header of its answer. Sending and receiving overlap: a server may renegotiate, or
/// answer, in the middle of a request body.
///
/// Thread safety: one thread, one use.
class Http1Exchange final {
 public:
  /// Borrows everything.
  Http1Exchange(Request& request, TransportOptions const& options, bool bound, Waiter& waiter)
      : request_(request), options_(options), bound_(bound), waiter_(waiter), parser_(options.Limits, request.Method) {}

  /// @throw Error
  std::unique_ptr<Response> Run(PoolSlot slot, RequestForm const& form);

  /// After `Run` threw: whether nothing at all came back.
  bool NothingReceived() const noexcept { return !received_; }
  /// After `Run` threw: whether nothing at all was sent.
  bool NothingSent() const noexcept { return !sent_; }
  /// After `Run` threw: whether the connection just went away.
  bool ConnectionWasLost() const noexcept { return lost_; }

 private:
  void SendHeadAndBody(RequestForm const& form);
  void AppendBody(std::string& text, std::size_t length);
  bool SendBody(std::uint64_t length);
  bool SendChunkedBody();
  bool AwaitContinue();
  bool Write(gsl::span<std::uint8_t const> bytes);
  bool AnswerIsThere(IoStatus status);
  std::size_t ReadBody(gsl::span<std::uint8_t> buffer, std::optional<std::uint64_t> left);
  std::size_t ReadFromBody(gsl::span<std::uint8_t> buffer);
  [[noreturn]] static void ThrowBodyFailed();
  void ReceiveHead();
  bool ReceiveSome();
  bool LookForHead();
  std::unique_ptr<Response> MakeResponse(PoolSlot slot);
  [[noreturn]] void ThrowFailed(IoStatus status, char const* doing);

  Request& request_;
  TransportOptions const& options_;
  bool bound_;
  Waiter& waiter_;
  Connection* connection_ = nullptr;
  Http1Parser parser_;
  std::size_t informational_ = 0;
  bool continue_ = false;
  bool headComplete_ = false;
  bool bodySent_ = false;
  bool sent_ = false;
  bool received_ = false;
  bool lost_ = false;
};

}  // namespace mtlspop::openssl
