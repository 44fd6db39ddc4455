#include "support/scripted_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace mtlspop::test {

namespace {

void Check(int result, char const* what) {
  if (result != 0) throw std::system_error{errno, std::generic_category(), what};
}

void CheckTls(bool good, char const* what) {
  if (!good) throw std::runtime_error{what};
}

int AcceptAnything(int, X509_STORE_CTX*) { return 1; }

int RefuseEverything(int, X509_STORE_CTX* context) {
  X509_STORE_CTX_set_error(context, X509_V_ERR_CERT_REVOKED);
  return 0;
}

/// What `ScriptedTls::RefusesNext` says, in place of all checks of the chain.
int RefuseAsTold(X509_STORE_CTX* context, void* refusesNext) {
  if (!(*static_cast<std::function<bool()> const*>(refusesNext))()) return 1;
  return RefuseEverything(0, context);
}

/// Gives every ticket a number, so that a test can see whether one was used twice.
int NumberTicket(SSL* ssl, void*) {
  static std::atomic<std::uint64_t> next{0};
  auto const number = ++next;
  return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), &number, sizeof number);
}

SSL_TICKET_RETURN NoteTicket(
    SSL* ssl, SSL_SESSION* session, unsigned char const*, size_t, SSL_TICKET_STATUS status, void*) {
  if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW) return SSL_TICKET_RETURN_IGNORE_RENEW;
  void* data = nullptr;
  std::size_t length = 0;
  if (SSL_SESSION_get0_ticket_appdata(session, &data, &length) == 1 && length == sizeof(std::uint64_t)) {
    std::memcpy(&static_cast<HandshakeNotes*>(SSL_get_app_data(ssl))->TicketUsed, data, length);
  }
  return status == SSL_TICKET_SUCCESS_RENEW ? SSL_TICKET_RETURN_USE_RENEW : SSL_TICKET_RETURN_USE;
}

int ChooseHttp11(
    SSL* ssl,
    unsigned char const** chosen,
    unsigned char* length,
    unsigned char const* offered,
    unsigned offeredLength,
    void*) {
  auto& notes = *static_cast<HandshakeNotes*>(SSL_get_app_data(ssl));
  notes.OfferedProtocols.clear();
  int result = SSL_TLSEXT_ERR_NOACK;
  for (unsigned at = 0; at < offeredLength; at += 1U + offered[at]) {
    std::string const name{reinterpret_cast<char const*>(offered + at + 1), offered[at]};
    notes.OfferedProtocols += (notes.OfferedProtocols.empty() ? "" : ",") + name;
    if (name == "http/1.1") {
      *chosen = offered + at + 1;
      *length = offered[at];
      result = SSL_TLSEXT_ERR_OK;
    }
  }
  return result;
}

}  // namespace

struct ScriptedServer::Session {
  Session(int socket, std::size_t number) : Socket(socket) { Facts.Number = number; }

  int Socket;
  ConnectionFacts Facts;
  std::thread Thread;
};

ScriptedServer::ScriptedServer(ScriptedServerOptions options, Script script)
    : options_(std::move(options)), script_(std::move(script)), context_(MakeContext()) {
  Listen();
  acceptor_ = std::thread{[this] { AcceptConnections(); }};
}

ScriptedServer::~ScriptedServer() {
  {
    std::lock_guard<std::mutex> const lock{mutex_};
    stopping_ = true;
    for (auto const& session : sessions_) ::shutdown(session->Socket, SHUT_RDWR);
  }
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  for (auto const& session : sessions_) {
    session->Thread.join();
    ::close(session->Socket);
  }
  ::close(listener_);
}

std::shared_ptr<SSL_CTX> ScriptedServer::MakeContext() const {
  if (!options_.Tls) return nullptr;
  auto const& tls = *options_.Tls;
  std::shared_ptr<SSL_CTX> context{SSL_CTX_new(TLS_server_method()), &SSL_CTX_free};
  auto* const raw = context.get();
  CheckTls(raw != nullptr, "SSL_CTX_new");
  if (tls.MinimumVersion < TLS1_2_VERSION) SSL_CTX_set_security_level(raw, 0);
  CheckTls(SSL_CTX_set_min_proto_version(raw, tls.MinimumVersion) == 1, "minimum version");
  CheckTls(SSL_CTX_set_max_proto_version(raw, tls.MaximumVersion) == 1, "maximum version");
  CheckTls(SSL_CTX_use_certificate(raw, tls.Certificate.Certificate.get()) == 1, "certificate");
  CheckTls(SSL_CTX_use_PrivateKey(raw, tls.Certificate.Key.get()) == 1, "key");
  // Resuming the very session of the connection would bring no certificate.
  SSL_CTX_set_options(raw, SSL_OP_NO_SESSION_RESUMPTION_ON_RENEGOTIATION | tls.Options);
  unsigned char const name[] = "scripted";
  SSL_CTX_set_session_id_context(raw, name, sizeof name - 1);
  SSL_CTX_set_num_tickets(raw, tls.Tickets);
  SSL_CTX_set_session_ticket_cb(raw, &NumberTicket, &NoteTicket, nullptr);
  SSL_CTX_set_alpn_select_cb(raw, &ChooseHttp11, nullptr);
  // The callback is set even where nobody asks in the first handshake: asking later keeps it.
  SSL_CTX_set_verify(
      raw, tls.Ask == AskInHandshake::Yes ? SSL_VERIFY_PEER : SSL_VERIFY_NONE,
      tls.RefuseClientCertificates ? &RefuseEverything : &AcceptAnything);
  if (tls.RefusesNext) {
    auto* const refusesNext = const_cast<std::function<bool()>*>(&tls.RefusesNext);
    SSL_CTX_set_cert_verify_callback(raw, &RefuseAsTold, refusesNext);
  }
  for (auto* const authority : tls.AdvertisedAuthorities) SSL_CTX_add_client_CA(raw, authority);
  return context;
}

