#pragma once

/// @file
/// One request of a client and the answer to it.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <openssl/ssl.h>

#include "gateway/client_stream.hpp"
#include "gateway/failure.hpp"
#include "gateway/request_head.hpp"
#include "mtlspop/transport/body_stream.hpp"
#include "mtlspop/transport/context.hpp"
#include "mtlspop/transport/response.hpp"

namespace mtlspop::gateway {

class Connection;
class Exchange;
class Seat;

/// Gets the connection of a client, what was read of it already, and its place among the connections.
using TakeOver = std::function<void(Socket socket, std::string early, std::shared_ptr<Seat> seat)>;

/// What is done with the requests of a connection.
class Site {
 public:
  virtual ~Site() = default;
  /// Called on the connection's loop, with a request that `RefusalOf` has nothing against. Returns at once; the answer may
  /// come later and from another thread. Where none ever comes, because `exchange` is let go, the connection is closed.
  virtual void Handle(std::shared_ptr<Exchange> exchange) = 0;
};

/// A request that is to be answered once: a second answer is dropped.
///
/// Thread safety: all members may be called from any thread, `Head` and `Body` without changing them.
class Exchange final {
 public:
  Exchange(
      std::shared_ptr<Connection> connection,
      std::uint64_t number,
      std::shared_ptr<RequestHead const> head,
      std::shared_ptr<BodyStream> body,
      Context patience);
  ~Exchange();
  Exchange(Exchange const&) = delete;
  Exchange& operator=(Exchange const&) = delete;

  RequestHead const& Head() const noexcept { return *head_; }
  /// Null where the request has none. Gives nothing any more once the request is answered.
  std::shared_ptr<BodyStream> const& Body() const noexcept { return body_; }
  /// Ends when the client leaves, or when it has taken too long.
  Context const& Patience() const noexcept { return patience_; }

  /// For logs and metrics: where the request goes. From within `Site::Handle` alone.
  void SetOrigin(std::string const& origin);

  /// An answer of the gateway's own.
  void Answer(std::unique_ptr<Response> answer);
  void Refuse(Failure const& failure);
  /// A server's answer, without what only the gateway may say.
  void PassBack(std::unique_ptr<Response> answer);
  /// Answers with what `failure` holds: an `Error` as `FailureFrom` has it, anything else as a failure of the gateway's.
  void Fail(std::exception_ptr failure);

  /// Answers CONNECT with 200. From then on the connection is TLS, with requests for `site`.
  void BecomeTls(std::shared_ptr<SSL_CTX> context, std::shared_ptr<Site> site);
  /// Answers CONNECT with 200 and hands over the connection, together with what was read of it already.
  void BecomeTunnel(TakeOver takeOver);

 private:
  void AnswerWith(std::unique_ptr<Response> answer, bool closes);

  std::shared_ptr<Connection> const connection_;
  std::uint64_t const number_;
  std::shared_ptr<RequestHead const> const head_;
  std::shared_ptr<BodyStream> const body_;
  Context const patience_;
  /// Nobody is left without an answer when this goes.
  std::atomic<bool> isAnswered_{false};
};

}  // namespace mtlspop::gateway
