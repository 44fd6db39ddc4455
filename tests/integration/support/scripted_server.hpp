#pragma once

/// @file
/// A server that does, byte for byte, what a test tells it to: for all that well-behaved servers never send.
///
/// @code
/// ScriptedServer server{[](ScriptedConnection& connection) {
///   connection.ReadRequest();
///   connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!");
/// }};
/// @endcode

#include <openssl/ssl.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "test_certificate_authority.hpp"

namespace mtlspop::test {

/// The other side has gone while the script waited for it. Ends the script; not a failure.
struct PeerGone final : std::runtime_error {
  PeerGone() : std::runtime_error{"the other side has gone"} {}
};

/// One request as it came.
struct ReceivedRequest {
  std::string Method;
  std::string Target;
  /// Request line and header fields with the empty line.
  std::string Head;
  std::vector<std::pair<std::string, std::string>> Fields;
  /// Chunks are put together.
  std::string Body;

  /// The first value of that name in any case, "" where there is none.
  std::string Get(std::string_view name) const;
  std::size_t Count(std::string_view name) const;
};

/// What is known of one connection.
struct ConnectionFacts {
  /// Counts the connections of a server, from 1.
  std::size_t Number = 0;
  /// "TLSv1.2", "TLSv1.3"; "" for plain connections and before the handshake is done.
  std::string TlsVersion;
  bool Resumed = false;
  /// The ticket that was used to resume, counted from 1; 0 for none.
  std::uint64_t TicketUsed = 0;
  /// `x5t#S256` of the client's certificate, "" for none.
  std::string X5tS256;
  /// Host name in the TLS hello, "" for none.
  std::string ServerName;
  /// What the client offered for ALPN, joined by ','.
  std::string OfferedProtocols;
  /// Requests read by `ReadRequest()`.
  std::size_t Requests = 0;
  /// Whether the client closed it.
  bool ClosedByPeer = false;
};

/// When a server asks for the client's certificate in the first handshake.
enum class AskInHandshake { No, Yes };

/// How a scripted server does TLS.
struct ScriptedTls {
  IssuedCertificate Certificate;
  int MinimumVersion = TLS1_2_VERSION;
  int MaximumVersion = TLS1_3_VERSION;
  AskInHandshake Ask = AskInHandshake::No;
  /// Answers every client certificate with a fatal alert. Otherwise all are accepted, and noted.
  bool RefuseClientCertificates = false;
  /// The same for one handshake at a time: asked for each certificate, on the connection's thread. Empty for never.
  std::function<bool()> RefusesNext;
  /// Certificates whose subjects are named as the acceptable authorities.
  std::vector<X509*> AdvertisedAuthorities;
  /// Called on the connection's thread where the first handshake failed, with the client's alert or "".
  std::function<void(std::string const& alert)> OnHandshakeFailure;
  /// Session tickets after each full TLS 1.3 handshake.
  std::size_t Tickets = 2;
  /// `SSL_OP_` flags beside its own.
  std::uint64_t Options = 0;
};

struct ScriptedServerOptions {
  /// Null for plain TCP.
  std::optional<ScriptedTls> Tls;
  /// Offers a small window and small segments, so that little is on its way where the server does not read.
  bool TakesLittle = false;
  /// Where to listen: "127.0.0.1" or "::1".
  std::string Address = "127.0.0.1";
  /// The host in `Url()`; an IPv6 address without brackets.
  std::string Host = "127.0.0.1";
};

/// What OpenSSL's callbacks learn in the first handshake, before the facts can be told.
struct HandshakeNotes {
  std::uint64_t TicketUsed = 0;
  std::string OfferedProtocols;
  /// The client's alert, as OpenSSL spells it; "" for none.
  std::string Alert;
};

/// One connection, as its script sees it. All members wait; all throw `PeerGone` where the other side has gone, unless
/// they say otherwise.
///
/// Thread safety: the script's thread only.
class ScriptedConnection final {
 public:
  ScriptedConnection(int socket, SSL_CTX* context, std::size_t number, std::mutex& factsMutex, ConnectionFacts& facts);
  ~ScriptedConnection();
  ScriptedConnection(ScriptedConnection const&) = delete;
  ScriptedConnection& operator=(ScriptedConnection const&) = delete;

  std::size_t Number() const noexcept { return number_; }
  ConnectionFacts Facts();

