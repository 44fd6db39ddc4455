#pragma once

/// @file
/// What a reactor knows a socket by.

#include <cstdint>
#include <memory>

#include <boost/asio/posix/stream_descriptor.hpp>

namespace mtlspop::openssl {

class Reactor;

/// A connection keeps it from one wait to the next, and through its idle time: to register and to forget a socket for each wait
/// takes four system calls.
///
/// Thread safety: one thread at a time, as the connection's.
class SocketRegistration final {
 public:
  /// Borrows the descriptor, which it has to be gone before.
  /// @throw boost::system::system_error where the system has no room for it
  SocketRegistration(std::shared_ptr<Reactor> reactor, int descriptor);
  /// Does nothing in a child of fork(), which shares what its parent's reactors wait with.
  ~SocketRegistration();
  SocketRegistration(SocketRegistration const&) = delete;
  SocketRegistration& operator=(SocketRegistration const&) = delete;

  bool IsWith(Reactor const& reactor) const noexcept { return held_->With.get() == &reactor; }
  boost::asio::posix::stream_descriptor& Socket() noexcept { return held_->Socket; }

  /// It is to be waited for room to write. From then on the system says at each wait that there is room, until it is registered
  /// anew.
  void WaitToWrite() noexcept { hasWaitedToWrite_ = true; }
  bool HasWaitedToWrite() const noexcept { return hasWaitedToWrite_; }

 private:
  struct Held {
    std::shared_ptr<Reactor> With;
    boost::asio::posix::stream_descriptor Socket;
  };

  std::unique_ptr<Held> held_;
  std::uint64_t const epoch_;
  bool hasWaitedToWrite_ = false;
};

}  // namespace mtlspop::openssl
