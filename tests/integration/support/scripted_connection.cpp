#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <csignal>

#include "support/scripted_server.hpp"

namespace mtlspop::test {

namespace {

constexpr int FinishedMessage = SSL3_MT_FINISHED;

bool SameName(std::string_view left, std::string_view right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(), [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
  });
}

std::string_view Trim(std::string_view text) {
  auto const from = text.find_first_not_of(" \t\r\n");
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(" \t\r\n") - from + 1);
}

std::size_t ParseNumber(std::string_view text, int base) {
  std::size_t value = 0;
  auto const trimmed = Trim(text);
  auto const result = std::from_chars(trimmed.data(), trimmed.data() + trimmed.size(), value, base);
  if (result.ec != std::errc{}) throw std::runtime_error{"the client sent a bad length: " + std::string{text}};
  return value;
}

/// Counts the Finished messages of the client: only they tell that a handshake after the first one is over.
void CountFinished(int written, int, int contentType, void const* bytes, size_t length, SSL*, void* counter) {
  if (written == 0 && contentType == SSL3_RT_HANDSHAKE && length > 0 &&
      *static_cast<unsigned char const*>(bytes) == FinishedMessage) {
    ++*static_cast<std::size_t*>(counter);
  }
}

void NoteAlert(SSL const* ssl, int where, int alert) {
  if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT) {
    static_cast<HandshakeNotes*>(SSL_get_app_data(ssl))->Alert = SSL_alert_desc_string_long(alert);
  }
}

int ConnectTo(std::string const& host, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (::inet_pton(AF_INET, host == "localhost" ? "127.0.0.1" : host.c_str(), &address.sin_addr) != 1) {
    throw std::runtime_error{"a scripted proxy reaches loopback only, not " + host};
  }
  int const socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket < 0 || ::connect(socket, reinterpret_cast<sockaddr const*>(&address), sizeof address) != 0) {
    if (socket >= 0) ::close(socket);
    throw std::runtime_error{"a scripted proxy cannot reach " + host};
  }
  return socket;
}

}  // namespace

std::string ReceivedRequest::Get(std::string_view name) const {
  for (auto const& [fieldName, value] : Fields) {
    if (SameName(fieldName, name)) return value;
  }
  return {};
}

std::size_t ReceivedRequest::Count(std::string_view name) const {
  return static_cast<std::size_t>(
      std::count_if(Fields.begin(), Fields.end(), [&](auto const& field) { return SameName(field.first, name); }));
}

ScriptedConnection::ScriptedConnection(
    int socket, SSL_CTX* context, std::size_t number, std::mutex& factsMutex, ConnectionFacts& facts)
    : socket_(socket), ssl_(nullptr, &SSL_free), number_(number), factsMutex_(factsMutex), facts_(facts) {
  int const yes = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  if (context == nullptr) return;
  ssl_.reset(SSL_new(context));
  if (ssl_ == nullptr || SSL_set_fd(ssl_.get(), socket_) != 1) throw std::runtime_error{"SSL_new"};
  // SSL_read returns after each handshake record, so that a script can tell a finished handshake from silence.
  SSL_clear_mode(ssl_.get(), SSL_MODE_AUTO_RETRY);
  SSL_set_app_data(ssl_.get(), &notes_);
  SSL_set_info_callback(ssl_.get(), &NoteAlert);
  SSL_set_msg_callback(ssl_.get(), &CountFinished);
  SSL_set_msg_callback_arg(ssl_.get(), &handshakesFinished_);
}

ScriptedConnection::~ScriptedConnection() = default;

ConnectionFacts ScriptedConnection::Facts() {
  if (ssl_ != nullptr) NotePeer();
  std::lock_guard<std::mutex> const lock{factsMutex_};
  return facts_;
}

void ScriptedConnection::Handshake() {
  if (ssl_ == nullptr) return;
  if (SSL_accept(ssl_.get()) != 1) throw PeerGone{};
  NotePeer();
}

void ScriptedConnection::NotePeer() {
  std::unique_ptr<X509, decltype(&X509_free)> const peer{SSL_get1_peer_certificate(ssl_.get()), &X509_free};
  char const* serverName = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name);
  std::lock_guard<std::mutex> const lock{factsMutex_};
  facts_.TlsVersion = SSL_get_version(ssl_.get());
  facts_.Resumed = SSL_session_reused(ssl_.get()) == 1;
  facts_.X5tS256 = peer != nullptr ? X5tS256Of(peer.get()) : std::string{};
  facts_.TicketUsed = notes_.TicketUsed;
  facts_.OfferedProtocols = notes_.OfferedProtocols;
  if (serverName != nullptr) facts_.ServerName = serverName;
}

