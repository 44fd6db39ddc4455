#include "gateway/listener.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <chrono>
#include <functional>
#include <optional>
#include <utility>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "gateway/loopback_peer.hpp"
#include "gateway/peer_credentials.hpp"
#include "gateway/unix_socket.hpp"
#include "mtlspop/base/reserved_memory.hpp"
#include "mtlspop/transport/error.hpp"

namespace mtlspop::gateway {
namespace {

using boost::asio::ip::tcp;
using Local = boost::asio::local::stream_protocol;
using Problem = boost::system::error_code;

// While there are no descriptors, or too many connections.
constexpr std::chrono::milliseconds Pause{50};

void Check(Problem problem, std::string const& where) {
  if (!problem) return;
  throw Error{
      {errors::SystemFailure, "The gateway could not listen on " + where + ": " + problem.message(),
       "Take another address, or end what listens there"}};
}

bool MeansNothingLeft(Problem problem) noexcept {
  namespace errc = boost::system::errc;
  return problem == errc::too_many_files_open || problem == errc::too_many_files_open_in_system ||
         problem == errc::no_buffer_space || problem == errc::not_enough_memory;
}

/// What is the same for all kinds of sockets.
template <class Protocol>
class Accepting : public Listener, public std::enable_shared_from_this<Accepting<Protocol>> {
 public:
  /// Whether a client may come in.
  using Admission = std::function<bool(int descriptor)>;

  Accepting(Loops& loops, Admission admission)
      : loops_(loops), io_(loops.NextIo()), acceptor_(io_), pause_(io_), admission_(std::move(admission)) {}

  typename Protocol::acceptor& Acceptor() noexcept { return acceptor_; }
  void Keep(std::unique_ptr<UnixSocketFile> file) { file_ = std::move(file); }
  void SetPlace(tcp::endpoint const& place) {
    auto const address = place.address().to_string();
    port_ = place.port();
    authority_ = (place.address().is_v6() ? "[" + address + "]" : address) + ":" + std::to_string(port_);
  }

  std::uint16_t Port() const noexcept override { return port_; }
  std::string const& Authority() const noexcept override { return authority_; }

  void Start(
      std::shared_ptr<Site> site,
      std::shared_ptr<ConnectionSettings const> settings,
      std::shared_ptr<Connections> connections) override {
    site_ = std::move(site);
    settings_ = std::move(settings);
    connections_ = std::move(connections);
    Problem problem;
    acceptor_.listen(boost::asio::socket_base::max_listen_connections, problem);
    Check(problem, "its socket");
    boost::asio::post(io_, [self = this->shared_from_this()] { self->Accept(); });
  }

  void Stop() override {
    boost::asio::post(io_, [self = this->shared_from_this()] {
      Problem ignored;
      self->acceptor_.close(ignored);
      self->pause_.cancel();
      self->file_ = nullptr;
    });
  }

 private:
  void Accept() {
    if (!acceptor_.is_open()) return;
    try {
      acceptor_.async_accept(loops_.NextIo(), [self = this->shared_from_this()](Problem problem, auto socket) {
        self->OnAccepted(problem, std::move(socket));
      });
    } catch (std::exception const&) {
      settings_->OnNotAccepted(NotAccepted::NothingLeft);
      AcceptLater();
    }
  }

  template <class Accepted>
  void OnAccepted(Problem problem, Accepted socket) {
    if (!acceptor_.is_open()) return;
    if (problem) {
      if (MeansNothingLeft(problem)) settings_->OnNotAccepted(NotAccepted::NothingLeft);
      return AcceptLater();
    }
    try {
      Admit(std::move(socket));
    } catch (std::exception const&) {
      // No memory for this one; others come.
      settings_->OnNotAccepted(NotAccepted::NothingLeft);
      return AcceptLater();
    }
    Accept();
  }

  template <class Accepted>
  void Admit(Accepted socket) {
    if (!admission_(socket.native_handle())) return settings_->OnNotAccepted(NotAccepted::OwnerNotAllowed);
    // Where there are too many connections, this one is closed: whoever waits in the queue would not be told.
    auto seat = connections_->Take();
    if (!seat) return settings_->OnNotAccepted(NotAccepted::TooManyConnections);
    if constexpr (std::is_same_v<Protocol, tcp>) {
      Problem ignored;
      socket.set_option(tcp::no_delay{true}, ignored);
    }
    std::make_shared<Connection>(Socket{std::move(socket)}, site_, settings_, std::move(seat))->Start();
  }

