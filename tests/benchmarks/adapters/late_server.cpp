#include "adapters/late_server.hpp"

#include <sys/resource.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

namespace mtlspop::bench {
namespace {

namespace asio = boost::asio;
using Failure = boost::system::error_code;
using Stream = asio::ssl::stream<asio::ip::tcp::socket>;

constexpr char const* Answer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";

/// Kept alive by what it waits for.
class LateConnection final : public std::enable_shared_from_this<LateConnection> {
 public:
  LateConnection(asio::ip::tcp::socket socket, asio::ssl::context& context, std::chrono::milliseconds delay)
      : stream_(std::move(socket), context), timer_(stream_.get_executor()), delay_(delay) {
    SSL_set_mode(stream_.native_handle(), SSL_MODE_RELEASE_BUFFERS);
  }

  void Start() {
    stream_.async_handshake(Stream::server, [self = shared_from_this()](Failure failure) {
      if (!failure) self->Read();
    });
  }

 private:
  void Read() {
    asio::async_read_until(
        stream_, asio::dynamic_buffer(text_), "\r\n\r\n",
        [self = shared_from_this()](Failure failure, std::size_t size) {
          if (failure) return;
          self->text_.erase(0, size);
          self->Wait();
        });
  }
  void Wait() {
    timer_.expires_after(delay_);
    timer_.async_wait([self = shared_from_this()](Failure) { self->Write(); });
  }
  void Write() {
    asio::async_write(
        stream_, asio::buffer(Answer, std::char_traits<char>::length(Answer)),
        [self = shared_from_this()](Failure failure, std::size_t) {
          if (!failure) self->Read();
        });
  }

  Stream stream_;
  asio::steady_timer timer_;
  std::chrono::milliseconds delay_;
  std::string text_;
};

void Accept(asio::ip::tcp::acceptor& acceptor, asio::ssl::context& context, std::chrono::milliseconds delay) {
  acceptor.async_accept([&acceptor, &context, delay](Failure failure, asio::ip::tcp::socket socket) {
    if (!failure) std::make_shared<LateConnection>(std::move(socket), context, delay)->Start();
    Accept(acceptor, context, delay);
  });
}

}  // namespace

int RunLateServer(std::vector<std::string> const& arguments) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);

  asio::ssl::context context{asio::ssl::context::tls_server};
  context.load_verify_file(arguments.at(1));
  context.use_certificate_chain_file(arguments.at(2));
  context.use_private_key_file(arguments.at(3), asio::ssl::context::pem);
  context.set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert);
  unsigned char const id[] = "late";
  SSL_CTX_set_session_id_context(context.native_handle(), id, sizeof id);

  asio::io_context loop{1};
  asio::ip::tcp::endpoint const place{
      asio::ip::make_address("127.0.0.1"), static_cast<std::uint16_t>(std::stoi(arguments.at(0)))};
  asio::ip::tcp::acceptor acceptor{loop};
  acceptor.open(place.protocol());
  acceptor.set_option(asio::socket_base::reuse_address{true});
  acceptor.bind(place);
  acceptor.listen(4096);
  Accept(acceptor, context, std::chrono::milliseconds{std::stoi(arguments.at(4))});
  loop.run();
  return 0;
}

}  // namespace mtlspop::bench