std::ptrdiff_t ScriptedConnection::ReadFromPeer(char* into, std::size_t size) {
  for (;;) {
    if (ssl_ == nullptr) {
      auto const count = ::recv(socket_, into, size, 0);
      if (count < 0 && errno == EINTR) continue;
      return count;
    }
    ERR_clear_error();
    auto const count = SSL_read(ssl_.get(), into, static_cast<int>(size));
    if (count > 0) return count;
    if (SSL_get_error(ssl_.get(), count) != SSL_ERROR_WANT_READ) return 0;
    // A handshake record was dealt with: the caller decides whether to go on waiting.
    return -1;
  }
}

bool ScriptedConnection::TryFillBuffer() {
  std::array<char, 16 * 1024> piece{};
  for (;;) {
    auto const count = ReadFromPeer(piece.data(), piece.size());
    if (count > 0) {
      buffer_.append(piece.data(), static_cast<std::size_t>(count));
      return true;
    }
    if (count < 0 && ssl_ != nullptr) continue;
    closed_ = true;
    std::lock_guard<std::mutex> const lock{factsMutex_};
    facts_.ClosedByPeer = true;
    return false;
  }
}

void ScriptedConnection::FillBuffer() {
  if (!TryFillBuffer()) throw PeerGone{};
}

std::string ScriptedConnection::ReadSome() {
  if (buffer_.empty()) FillBuffer();
  return std::exchange(buffer_, {});
}

std::string ScriptedConnection::ReadExactly(std::size_t count) {
  while (buffer_.size() < count) FillBuffer();
  auto bytes = buffer_.substr(0, count);
  buffer_.erase(0, count);
  return bytes;
}

std::string ScriptedConnection::ReadLine() {
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n")) == std::string::npos) FillBuffer();
  return ReadExactly(end + 2);
}

ReceivedRequest ScriptedConnection::ReadHead() {
  ReceivedRequest request;
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) FillBuffer();
  request.Head = ReadExactly(end + 4);
  std::string_view rest{request.Head};
  auto const lineEnd = rest.find("\r\n");
  auto const line = rest.substr(0, lineEnd);
  auto const first = line.find(' ');
  auto const last = line.rfind(' ');
  request.Method = line.substr(0, first);
  if (first != std::string_view::npos && last > first) request.Target = line.substr(first + 1, last - first - 1);
  for (rest.remove_prefix(lineEnd + 2); rest != "\r\n";) {
    auto const next = rest.find("\r\n");
    auto const field = rest.substr(0, next);
    auto const colon = field.find(':');
    request.Fields.emplace_back(field.substr(0, colon), Trim(field.substr(std::min(colon + 1, field.size()))));
    rest.remove_prefix(next + 2);
  }
  std::lock_guard<std::mutex> const lock{factsMutex_};
  ++facts_.Requests;
  return request;
}

void ScriptedConnection::ReadBody(ReceivedRequest& request) {
  if (auto const length = request.Get("Content-Length"); !length.empty()) {
    request.Body = ReadExactly(ParseNumber(length, 10));
  } else if (SameName(request.Get("Transfer-Encoding"), "chunked")) {
    for (;;) {
      auto const size = ParseNumber(ReadLine(), 16);
      if (size == 0) break;
      request.Body += ReadExactly(size);
      if (ReadLine() != "\r\n") throw std::runtime_error{"the client's chunk has no end"};
    }
    while (ReadLine() != "\r\n") {
    }
  }
}

ReceivedRequest ScriptedConnection::ReadRequest() {
  auto request = ReadHead();
  ReadBody(request);
  return request;
}

std::optional<ReceivedRequest> ScriptedConnection::TryReadRequest() {
  if (buffer_.empty() && !TryFillBuffer()) return std::nullopt;
  return ReadRequest();
}

std::size_t ScriptedConnection::WaitUntilClosed() {
  std::size_t total = std::exchange(buffer_, {}).size();
  while (TryFillBuffer()) total += std::exchange(buffer_, {}).size();
  return total;
}

bool ScriptedConnection::WaitUntilReadable() { return !buffer_.empty() || TryFillBuffer(); }

void ScriptedConnection::WriteBelowTls(std::string_view bytes) {
  if (::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0) throw PeerGone{};
}

void ScriptedConnection::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    std::ptrdiff_t count = 0;
    if (ssl_ != nullptr) {
      ERR_clear_error();
      count = SSL_write(ssl_.get(), bytes.data(), static_cast<int>(std::min(bytes.size(), std::size_t{1} << 20)));
    } else {
      count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count < 0 && errno == EINTR) continue;
    }
    if (count <= 0) throw PeerGone{};
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

