#include "gateway/tunnel.hpp"

#include <array>
#include <chrono>
#include <utility>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/write.hpp>

#include "gateway/connections.hpp"
#include "mtlspop/transport/redact.hpp"

namespace mtlspop::gateway {
namespace {

using boost::asio::ip::tcp;
using Problem = boost::system::error_code;

constexpr std::chrono::seconds ConnectTime{30};
constexpr std::chrono::minutes QuietTime{10};

/// All of it runs on a strand of its own; the client's socket, which has another, is moved to it.
class Tunnel final : public std::enable_shared_from_this<Tunnel> {
 public:
  Tunnel(boost::asio::io_context& io, std::shared_ptr<Exchange> exchange, std::string host)
      : strand_(boost::asio::make_strand(io)),
        exchange_(std::move(exchange)),
        host_(std::move(host)),
        resolver_(strand_),
        timer_(strand_),
        server_(strand_),
        client_(strand_) {}

  void Open(std::uint16_t port) {
    boost::asio::post(strand_, [self = shared_from_this(), port] {
      self->left_ = self->exchange_->Patience().OnCancelled([weak = self->weak_from_this()] {
        if (auto const tunnel = weak.lock()) boost::asio::post(tunnel->strand_, [tunnel] { tunnel->End(); });
      });
      self->Limit(ConnectTime);
      self->resolver_.async_resolve(
          self->host_, std::to_string(port), tcp::resolver::numeric_service, [self](Problem problem, auto found) {
            if (problem || self->ended_) return self->Refuse(problem);
            boost::asio::async_connect(
                self->server_, found, [self](Problem failed, auto const&) { self->OnConnected(failed); });
          });
    });
  }

 private:
  struct Direction {
    std::array<char, std::size_t{16} * 1024> Buffer{};
  };

  void OnConnected(Problem problem) {
    if (problem || ended_) return Refuse(problem);
    Problem ignored;
    server_.set_option(tcp::no_delay{true}, ignored);
    auto const exchange = std::move(exchange_);
    exchange->BecomeTunnel([self = shared_from_this()](Socket socket, std::string early, std::shared_ptr<Seat> seat) {
      auto shared = std::make_shared<Socket>(std::move(socket));
      boost::asio::post(self->strand_, [self, shared, early = std::move(early), seat = std::move(seat)]() mutable {
        self->Begin(*shared, std::move(early), std::move(seat));
      });
    });
  }

  void Begin(Socket& socket, std::string early, std::shared_ptr<Seat> seat) {
    left_ = {};
    seat_ = std::move(seat);
    seat_->OnEnd([weak = weak_from_this()](Ending how) {
      auto const self = weak.lock();
      // Nobody can say when a tunnel would be done.
      if (self && how == Ending::Now) boost::asio::post(self->strand_, [self] { self->End(); });
    });
    if (ended_) return;
    Problem problem;
    // Off the strand of the connection, onto this one.
    auto const protocol = socket.local_endpoint(problem).protocol();
    auto const descriptor = socket.release(problem);
    if (!problem) client_.assign(protocol, descriptor, problem);
    if (problem) return End();
    early_ = std::move(early);
    boost::asio::async_write(
        server_, boost::asio::buffer(early_), [self = shared_from_this()](Problem failed, std::size_t) {
          if (failed) return self->End();
          self->early_.clear();
          self->Relay(self->client_, self->server_, self->outward_);
          self->Relay(self->server_, self->client_, self->inward_);
        });
  }

  template <class From, class To>
  void Relay(From& from, To& to, Direction& direction) {
    Limit(QuietTime);
    from.async_read_some(
        boost::asio::buffer(direction.Buffer),
        [self = shared_from_this(), &from, &to, &direction](Problem problem, std::size_t count) {
          if (problem) return self->OnEnd(to);
          boost::asio::async_write(
              to, boost::asio::buffer(direction.Buffer, count),
              [self, &from, &to, &direction](Problem failed, std::size_t) {
                if (failed) return self->End();
                self->Relay(from, to, direction);
              });
        });
  }

  // One side has ended: the other is told, and may go on.
  template <class To>
  void OnEnd(To& to) {
    Problem ignored;
    to.shutdown(boost::asio::socket_base::shutdown_send, ignored);
    if (++endings_ == 2) End();
  }

  void Refuse(Problem problem) {
    auto const exchange = std::move(exchange_);
    bool const isLate = ended_;
    End();
    if (!exchange) return;
    Failure failure{
        isLate ? 504 : 502, isLate ? "deadline_exceeded" : "connect_failed",
        "The gateway made no connection to " + Redact(host_) + ": " + (isLate ? "it took too long" : problem.message()),
        "Check the name, and that this machine reaches it without a proxy"};
    failure.Closes = true;
    exchange->Refuse(failure);
  }

  void Limit(std::chrono::steady_clock::duration time) {
    timer_.expires_after(time);
    timer_.async_wait([weak = weak_from_this()](Problem problem) {
      auto const self = weak.lock();
      if (self && !problem) self->End();
    });
  }

  void End() {
    ended_ = true;
    Problem ignored;
    resolver_.cancel();
    timer_.cancel();
    server_.close(ignored);
    client_.close(ignored);
  }

  // Last to go.
  std::shared_ptr<Seat> seat_;
  boost::asio::strand<boost::asio::io_context::executor_type> strand_;
  std::shared_ptr<Exchange> exchange_;
  std::string const host_;
  CancellationRegistration left_;
  tcp::resolver resolver_;
  boost::asio::steady_timer timer_;
  tcp::socket server_;
  Socket client_;
  std::string early_;
  Direction outward_;
  Direction inward_;
  int endings_ = 0;
  bool ended_ = false;
};

}  // namespace

void OpenTunnel(
    boost::asio::io_context& io, std::shared_ptr<Exchange> exchange, std::string const& host, std::uint16_t port) {
  std::make_shared<Tunnel>(io, std::move(exchange), host)->Open(port);
}

}  // namespace mtlspop::gateway