  /// Reads a request with its body. Sends no `100 Continue`.
  ReceivedRequest ReadRequest();
  /// The same; none where the other side closed instead of sending one.
  std::optional<ReceivedRequest> TryReadRequest();
  /// Reads request line and header fields, and leaves the body.
  ReceivedRequest ReadHead();
  std::string ReadExactly(std::size_t count);
  /// What is there, at least one byte.
  std::string ReadSome();
  /// Reads and drops everything until the other side closes. Returns how many bytes came.
  std::size_t WaitUntilClosed();
  /// Waits until bytes can be read, without reading them. False where the other side closed.
  bool WaitUntilReadable();

  void Write(std::string_view bytes);
  /// Writes to the socket past TLS: records of the test's own making.
  void WriteBelowTls(std::string_view bytes);
  /// A whole answer with Content-Length.
  void Answer(int status, std::string_view body, std::string_view fields = {});

  /// Asks for the client's certificate, by renegotiation in TLS 1.2 and post-handshake in TLS 1.3, and waits for the
  /// answer; what of a request arrives meanwhile is kept. Afterwards `Facts().X5tS256` tells what came. False
  /// where the client did not offer post-handshake authentication, so that it cannot be asked.
  bool AskForCertificate();
  /// The first half of that: asks, and does not wait.
  bool StartAskingForCertificate();
  /// The second half: waits until the last question was answered.
  void AwaitCertificate();

  /// Changes its keys and has the client change its own (TLS 1.3). The client's answer is left unread.
  void AskForKeyUpdate();
  /// Sends one more session ticket (TLS 1.3).
  void SendTicket();

  /// Passes bytes both ways until one side closes. What a proxy does after CONNECT.
  void RelayTo(std::string const& host, std::uint16_t port);

  /// Cuts the connection with a TCP reset.
  void Reset();
  /// Ends the connection for the other side without TLS's close_notify, as an attacker who cuts an answer short would.
  void CloseWithoutNotify();
  /// Ends the connection properly and leaves the script to go on reading.
  void CloseForWriting();

 private:
  friend class ScriptedServer;

  void Handshake();
  std::string const& Alert() const noexcept { return notes_.Alert; }
  void FillBuffer();
  bool TryFillBuffer();
  std::ptrdiff_t ReadFromPeer(char* into, std::size_t size);
  std::string ReadLine();
  void ReadBody(ReceivedRequest& request);
  void NotePeer();
  void Finish() noexcept;

  int socket_;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_;
  std::size_t number_;
  std::mutex& factsMutex_;
  ConnectionFacts& facts_;
  HandshakeNotes notes_;
  std::string buffer_;
  std::size_t handshakesFinished_ = 0;
  std::size_t handshakesAsked_ = 0;
  bool closed_ = false;
};

/// Listens on an ephemeral loopback port and runs the script once per connection, each in a thread of its own.
///
/// Thread safety: all members may be called from any thread.
class ScriptedServer final {
 public:
  using Script = std::function<void(ScriptedConnection&)>;

  explicit ScriptedServer(Script script) : ScriptedServer(ScriptedServerOptions{}, std::move(script)) {}
  ScriptedServer(ScriptedServerOptions options, Script script);
  /// Cuts what is open and waits for all scripts to end.
  ~ScriptedServer();
  ScriptedServer(ScriptedServer const&) = delete;
  ScriptedServer& operator=(ScriptedServer const&) = delete;

  std::uint16_t Port() const noexcept { return port_; }
  /// Absolute URL of a target that begins with '/'.
  std::string Url(std::string_view target = "/") const;
  /// "host:port", as for a proxy or an override.
  std::string HostAndPort() const;

  std::size_t ConnectionCount() const;
  /// Of all connections so far, in the order they were accepted.
  std::vector<ConnectionFacts> Facts() const;
  /// Of one connection, counted from 1.
  ConnectionFacts Facts(std::size_t number) const;
  /// Why scripts ended that ended with something else than `PeerGone`.
  std::vector<std::string> Failures() const;

 private:
  struct Session;

  void Listen();
  void AcceptConnections();
  void Serve(Session& session);
  void Handshake(ScriptedConnection& connection) const;
  std::shared_ptr<SSL_CTX> MakeContext() const;

  ScriptedServerOptions options_;
  Script script_;
  std::shared_ptr<SSL_CTX> context_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  bool stopping_ = false;
  std::vector<std::unique_ptr<Session>> sessions_;
  std::vector<std::string> failures_;
  std::thread acceptor_;
};

/// Blocks SIGPIPE on the calling thread: writing to a TLS connection that the other side has reset would raise it.
void BlockBrokenPipeSignal() noexcept;

}  // namespace mtlspop::test
