#pragma once

/// @file
/// Closes idle connections when their time has come, though no request comes.

#include <chrono>
#include <memory>
#include <optional>

#include <boost/asio/steady_timer.hpp>

#include "openssl/reactor.hpp"

namespace mtlspop::openssl {

class ConnectionPool;

/// Looks at a pool on a reactor's thread, as long as there are idle connections in it.
///
/// Thread safety: `Begin` and `End` may be called from any thread.
class IdleSweep final : public Resumable {
 public:
  /// @throw Error `system_failure` where there is no thread to be had
  explicit IdleSweep(std::weak_ptr<ConnectionPool> pool);

  /// The first look.
  void Begin() noexcept { reactor_->Ready(shared_from_this()); }
  /// The pool has gone, and so does the thread.
  void End() noexcept { reactor_->Ready(shared_from_this()); }
  void Resume() noexcept override;

 private:
  std::weak_ptr<ConnectionPool> const pool_;
  std::shared_ptr<Reactors> const reactors_;
  std::shared_ptr<Reactor> const reactor_;
  boost::asio::steady_timer timer_;
};

}  // namespace mtlspop::openssl