  void AcceptLater() {
    try {
      pause_.expires_after(Pause);
      pause_.async_wait([self = this->shared_from_this()](Problem) { self->Accept(); });
    } catch (std::exception const&) {
      // No memory for a timer. What else the loop has to do may give some back; so this is tried again behind that, with memory
      // of its own.
      boost::asio::post(io_, Retry{this->shared_from_this()});
    }
  }

  /// One at a time, in `retryMemory_`.
  struct Retry {
    using allocator_type = ReservedMemory::Allocator<void>;

    allocator_type get_allocator() const noexcept { return On->retryMemory_.MakeAllocator(); }
    void operator()() const { On->Accept(); }

    std::shared_ptr<Accepting> On;
  };

  Loops& loops_;
  /// Where it accepts; the connections are spread.
  boost::asio::io_context& io_;
  typename Protocol::acceptor acceptor_;
  boost::asio::steady_timer pause_;
  Admission const admission_;
  ReservedMemory retryMemory_;
  std::uint16_t port_ = 0;
  std::string authority_;
  std::unique_ptr<UnixSocketFile> file_;
  std::shared_ptr<Site> site_;
  std::shared_ptr<ConnectionSettings const> settings_;
  std::shared_ptr<Connections> connections_;
};

bool AdmitsAll(int) noexcept { return true; }

std::function<bool(int)> AdmissionOf(std::optional<gid_t> group) {
  return [group](int descriptor) { return IsPeerAllowed(descriptor, group); };
}

std::optional<gid_t> GroupIn(std::string const& name) {
  return name.empty() ? std::nullopt : std::optional<gid_t>{GroupNamed(name)};
}

[[noreturn]] void RefuseInherited() {
  throw Error{
      {errors::InvalidArgument,
       "The socket that the service manager has passed is neither a unix socket nor bound to a loopback address",
       "Write ListenStream=/run/... or ListenStream=127.0.0.1:... in the socket unit: the gateway serves this machine "
       "alone"}};
}

bool IsLoopback(sockaddr_storage const& address) noexcept {
  if (address.ss_family == AF_INET) {
    return (ntohl(reinterpret_cast<sockaddr_in const&>(address).sin_addr.s_addr) >> 24) == 127;
  }
  return address.ss_family == AF_INET6 &&
         IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<sockaddr_in6 const&>(address).sin6_addr);
}

}  // namespace

std::shared_ptr<Listener> Listener::OnLoopback(Loops& loops, std::uint16_t port, Callers callers) {
  auto const where = "127.0.0.1:" + std::to_string(port);
  auto listener =
      std::make_shared<Accepting<tcp>>(loops, callers == Callers::ThisUser ? IsLoopbackPeerAllowed : AdmitsAll);
  Problem problem;
  listener->Acceptor().open(tcp::v4(), problem);
  Check(problem, where);
  // A port that was ours a moment ago is to be had again.
  if (port != 0) listener->Acceptor().set_option(boost::asio::socket_base::reuse_address{true}, problem);
  listener->Acceptor().bind({boost::asio::ip::address_v4::loopback(), port}, problem);
  Check(problem, where);
  listener->SetPlace(listener->Acceptor().local_endpoint());
  return listener;
}

std::shared_ptr<Listener> Listener::OnUnixSocket(Loops& loops, std::string const& path, std::string const& group) {
  auto const allowed = GroupIn(group);
  auto listener = std::make_shared<Accepting<Local>>(loops, AdmissionOf(allowed));
  auto file = std::make_unique<UnixSocketFile>(path, allowed);
  Problem problem;
  listener->Acceptor().assign(Local{}, file->Release(), problem);
  Check(problem, path);
  listener->Keep(std::move(file));
  return listener;
}

std::shared_ptr<Listener> Listener::OnInherited(Loops& loops, int descriptor, std::string const& group) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &length) != 0) RefuseInherited();
  Problem problem;
  if (address.ss_family == AF_UNIX) {
    auto listener = std::make_shared<Accepting<Local>>(loops, AdmissionOf(GroupIn(group)));
    listener->Acceptor().assign(Local{}, descriptor, problem);
    Check(problem, "the socket passed by the service manager");
    return listener;
  }
  if (!IsLoopback(address)) RefuseInherited();
  auto listener = std::make_shared<Accepting<tcp>>(loops, AdmitsAll);
  listener->Acceptor().assign(address.ss_family == AF_INET ? tcp::v4() : tcp::v6(), descriptor, problem);
  Check(problem, "the socket passed by the service manager");
  listener->SetPlace(listener->Acceptor().local_endpoint());
  return listener;
}

}  // namespace mtlspop::gateway
