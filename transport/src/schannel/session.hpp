#pragma once

/// @file
/// One WinHTTP session per binding: WinHTTP does not know whose certificate a connection of its pool carries. Each
/// session is told to keep its connections to itself; where a Windows cannot, the ConnectionLedger alone tells them
/// apart.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "closed_connection.hpp"
#include "mtlspop/transport/binding_certificate.hpp"
#include "mtlspop/transport/http_transport.hpp"
#include "schannel/winhttp_functions.hpp"

namespace mtlspop::schannel {

/// Which requests share a session, and with it its connections.
struct SessionKey {
  /// Key id of the binding, "" for none.
  std::string X5tS256;
  TlsVersion MinimumTls = TlsVersion::Tls12;
  TlsVersion MaximumTls = TlsVersion::Tls12;
  /// "host:port", "" for none.
  std::string Proxy;
  /// Where `Proxy` is empty: whether the machine's own proxy settings hold.
  bool UsesSystemProxy = false;

  /// Whether a proxy may stand between, and answer in the server's place.
  bool MayMeetProxy() const noexcept { return !Proxy.empty() || UsesSystemProxy; }
  /// The same for equal keys and for no others.
  std::string ToString() const;
};

/// A session handle, closed when its last request is done.
///
/// Thread safety: all members may be called from any thread at any time.
class Session final {
 public:
  /// @throw Error `system_failure` where WinHTTP gives no session, cannot keep to the TLS versions asked for, or knows
  /// how to keep its connections apart from other sessions' and does not
  Session(
      std::shared_ptr<WinHttpFunctions> functions,
      SessionKey key,
      std::shared_ptr<BindingCertificate const> binding,
      PoolOptions const& pool);
  ~Session();
  Session(Session const&) = delete;
  Session& operator=(Session const&) = delete;

  WinHttpFunctions& Functions() const noexcept { return *functions_; }
  HINTERNET Handle() const noexcept { return handle_; }
  /// Null for none. Kept here, since a connection of this session may ask its key to sign at any time.
  std::shared_ptr<BindingCertificate const> const& Binding() const noexcept { return binding_; }
  SessionKey const& Key() const noexcept { return key_; }
  /// Whose its connections are: this session's, and not those of one with the same key that was dropped before. An older
  /// Windows keeps connections for other sessions.
  std::string ConnectionOwner() const { return key_.ToString() + "|" + std::to_string(number_); }
  /// Why its connections are closed with it. Until this is called, because the transport has gone.
  void CloseFor(CloseReason why) const noexcept { why_ = why; }
  CloseReason Why() const noexcept { return why_; }

 private:
  void Configure(PoolOptions const& pool);
  void SetTlsVersions();
  void KeepConnectionsApart();
  [[noreturn]] void Fail(char const* what) const;

  std::shared_ptr<WinHttpFunctions> functions_;
  SessionKey key_;
  std::shared_ptr<BindingCertificate const> binding_;
  HINTERNET handle_ = nullptr;
  /// Of all sessions of the process.
  std::uint64_t number_;
  mutable std::atomic<CloseReason> why_{CloseReason::TransportGone};
};

}  // namespace mtlspop::schannel
