#pragma once

/// @file
/// From a route to a connection that is ready for a request: through the tunnel of the proxy where there is one.

#include <memory>
#include <optional>

#include "openssl/connection.hpp"
#include "openssl/dial.hpp"
#include "openssl/name_resolution.hpp"
#include "openssl/route.hpp"
#include "openssl/tls_context.hpp"
#include "openssl/tunnel.hpp"

namespace mtlspop::openssl {

/// Thread safety: one thread at a time, one use.
class Connecting final {
 public:
  /// Borrows everything.
  /// @param tls what to shake hands with the origin with, nullptr for plain http
  Connecting(
      Route const& route,
      TlsContexts& contexts,
      std::shared_ptr<TlsContext> tls,
      TransportLimits const& limits,
      Driver& driver);

  /// Done once the connection is ready.
  /// @throw Error
  Step Advance();
  /// Gives buffers back before a wait of unknown length.
  void FreeBuffers() noexcept {
    if (connection_) {
      connection_->FreeBuffers();
    }
  }
  std::unique_ptr<Connection> Take() noexcept { return std::move(connection_); }

 private:
  enum class Stage { Resolve, Dial, ProxyHandshake, Tunnel, BeginHandshake, Handshake, Ready };

  Step Try();
  Step Reach();
  Step ReachProxy();
  Step Resolve();
  Step Dial();
  Step ShakeHandsWithProxy();
  Step OpenTunnel();
  Step BeginHandshake();
  Step ShakeHands();

  Route const& route_;
  TlsContexts& contexts_;
  std::shared_ptr<TlsContext> tls_;
  TransportLimits const& limits_;
  Stage stage_ = Stage::Resolve;
  std::optional<Resolution> resolution_;
  std::optional<Race> race_;
  std::optional<Tunnel> tunnel_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace mtlspop::openssl
