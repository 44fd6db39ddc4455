#include "gateway/tunnel.hpp"

#include <netdb.h>

#include <array>
#include <chrono>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include "gateway/connections.hpp"
#include "gateway/proxy_dialogue.hpp"
#include "mtlspop/transport/blocking_call.hpp"
#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/redact.hpp"

namespace mtlspop::gateway {
namespace {

using boost::asio::ip::tcp;
using Problem = boost::system::error_code;

constexpr std::chrono::minutes QuietTime{10};

/// What a name was found to be.
struct Found {
  Problem Why;
  std::vector<tcp::endpoint> Endpoints{};
};

// Not by Asio's resolver: it asks for one name after the other, so that one that is slow holds up all others.
Found Resolve(std::string const& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* first = nullptr;
  switch (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &first)) {
    case 0:
      break;
    case EAI_AGAIN:
      return {boost::asio::error::host_not_found_try_again};
    case EAI_MEMORY:
      return {boost::asio::error::no_memory};
    default:
      return {boost::asio::error::host_not_found};
  }
  std::unique_ptr<addrinfo, void (*)(addrinfo*)> const list{first, ::freeaddrinfo};
  Found found;
  for (auto const* entry = first; entry != nullptr; entry = entry->ai_next) {
    tcp::endpoint endpoint;
    if (entry->ai_addrlen > endpoint.capacity()) continue;
    std::memcpy(endpoint.data(), entry->ai_addr, entry->ai_addrlen);
    endpoint.resize(entry->ai_addrlen);
    found.Endpoints.push_back(endpoint);
  }
  return found;
}

/// All of it runs on the loop of the client's connection.
class Tunnel final : public std::enable_shared_from_this<Tunnel> {
 public:
  /// @param proxy of `settings`; null for none
  Tunnel(
      boost::asio::io_context& io,
      Executor home,
      std::shared_ptr<Exchange> exchange,
      Origin destination,
      Proxy const* proxy,
      std::shared_ptr<TunnelSettings const> settings)
      : io_(io),
        home_(std::move(home)),
        exchange_(std::move(exchange)),
        destination_(std::move(destination)),
        target_(destination_.HostAndPort()),
        settings_(std::move(settings)),
        proxy_(proxy),
        timer_(io),
        server_(io),
        client_(io) {}

  void Open() {
    boost::asio::post(io_, [self = shared_from_this()] {
      self->left_ = self->exchange_->Patience().OnCancelled([weak = self->weak_from_this()] {
        if (auto const tunnel = weak.lock()) boost::asio::post(tunnel->io_, [tunnel] { tunnel->End(); });
      });
      self->Limit(self->settings_->ConnectTime);
      try {
        self->Look();
      } catch (Error const& error) {
        self->Refuse(FailureFrom(error));
      }
    });
  }

 private:
  // On a thread that may wait. Until it is back the timer keeps this object, and ends it where that takes too long.
  void Look() {
    auto const& next = proxy_ != nullptr ? proxy_->Address : destination_;
    CallBlocking(
        BlockingWork::Sending, exchange_->Patience().WithTimeout(settings_->ConnectTime),
        [host = next.Host, port = next.Port](Context const&) { return Resolve(host, port); },
        [home = home_, weak = weak_from_this()](Outcome<Found> outcome) {
          home([weak, shared = std::make_shared<Outcome<Found>>(std::move(outcome))] {
            auto const self = weak.lock();
            if (self && !self->ended_) self->OnFound(std::move(*shared));
          });
        });
  }

  void OnFound(Outcome<Found> outcome) {
    // Its time is over before the lookup's turn has come: so it is for the timer.
    if (!outcome.HasValue()) return;
    auto const found = std::move(outcome).Take();
    if (found.Why) return Refuse(found.Why);
    boost::asio::async_connect(server_, found.Endpoints, [self = shared_from_this()](Problem failed, auto const&) {
      self->OnConnected(failed);
    });
  }

  struct Direction {
    /// What was read before there was a tunnel.
    std::string First;
    std::array<char, std::size_t{16} * 1024> Buffer{};
  };

  void OnConnected(Problem problem) {
    if (ended_) return;
    if (problem) return Refuse(problem);
    Problem ignored;
    server_.set_option(tcp::no_delay{true}, ignored);
    if (proxy_ == nullptr) return HandOver();
    AskForTunnel(
        server_, *proxy_, target_, settings_->Limits, [self = shared_from_this()](Outcome<std::string> outcome) {
          if (self->ended_) return;
          if (!outcome.HasValue()) return self->RefuseFor(outcome.Failure());
          self->behind_ = std::move(outcome).Take();
          self->HandOver();
        });
  }