void ScriptedServer::Listen() {
  bool const ipv6 = options_.Address.find(':') != std::string::npos;
  sockaddr_storage address{};
  socklen_t length = 0;
  if (ipv6) {
    auto& six = reinterpret_cast<sockaddr_in6&>(address);
    six.sin6_family = AF_INET6;
    ::inet_pton(AF_INET6, options_.Address.c_str(), &six.sin6_addr);
    length = sizeof six;
  } else {
    auto& four = reinterpret_cast<sockaddr_in&>(address);
    four.sin_family = AF_INET;
    ::inet_pton(AF_INET, options_.Address.c_str(), &four.sin_addr);
    length = sizeof four;
  }
  listener_ = ::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  Check(listener_ < 0 ? -1 : 0, "socket");
  Check(::bind(listener_, reinterpret_cast<sockaddr const*>(&address), length), "bind");
  if (options_.TakesLittle) {
    // The window is small, the memory behind it is not: where many tiny segments overfill that, Linux drops what it had room
    // for by its window, and then each acknowledgement of the sender's as well. Neither side ever goes on.
    int const window = 4096;
    int const memory = 256 * 1024;
    int const segment = 536;
    Check(::setsockopt(listener_, SOL_SOCKET, SO_RCVBUF, &memory, sizeof memory), "SO_RCVBUF");
    Check(::setsockopt(listener_, IPPROTO_TCP, TCP_WINDOW_CLAMP, &window, sizeof window), "TCP_WINDOW_CLAMP");
    Check(::setsockopt(listener_, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment), "TCP_MAXSEG");
  }
  Check(::listen(listener_, 512), "listen");
  Check(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length), "getsockname");
  port_ = ntohs(
      ipv6 ? reinterpret_cast<sockaddr_in6&>(address).sin6_port : reinterpret_cast<sockaddr_in&>(address).sin_port);
}

void ScriptedServer::AcceptConnections() {
  for (;;) {
    int const socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0 && (errno == EINTR || errno == ECONNABORTED)) continue;
    std::lock_guard<std::mutex> const lock{mutex_};
    if (socket < 0 || stopping_) {
      if (socket >= 0) ::close(socket);
      return;
    }
    sessions_.push_back(std::make_unique<Session>(socket, sessions_.size() + 1));
    auto& session = *sessions_.back();
    session.Thread = std::thread{[this, &session] { Serve(session); }};
  }
}

void ScriptedServer::Serve(Session& session) {
  BlockBrokenPipeSignal();
  try {
    ScriptedConnection connection{session.Socket, context_.get(), session.Facts.Number, mutex_, session.Facts};
    try {
      Handshake(connection);
      script_(connection);
    } catch (PeerGone const&) {
    }
    connection.Finish();
  } catch (std::exception const& failure) {
    std::lock_guard<std::mutex> const lock{mutex_};
    failures_.emplace_back(failure.what());
  }
  // The descriptor stays until the destructor, which alone may close it, but the other side need not wait for that.
  ::shutdown(session.Socket, SHUT_RDWR);
}

void ScriptedServer::Handshake(ScriptedConnection& connection) const {
  try {
    connection.Handshake();
  } catch (PeerGone const&) {
    if (options_.Tls && options_.Tls->OnHandshakeFailure) options_.Tls->OnHandshakeFailure(connection.Alert());
    throw;
  }
}

std::string ScriptedServer::HostAndPort() const {
  bool const ipv6 = options_.Host.find(':') != std::string::npos;
  return (ipv6 ? "[" + options_.Host + "]" : options_.Host) + ":" + std::to_string(port_);
}

std::string ScriptedServer::Url(std::string_view target) const {
  return (options_.Tls ? "https://" : "http://") + HostAndPort() + std::string{target};
}

std::size_t ScriptedServer::ConnectionCount() const {
  std::lock_guard<std::mutex> const lock{mutex_};
  return sessions_.size();
}

std::vector<ConnectionFacts> ScriptedServer::Facts() const {
  std::lock_guard<std::mutex> const lock{mutex_};
  std::vector<ConnectionFacts> facts;
  facts.reserve(sessions_.size());
  for (auto const& session : sessions_) facts.push_back(session->Facts);
  return facts;
}

ConnectionFacts ScriptedServer::Facts(std::size_t number) const {
  std::lock_guard<std::mutex> const lock{mutex_};
  return number >= 1 && number <= sessions_.size() ? sessions_[number - 1]->Facts : ConnectionFacts{};
}

std::vector<std::string> ScriptedServer::Failures() const {
  std::lock_guard<std::mutex> const lock{mutex_};
  return failures_;
}

}  // namespace mtlspop::test
