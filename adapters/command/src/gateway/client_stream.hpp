#pragma once

/// @file
/// A client's connection: TCP or unix socket, plain or with TLS on top.

#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>

namespace mtlspop::gateway {

namespace asio = boost::asio;

/// All sockets of the gateway: those of TCP and of unix sockets become one. Its executor is that of a loop, which
/// runs one handler at a time.
using Socket = asio::generic::stream_protocol::socket;

/// Models Beast's AsyncStream, for one that begins plain and may turn to TLS.
///
/// Not final, since Asio derives from it to see what it is. Thread safety: on its loop only. One read and one write may be under way at the same time.
class ClientStream {
 public:
  using executor_type = Socket::executor_type;

  explicit ClientStream(Socket socket) : socket_(std::move(socket)) {}

  executor_type get_executor() noexcept { return socket_.get_executor(); }
  Socket& Lowest() noexcept { return socket_; }
  bool IsTls() const noexcept { return tls_ != nullptr; }

  /// From now on with TLS; `early` is what was read already and belongs to the handshake.
  template <class Buffers, class Handler>
  void AsyncHandshake(std::shared_ptr<SSL_CTX> context, Buffers const& early, Handler&& handler) {
    tls_ = std::make_unique<Tls>(socket_, std::move(context));
    tls_->Stream.async_handshake(asio::ssl::stream_base::server, early, std::forward<Handler>(handler));
  }

  /// Says that nothing more is sent, so that the client knows where an answer ends that has no length.
  template <class Handler>
  void AsyncShutdown(Handler&& handler) {
    if (tls_) {
      tls_->Stream.async_shutdown(std::forward<Handler>(handler));
      return;
    }
    boost::system::error_code result;
    socket_.shutdown(Socket::shutdown_send, result);
    asio::post(get_executor(), [handler = std::forward<Handler>(handler), result]() mutable { handler(result); });
  }

  template <class Buffers, class Token>
  auto async_read_some(Buffers const& buffers, Token&& token) {
    return asio::async_initiate<Token, void(boost::system::error_code, std::size_t)>(
        [this](auto handler, auto const& into) {
          if (tls_) {
            tls_->Stream.async_read_some(into, std::move(handler));
          } else {
            socket_.async_read_some(into, std::move(handler));
          }
        },
        token, buffers);
  }

  template <class Buffers, class Token>
  auto async_write_some(Buffers const& buffers, Token&& token) {
    return asio::async_initiate<Token, void(boost::system::error_code, std::size_t)>(
        [this](auto handler, auto const& from) {
          if (tls_) {
            tls_->Stream.async_write_some(from, std::move(handler));
          } else {
            socket_.async_write_some(from, std::move(handler));
          }
        },
        token, buffers);
  }

  void Close() noexcept {
    boost::system::error_code ignored;
    socket_.close(ignored);
  }

 private:
  struct Tls {
    Tls(Socket& socket, std::shared_ptr<SSL_CTX> context)
        : Kept(std::move(context)), Context(Referenced(Kept.get())), Stream(socket, Context) {}

    static SSL_CTX* Referenced(SSL_CTX* context) noexcept {
      SSL_CTX_up_ref(context);
      return context;
    }

    // What the context's callbacks look at lives as long as this.
    std::shared_ptr<SSL_CTX> const Kept;
    asio::ssl::context Context;
    asio::ssl::stream<Socket&> Stream;
  };

  Socket socket_;
  std::unique_ptr<Tls> tls_;
};

}  // namespace mtlspop::gateway