void ScriptedConnection::Answer(int status, std::string_view body, std::string_view fields) {
  auto answer = "HTTP/1.1 " + std::to_string(status) + " Scripted\r\nContent-Length: " + std::to_string(body.size()) +
                "\r\n" + std::string{fields} + "\r\n";
  Write(answer.append(body));
}

bool ScriptedConnection::StartAskingForCertificate() {
  handshakesAsked_ = handshakesFinished_ + 1;
  if (SSL_version(ssl_.get()) == TLS1_3_VERSION) {
    SSL_set_verify(ssl_.get(), SSL_VERIFY_PEER | SSL_VERIFY_POST_HANDSHAKE, nullptr);
    if (SSL_verify_client_post_handshake(ssl_.get()) != 1) {
      // Nothing was asked, so there is nothing to wait for.
      handshakesAsked_ = handshakesFinished_;
      return false;
    }
  } else {
    SSL_set_verify(ssl_.get(), SSL_VERIFY_PEER, nullptr);
    if (SSL_renegotiate(ssl_.get()) != 1) throw std::runtime_error{"SSL_renegotiate"};
  }
  if (SSL_do_handshake(ssl_.get()) != 1) throw PeerGone{};
  return true;
}

bool ScriptedConnection::AskForCertificate() {
  bool const asked = StartAskingForCertificate();
  AwaitCertificate();
  return asked;
}

void ScriptedConnection::AwaitCertificate() {
  std::array<char, 16 * 1024> piece{};
  while (handshakesFinished_ < handshakesAsked_) {
    auto const count = ReadFromPeer(piece.data(), piece.size());
    if (count > 0) buffer_.append(piece.data(), static_cast<std::size_t>(count));
    if (count == 0) throw PeerGone{};
  }
  NotePeer();
}

void ScriptedConnection::AskForKeyUpdate() {
  if (SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_REQUESTED) != 1) throw std::runtime_error{"SSL_key_update"};
  if (SSL_do_handshake(ssl_.get()) != 1) throw PeerGone{};
}

void ScriptedConnection::SendTicket() {
  if (SSL_new_session_ticket(ssl_.get()) != 1) throw std::runtime_error{"SSL_new_session_ticket"};
  if (SSL_do_handshake(ssl_.get()) != 1) throw PeerGone{};
}

void ScriptedConnection::RelayTo(std::string const& host, std::uint16_t port) {
  int const target = ConnectTo(host, port);
  std::array<char, 16 * 1024> piece{};
  auto const toTarget = [&](std::string_view bytes) {
    return ::send(target, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<std::ptrdiff_t>(bytes.size());
  };
  bool open = toTarget(std::exchange(buffer_, {}));
  while (open) {
    std::array<pollfd, 2> both{{{socket_, POLLIN, 0}, {target, POLLIN, 0}}};
    bool const buffered = ssl_ != nullptr && SSL_has_pending(ssl_.get()) == 1;
    if (::poll(both.data(), both.size(), buffered ? 0 : -1) < 0 && errno != EINTR) break;
    if (buffered || both[0].revents != 0) {
      auto const count = ReadFromPeer(piece.data(), piece.size());
      if (count > 0) open = toTarget({piece.data(), static_cast<std::size_t>(count)});
      if (count == 0) open = false;
    }
    if (open && both[1].revents != 0) {
      auto const count = ::recv(target, piece.data(), piece.size(), 0);
      open = count > 0;
      if (open) Write({piece.data(), static_cast<std::size_t>(count)});
    }
  }
  ::close(target);
}

void ScriptedConnection::Reset() {
  linger const now{1, 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  // Connecting to nothing drops the connection with a reset while the descriptor stays this connection's.
  sockaddr const nothing{AF_UNSPEC, {}};
  ::connect(socket_, &nothing, sizeof nothing);
  closed_ = true;
}

void ScriptedConnection::CloseWithoutNotify() { ::shutdown(socket_, SHUT_WR); }

void ScriptedConnection::CloseForWriting() {
  if (ssl_ != nullptr) SSL_shutdown(ssl_.get());
  ::shutdown(socket_, SHUT_WR);
}

void ScriptedConnection::Finish() noexcept {
  if (closed_) return;
  try {
    CloseForWriting();
    // Closing with unread bytes would reset the connection and take the end of the answer with it.
    (void)WaitUntilClosed();
  } catch (std::exception const&) {
    closed_ = true;
  }
}

void BlockBrokenPipeSignal() noexcept {
  sigset_t brokenPipe;
  ::sigemptyset(&brokenPipe);
  ::sigaddset(&brokenPipe, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &brokenPipe, nullptr);
}

}  // namespace mtlspop::test
