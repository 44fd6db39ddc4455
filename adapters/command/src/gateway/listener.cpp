#include "gateway/listener.hpp"

#include <chrono>
#include <utility>

#include <boost/asio/post.hpp>

#include "mtlspop/transport/error.hpp"

namespace mtlspop::gateway {
namespace {

using boost::asio::ip::tcp;

// While there are no descriptors, or too many connections.
constexpr std::chrono::milliseconds Pause{50};

void Check(boost::system::error_code problem, std::uint16_t port) {
  if (!problem) return;
  throw Error{
      {errors::SystemFailure,
       "The gateway could not listen on 127.0.0.1:" + std::to_string(port) + ": " + problem.message(),
       "Take another port, or end what listens there"}};
}

}  // namespace

LoopbackListener::LoopbackListener(boost::asio::io_context& io, std::uint16_t port)
    : io_(io), strand_(boost::asio::make_strand(io)), acceptor_(strand_), pause_(strand_) {
  boost::system::error_code problem;
  Check(acceptor_.open(tcp::v4(), problem), port);
  Check(acceptor_.bind({boost::asio::ip::address_v4::loopback(), port}, problem), port);
  port_ = acceptor_.local_endpoint().port();
}

void LoopbackListener::Start(
    std::shared_ptr<Site> site,
    std::shared_ptr<ConnectionSettings const> settings,
    std::shared_ptr<Connections> connections) {
  site_ = std::move(site);
  settings_ = std::move(settings);
  connections_ = std::move(connections);
  boost::system::error_code problem;
  Check(acceptor_.listen(boost::asio::socket_base::max_listen_connections, problem), port_);
  boost::asio::post(strand_, [self = shared_from_this()] { self->Accept(); });
}

void LoopbackListener::Stop() {
  boost::asio::post(strand_, [self = shared_from_this()] {
    boost::system::error_code ignored;
    self->acceptor_.close(ignored);
    self->pause_.cancel();
  });
}

void LoopbackListener::Accept() {
  if (!acceptor_.is_open()) return;
  acceptor_.async_accept(
      boost::asio::make_strand(io_), [self = shared_from_this()](boost::system::error_code problem, auto socket) {
        if (!self->acceptor_.is_open()) return;
        if (problem) return self->AcceptLater();
        boost::system::error_code ignored;
        socket.set_option(tcp::no_delay{true}, ignored);
        // Where there are too many connections, this one is closed: whoever waits in the queue would not be told.
        if (auto seat = self->connections_->Take()) {
          std::make_shared<Connection>(Socket{std::move(socket)}, self->site_, self->settings_, std::move(seat))
              ->Start();
        }
        self->Accept();
      });
}

void LoopbackListener::AcceptLater() {
  pause_.expires_after(Pause);
  pause_.async_wait([self = shared_from_this()](boost::system::error_code) { self->Accept(); });
}

}  // namespace mtlspop::gateway
