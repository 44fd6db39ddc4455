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
  /// @param first when to look first. Not at once: the pool of a busy client is empty more often than not, and this would end.
  /// @throw Error `system_failure` where there is no thread to be had
  IdleSweep(std::weak_ptr<ConnectionPool> pool, std::chrono::milliseconds first);

  void Begin() noexcept { reactor_->Ready(shared_from_this()); }
  /// The pool has gone, and so does the thread.
  void End() noexcept { reactor_->Ready(shared_from_this()); }
  void Resume() noexcept override;

 private:
  std::weak_ptr<ConnectionPool> const pool_;
  std::shared_ptr<Reactors> const reactors_;
  std::shared_ptr<Reactor> const reactor_;
  boost::asio::steady_timer timer_;
  std::optional<std::chrono::steady_clock::duration> first_;
};

}  // namespace mtlspop::openssl
