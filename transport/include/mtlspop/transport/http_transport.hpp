#pragma once

/// @file
/// How a request travels: one request, one certificate, one connection.
///
/// Use it when requests must carry a client certificate that belongs to the request and not to the client object: with
/// several identities in one process, or with certificates that are renewed while the process runs. For plain requests
/// any HTTP library does.
///
/// @code
/// auto transport = mtlspop::MakeHttpTransport();
/// mtlspop::Request request{"GET", mtlspop::Url::Parse("https://myvault.vault.azure.net/secrets/a?api-version=7.4")};
/// request.Fields.Set("Authorization", token.AuthorizationHeader());
/// auto response = transport->Send(request, token.Binding, mtlspop::Context{}.WithTimeout(std::chrono::seconds{10}));
/// auto body = mtlspop::ReadToEnd(*response->Body, mtlspop::DefaultBufferedBodyBytes, {});
/// @endcode

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gsl/pointers>

#include "mtlspop/export.hpp"
#include "mtlspop/transport/binding_certificate.hpp"
#include "mtlspop/transport/clock.hpp"
#include "mtlspop/transport/context.hpp"
#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/executor.hpp"
#include "mtlspop/transport/observer.hpp"
#include "mtlspop/transport/outcome.hpp"
#include "mtlspop/transport/request.hpp"
#include "mtlspop/transport/response.hpp"
#include "mtlspop/transport/secret.hpp"

