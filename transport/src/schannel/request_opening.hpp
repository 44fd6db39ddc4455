#pragma once

/// @file
/// What a request over WinHTTP needs before it is sent: where it goes, and a handle that is set up for it.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "destination.hpp"
#include "mtlspop/transport/http_transport.hpp"
#include "mtlspop/transport/proxy_selection.hpp"
#include "schannel/async_request.hpp"
#include "schannel/connection_ledger.hpp"
#include "schannel/proxy_credentials.hpp"
#include "schannel/server_trust.hpp"
#include "schannel/session_pool.hpp"

namespace mtlspop::schannel {

/// WinHTTP offered a connection that was not made for the request's session, or does not say which one it is.
struct UnusableConnection {
  bool IsForeign = true;
};

/// What the check of one attempt's connection found out, on a thread of WinHTTP's, before the request was sent.
struct Checked {
  /// Number of the connection, 0 where there was none yet.
  std::uint64_t Connection = 0;
  bool IsVerified = false;
};

/// What one attempt needs to know, put together once for a request.
struct Plan {
  Destination Where;
  SessionKey Key;
  std::optional<ProxyCredentials> Credentials;
  bool KeepsAlive = true;
};

/// Opens requests, and looks at the connections that WinHTTP would use for them.
///
/// Thread safety: all members may be called from any thread at any time.
class RequestOpening final {
 public:
  /// Borrows the options.
  RequestOpening(TransportOptions const& options, std::shared_ptr<WinHttpFunctions> functions);

  /// @throw Error `invalid_argument` where the proxy cannot be used
  Plan MakePlan(Request const& request, BindingCertificate const* binding) const;
  /// `checked` is written by the check of the connection that the request is about to be sent on, which throws
  /// `UnusableConnection`, or an Error, where it must not be.
  /// @throw Error
  AsyncRequest::Ptr Open(
      Request const& request,
      Plan const& plan,
      std::shared_ptr<BindingCertificate const> const& binding,
      Context const& context,
      std::shared_ptr<Checked> const& checked);
  /// Whether the server's certificate has to be verified here, and not by WinHTTP alone.
  bool Verifies(Request const& request, Plan const& plan) const;

  SessionPool& Sessions() noexcept { return *sessions_; }
  SessionPool const& Sessions() const noexcept { return *sessions_; }
  ConnectionLedger& Ledger() const noexcept { return *ledger_; }

 private:
  ConnectionCheck MakeCheck(
      Request const& request, Plan const& plan, Session const& session, std::shared_ptr<Checked> checked) const;
  void Configure(AsyncRequest& sending, Request const& request, Plan const& plan) const;
  void SetSecurityFlags(AsyncRequest& sending, Plan const& plan, bool resolvesElsewhere) const;
  void SetTimeouts(AsyncRequest& sending, Context const& context) const;

  TransportOptions const& options_;
  DestinationTable const destinations_;
  ProxySelection const proxies_;
  std::vector<std::string> const direct_;
  std::shared_ptr<ServerTrust const> const trust_;
  std::shared_ptr<ConnectionLedger> const ledger_;
  std::shared_ptr<SessionPool> const sessions_;
};

/// Has WinHTTP present the certificate where the server asks; null for none.
/// @throw Error
void SetCertificate(AsyncRequest& sending, BindingCertificate const* binding);

/// @throw Error `server_certificate_rejected`, always
[[noreturn]] void ThrowUnverified(std::string const& host);

}  // namespace mtlspop::schannel
