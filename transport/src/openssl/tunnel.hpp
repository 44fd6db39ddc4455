#pragma once

/// @file
/// A proxy's tunnel (RFC 9110 section 9.3.6).

#include <string>

#include "http1_parser.hpp"
#include "mtlspop/transport/proxy_selection.hpp"
#include "openssl/connection.hpp"

namespace mtlspop::openssl {

/// @throw Error `code`: that the proxy did `what`
[[noreturn]] void ThrowProxy(
    ErrorCode code, Proxy const& proxy, std::string const& what, std::string action, int status = 0);

/// Has a proxy open a tunnel, on a connection to it.
///
/// Thread safety: one thread at a time.
class Tunnel final {
 public:
  /// Borrows everything.
  /// @param target "host:port"
  Tunnel(Connection& connection, Proxy const& proxy, std::string target, TransportLimits const& limits);
  ~Tunnel();
  Tunnel(Tunnel const&) = delete;
  Tunnel& operator=(Tunnel const&) = delete;

  /// Done once it is open.
  /// @throw Error
  Step Advance();

 private:
  Step Ask();
  Step ReadAnswer();
  bool LookForHead();
  void Judge() const;

  Connection& connection_;
  Proxy const& proxy_;
  std::string const target_;
  TransportLimits const& limits_;
  /// What asks for it; overwritten once it is sent, as it holds the credentials.
  std::string head_;
  std::size_t sent_ = 0;
  Http1Parser parser_;
  std::size_t informational_ = 0;
};

}  // namespace mtlspop::openssl