namespace mtlspop {

/// The versions of TLS that are spoken. Older ones are never offered (RFC 8996).
enum class TlsVersion {
  /// TLS 1.2 (RFC 5246), with secure renegotiation (RFC 5746).
  Tls12,
  /// TLS 1.3 (RFC 8446).
  Tls13,
};

/// Which certificate authorities vouch for servers. Verification itself has no switch.
///
/// A certificate given here is trusted as it is: a root, an issuing authority without its root, or a server's own
/// certificate. Where one is given it is the only one that is trusted, unless `UseSystemStore` says otherwise.
struct TrustOptions {
  /// Trust what the operating system trusts. Left out where `CaFile` or `CaPem` is given, unless this is set to true.
  std::optional<bool> UseSystemStore;
  /// A file of PEM certificates to trust; "" for none.
  std::string CaFile;
  /// PEM certificates to trust; "" for none.
  std::string CaPem;
  /// A file of PEM certificate revocation lists. Where given, every certificate of a server's chain must have a current
  /// list from its issuer in it, and must not be on that list (RFC 5280 section 6.3).
  std::string CrlFile;
};

/// TLS with one origin, where it differs from the rest.
struct OriginTlsOptions {
  /// "https://host:port" or "https://host".
  std::string Origin;
  /// The highest version for requests with a binding. TLS 1.3 is right only where the origin asks for the certificate
  /// in the first handshake or by post-handshake authentication (RFC 8446 section 4.6.2).
  TlsVersion MaximumBoundVersion = TlsVersion::Tls12;
};

/// How connections are secured.
struct TlsOptions {
  /// The lowest version for all requests. `Tls13` holds for bound requests too: they then speak TLS 1.3, and a server
  /// that does not ask for the certificate under it never sees one.
  TlsVersion MinimumVersion = TlsVersion::Tls12;
  /// Requests with a binding use TLS 1.2 at most, except for these origins: neither the token service nor resources ask
  /// for the certificate under TLS 1.3 yet, and a client that negotiates 1.3 is then never asked.
  std::vector<OriginTlsOptions> Origins;
  /// Which servers are trusted.
  TrustOptions Trust;
};

/// Connects to another place than the URL says; names, certificates and headers stay as the URL has them.
struct ConnectOverride {
  /// "host:port" as in the URL; the host may begin with "*." for every name below it.
  std::string From;
  /// "host:port" where the connection goes instead.
  std::string To;
};

/// The way out. A proxy sees the names of https hosts, never what is said to them, and never the binding certificate.
struct ProxyOptions {
  /// Read `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` as curl does (lower case first; `HTTP_PROXY` only in
  /// lower case). Ignored where `Url` is given.
  bool UseEnvironment = true;
  /// "http://host:port" or "https://host:port"; "" for none.
  std::string Url;
  /// For Basic authentication to the proxy (RFC 7617); "" for none.
  std::string UserName;
  /// The password that goes with `UserName`.
  Secret Password;
  /// Hosts that are reached directly, in the form of `NO_PROXY`.
  std::string NoProxy;
};

/// How many connections are kept, and for how long. On Windows WinHTTP keeps them: `MaximumTotal` and the line of those
/// that wait are its own affair.
struct PoolOptions {
  /// Connections to one (origin, proxy, `x5t#S256`) at a time, in use and idle. A request that finds them all in use waits
  /// for one until its context ends. At least 1.
  std::size_t MaximumPerOrigin = 256;
  /// Connections in all. At least 1. Idle ones are closed, least recently used first, to make room.
  std::size_t MaximumTotal = 4096;
  /// Requests that wait for a connection to one (origin, proxy, `x5t#S256`), first come first served. One more fails with
  /// `pool_queue_full`; 0 lets nobody wait.
  std::size_t MaximumWaitingPerOrigin = 65'536;
  /// Idle ones are closed after this time.
  std::chrono::milliseconds IdleTimeout{60'000};
};

/// What is accepted from the other side. Each violation is an error of its own code.
struct TransportLimits {
  /// Status line and header fields together, in bytes.
  std::size_t HeaderBytes = 64 * 1024;
  /// Number of header fields.
  std::size_t HeaderCount = 256;
  /// One line of the header, in bytes.
  std::size_t LineBytes = 16 * 1024;
  /// Extensions of one chunk, in bytes (RFC 9112 section 7.1.1).
  std::size_t ChunkExtensionBytes = 1024;
  /// Informational (1xx) answers before the answer itself.
  std::size_t InformationalResponses = 16;
  /// Renegotiations and post-handshake authentications during one request.
  std::size_t Renegotiations = 4;
};

/// Options of `MakeHttpTransport`. A default-constructed one is right for production.
struct TransportOptions {
  /// Versions of TLS, and which servers are trusted.
  TlsOptions Tls;
  /// The way out.
  ProxyOptions Proxy;
  /// Connections that are kept.
  PoolOptions Pool;
  /// What is accepted from servers.
  TransportLimits Limits;
  /// Other places to connect to. The first one that fits is taken.
  std::vector<ConnectOverride> ConnectOverrides;
  /// Time to resolve, connect and shake hands, all together.
  std::chrono::milliseconds ConnectTimeout{30'000};
  /// How long `Request::ExpectContinue` waits for `100 Continue`.
  std::chrono::milliseconds ContinueTimeout{1'000};
  /// Who is told of what happens; the process's default observer where nobody else is named.
  EventSink Observer;
  /// Must not be null.
  std::shared_ptr<Clock> Time = SystemClock();
  /// Where completions of asynchronous calls run, and whatever else of the application's is called on their behalf and does
  /// not block. Must not be empty.
  Executor Callbacks = DefaultExecutor();
};

/// What the pool holds at a moment, for people on call.
struct PoolStatistics {
  /// Connections that wait for a request.
  std::size_t Idle = 0;
  /// Connections that have one.
  std::size_t InUse = 0;
  /// Requests that wait for a connection.
  std::size_t Waiting = 0;
  /// Bindings with a TLS context of their own.
  std::size_t Bindings = 0;
  /// Connections opened. This and all that follows counts from when the transport was made.
  std::uint64_t Opened = 0;
  /// Of the connections opened, those with a resumed TLS session.
  std::uint64_t Resumed = 0;
  /// Requests that used a connection which was open already.
  std::uint64_t Reused = 0;
  /// Idle connections closed to make room for another one.
  std::uint64_t Evicted = 0;
  /// Idle connections closed after `PoolOptions::IdleTimeout`.
  std::uint64_t Expired = 0;
  /// Idle connections that the other side had closed.
  std::uint64_t FoundDead = 0;
  /// Connections closed by `HttpTransport::DropConnections`.
  std::uint64_t Dropped = 0;
};

/// Sends requests. Implementations: OpenSSL, or SChannel on Windows (`MakeHttpTransport`); a test can write its own, for
/// which `Send` is enough. `Send` waits on the caller's thread, `SendAsync` on none.
///
/// Thread safety: all members may be called from any thread at any time.
class MTLSPOP_EXPORT HttpTransport {
 public:
  virtual ~HttpTransport() = default;

  /// Sends `request` and returns as soon as the answer's header is there.
  ///
  /// `binding` is the certificate that this request, and only this request, presents; null for none. A connection
  /// belongs to one (origin, proxy, `x5t#S256`) for its whole life, so a request can only travel on one made for its own
  /// certificate. The certificate is presented when the server asks: in the first handshake, in a renegotiation
  /// (TLS 1.2, RFC 5746) or by post-handshake authentication (TLS 1.3, RFC 8446 section 4.6.2), whatever authorities
  /// the server names.
  ///
  /// Redirects are never followed. A request that met a pooled connection which turned out dead before any byte of an
  /// answer came is sent once more on a new one, where its method is idempotent or nothing of it was sent, and its body
  /// can be rewound.
  ///
  /// `context` bounds everything until the header is there; reading the body takes a context of its own. A cancellation
  /// from another thread is noticed within 50 ms.
  ///
  /// @throw Error with the codes of error.hpp. Nothing of the connection is left behind.
  virtual std::unique_ptr<Response> Send(
      Request& request, std::shared_ptr<BindingCertificate const> const& binding, Context const& context) = 0;

  /// As `Send`, without a thread that waits: `done` gets what `Send` returns or throws. The transport must live until then;
  /// `request` is kept, and not to be touched meanwhile. What is promised to `done` and asked of it is said in outcome.hpp.
  ///
  /// The request's body is read with `BodyStream::ReadAsync`, whose context ends early where the server answers, or goes, before
  /// it wants all of it. The body of the answer is to be read with it too: its `Read`
  /// waits on the caller's thread.
  ///
  /// By default calls `Send` on one of a bounded number of threads (64 for the process), where it may wait for its turn. A
  /// transport that has an asynchronous way of its own overrides this.
  /// @throw Error `invalid_argument` for a request that is null, `system_failure` where no thread can be had;
  /// std::bad_alloc. `done` is not called then
  virtual void SendAsync(
      std::shared_ptr<Request> request,
      std::shared_ptr<BindingCertificate const> binding,
      Context const& context,
      Completion<std::unique_ptr<Response>> done);

  /// Lets go of everything that was made for the binding of this `x5t#S256` until now: idle connections are closed,
  /// those in use when their request is done, and its TLS sessions are forgotten (a connection that is being made may
  /// still resume one). Nothing is remembered: the next request with that binding opens a connection, which is kept and
  /// used again like any other. "" is nobody's, and does nothing.
  ///
  /// By default does nothing, which is right where no connection is kept.
  virtual void DropConnections(std::string_view x5tS256) noexcept { static_cast<void>(x5tS256); }

  /// What the pool holds now. By default nothing.
  virtual mtlspop::PoolStatistics PoolStatistics() const { return {}; }
};

/// A transport for this platform: OpenSSL, or SChannel on Windows.
/// @throw Error `invalid_argument` for options that cannot be used, `trust_store_unusable` for files that cannot be
/// read.
MTLSPOP_EXPORT gsl::not_null<std::shared_ptr<HttpTransport>> MakeHttpTransport(TransportOptions options = {});

}  // namespace mtlspop
