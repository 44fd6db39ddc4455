#include "openssl/socket.hpp"

#include <cerrno>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace mtlspop::openssl {

Descriptor StartConnect(sockaddr const* address, socklen_t length) {
  Descriptor socket{::socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP)};
  if (!socket.IsOpen()) {
    return socket;
  }
  int const on = 1;
  ::setsockopt(socket.Get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(socket.Get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  if (::connect(socket.Get(), address, length) != 0 && errno != EINPROGRESS && errno != EINTR) {
    int const cause = errno;
    socket = Descriptor{};
    errno = cause;
  }
  return socket;
}

int ConnectResult(Descriptor const& socket) noexcept {
  int cause = 0;
  socklen_t length = sizeof cause;
  if (::getsockopt(socket.Get(), SOL_SOCKET, SO_ERROR, &cause, &length) != 0) {
    return errno;
  }
  if (cause != 0) {
    return cause;
  }
  int nonBlocking = 0;
  return ::ioctl(socket.Get(), FIONBIO, &nonBlocking) == 0 ? 0 : errno;
}

IdleState LookAtIdle(Descriptor const& socket) noexcept {
  char byte = 0;
  auto const count = ::recv(socket.Get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (count > 0) {
    return IdleState::HasInput;
  }
  bool const quiet = count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
  return quiet ? IdleState::Quiet : IdleState::Dead;
}

IoResult SocketChannel::TryRead(gsl::span<std::uint8_t> buffer) {
  if (descriptor_ < 0) {
    return {IoStatus::WantRead};
  }
  for (;;) {
    auto const count = ::recv(descriptor_, buffer.data(), buffer.size(), mayBlock_ ? 0 : MSG_DONTWAIT);
    if (count > 0) {
      return {IoStatus::Done, static_cast<std::size_t>(count)};
    }
    if (count == 0) {
      return {IoStatus::Closed};
    }
    if (errno != EINTR) {
      return {errno == EAGAIN || errno == EWOULDBLOCK ? IoStatus::WantRead : IoStatus::Lost};
    }
  }
}

IoResult SocketChannel::TryWrite(gsl::span<std::uint8_t const> bytes) {
  if (descriptor_ < 0) {
    return {IoStatus::WantWrite};
  }
  for (;;) {
    // MSG_NOSIGNAL: a connection that the other side has closed is an error here, not a SIGPIPE for the process.
    auto const count = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count >= 0) {
      return {IoStatus::Done, static_cast<std::size_t>(count)};
    }
    if (errno != EINTR) {
      mayBlock_ = false;
      return {errno == EAGAIN || errno == EWOULDBLOCK ? IoStatus::WantWrite : IoStatus::Lost};
    }
  }
}

ErrorDetails SocketChannel::Failure() const {
  return {errors::SystemFailure, "A plain connection reported a TLS failure", "Report this as a defect of mtlspop"};
}

}  // namespace mtlspop::openssl
