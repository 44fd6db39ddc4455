#pragma once

/// @file
/// Where clients connect.

#include <cstdint>
#include <memory>
#include <string>

#include "gateway/connection.hpp"
#include "gateway/connections.hpp"
#include "gateway/loops.hpp"

namespace mtlspop::gateway {

/// Whose processes may connect to a loopback port.
enum class Callers {
  /// Those of this process's user, and root's.
  ThisUser,
  /// All of this machine, for a site that asks for a secret, or has none.
  Anybody
};

/// Accepts connections and gives them to a site. On loopback addresses and unix sockets alone: there is no way to have it
/// listen elsewhere.
///
/// Thread safety: all members may be called from any thread.
class Listener {
 public:
  /// On 127.0.0.1. Bound, not yet listening.
  /// @param port 0 for any that is free
  /// @throw Error `system_failure` where it cannot be had; so do the others
  static std::shared_ptr<Listener> OnLoopback(Loops& loops, std::uint16_t port, Callers callers = Callers::ThisUser);

  /// On a unix socket that its owner alone may connect to, or with `group` the members of that group too; "" for none.
  /// Whoever connects is asked for once more: another user's process is refused whatever the file's mode has become.
  /// A socket that is left of an earlier run is replaced; one that somebody listens on, or another kind of file, is not.
  static std::shared_ptr<Listener> OnUnixSocket(Loops& loops, std::string const& path, std::string const& group);

  /// On a socket that the service manager has opened (sd_listen_fds(3)): a unix socket, or one bound to a loopback address.
  /// @throw Error `invalid_argument` for any other
  static std::shared_ptr<Listener> OnInherited(Loops& loops, int descriptor, std::string const& group);

  virtual ~Listener() = default;

  /// 0 for a unix socket.
  virtual std::uint16_t Port() const noexcept = 0;
  /// How a client names it in a URL, "127.0.0.1:8080" or "[::1]:8080"; "" for a unix socket.
  virtual std::string const& Authority() const noexcept = 0;
  virtual void Start(
      std::shared_ptr<Site> site,
      std::shared_ptr<ConnectionSettings const> settings,
      std::shared_ptr<Connections> connections) = 0;
  virtual void Stop() = 0;

 protected:
  Listener() = default;
  Listener(Listener const&) = delete;
  Listener& operator=(Listener const&) = delete;
};

}  // namespace mtlspop::gateway