  // The client's connection, which it gets a 200 on.
  void HandOver() {
    auto const exchange = std::move(exchange_);
    exchange->BecomeTunnel([self = shared_from_this()](Socket socket, std::string early, std::shared_ptr<Seat> seat) {
      auto shared = std::make_shared<Socket>(std::move(socket));
      boost::asio::post(self->io_, [self, shared, early = std::move(early), seat = std::move(seat)]() mutable {
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
      if (self && how == Ending::Now) boost::asio::post(self->io_, [self] { self->End(); });
    });
    if (ended_) return;
    client_ = std::move(socket);
    outward_.First = std::move(early);
    inward_.First = std::move(behind_);
    BeginRelay(client_, server_, outward_);
    BeginRelay(server_, client_, inward_);
  }

  template <class From, class To>
  void BeginRelay(From& from, To& to, Direction& direction) {
    boost::asio::async_write(
        to, boost::asio::buffer(direction.First),
        [self = shared_from_this(), &from, &to, &direction](Problem failed, std::size_t) {
          if (failed) return self->End();
          direction.First = {};
          self->Relay(from, to, direction);
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

  void Refuse(Problem problem, bool isLate = false) {
    auto const where = proxy_ != nullptr ? "the proxy " + proxy_->Name() + ", for " : std::string{};
    Refuse(ClosingFailure(
        isLate ? 504 : 502, isLate ? "deadline_exceeded" : "connect_failed",
        "The gateway made no connection to " + where + Redact(destination_.Host) + ": " +
            (isLate ? "it took too long" : problem.message()),
        proxy_ != nullptr ? "Check the proxy's address, or put the host on NO_PROXY before mtlspop run"
                          : "Check the name; where this machine reaches it through a proxy alone, name that in "
                            "HTTPS_PROXY before mtlspop run"));
  }

  /// @param failure of the proxy
  void RefuseFor(std::exception_ptr failure) {
    try {
      std::rethrow_exception(std::move(failure));
    } catch (Error const& error) {
      auto answer = FailureFrom(error);
      answer.Closes = true;
      Refuse(answer);
    }
  }

  void Refuse(Failure const& failure) {
    auto const exchange = std::move(exchange_);
    End();
    if (exchange) exchange->Refuse(failure);
  }

  void Limit(std::chrono::steady_clock::duration time) {
    timer_.expires_after(time);
    timer_.async_wait([self = shared_from_this()](Problem problem) {
      if (problem || self->ended_) return;
      if (self->exchange_) return self->Refuse(Problem{}, true);
      self->End();
    });
  }

  void End() {
    ended_ = true;
    Problem ignored;
    timer_.cancel();
    server_.close(ignored);
    client_.close(ignored);
  }

  // Last to go.
  std::shared_ptr<Seat> seat_;
  boost::asio::io_context& io_;
  Executor const home_;
  std::shared_ptr<Exchange> exchange_;
  Origin const destination_;
  std::string const target_;
  std::shared_ptr<TunnelSettings const> const settings_;
  Proxy const* const proxy_;
  CancellationRegistration left_;
  boost::asio::steady_timer timer_;
  tcp::socket server_;
  Socket client_;
  std::string behind_;
  Direction outward_;
  Direction inward_;
  int endings_ = 0;
  bool ended_ = false;
};

// The gateway's tunnels have no trust store to verify such a proxy with, and its password does not go out in the clear.
void CheckScheme(Proxy const& proxy) {
  if (!proxy.Address.IsHttps()) return;
  ErrorDetails details{
      errors::ProxyFailed,
      "The proxy " + proxy.Name() + " is to be spoken to in TLS, which the gateway's tunnels do not do",
      "Name a proxy with http:// before mtlspop run, or put the host on NO_PROXY"};
  details.NothingSent = true;
  throw Error{std::move(details)};
}

}  // namespace

void OpenTunnel(
    boost::asio::io_context& io,
    Executor home,
    std::shared_ptr<Exchange> const& exchange,
    std::string const& host,
    std::uint16_t port,
    std::shared_ptr<TunnelSettings const> settings) {
  // The program was given one proxy, for https.
  Origin destination{"https", host, port};
  auto const* const proxy = settings->Proxies.For(destination);
  if (proxy != nullptr) CheckScheme(*proxy);
  std::make_shared<Tunnel>(io, std::move(home), exchange, std::move(destination), proxy, std::move(settings))->Open();
}

}  // namespace mtlspop::gateway
