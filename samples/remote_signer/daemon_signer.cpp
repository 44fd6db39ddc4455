#include "daemon_signer.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <stdexcept>
#include <system_error>

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "mtlspop/transport/error.hpp"

namespace remote_signer {
namespace {

using Bytes = std::vector<std::uint8_t>;
using mtlspop::openssl::SignatureAlgorithm;

class Socket final {
 public:
  explicit Socket(int number) noexcept : number_(number) {}
  ~Socket() { ::close(number_); }
  Socket(Socket const&) = delete;
  Socket& operator=(Socket const&) = delete;
  int Number() const noexcept { return number_; }

 private:
  int number_;
};

sockaddr_un AddressOf(std::string const& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw std::invalid_argument{"the path of the socket is too long"};
  path.copy(address.sun_path, path.size());
  return address;
}

[[noreturn]] void ThrowUnreachable(std::string const& path, char const* what) {
  throw mtlspop::Error{
      {mtlspop::ErrorCode{"signing_daemon_unreachable"}, "The signing daemon at " + path + " " + what,
       "Start it, and check that this user may write to the socket"}};
}

/// Waits until the socket has something, looking at the context ten times a second.
void WaitFor(int socket, short events, mtlspop::Context const& context) {
  for (;;) {
    context.ThrowIfEnded("Signing in the daemon");
    pollfd entry{socket, events, 0};
    if (::poll(&entry, 1, 100) > 0) return;
  }
}

/// A daemon whose queue is full lets wait: a tenth of a second at a time, with a look at the context.
void Connect(int socket, std::string const& path, mtlspop::Context const& context) {
  timeval const tenth{0, 100'000};
  ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &tenth, sizeof tenth);
  auto const address = AddressOf(path);
  while (::connect(socket, reinterpret_cast<sockaddr const*>(&address), sizeof address) != 0) {
    if (errno != EAGAIN && errno != EINTR) ThrowUnreachable(path, "does not answer");
    context.ThrowIfEnded("Connecting to the daemon");
  }
}

void Send(int socket, Bytes const& bytes, std::string const& path) {
  auto const sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (sent != static_cast<ssize_t>(bytes.size())) ThrowUnreachable(path, "takes no question");
}

Bytes ReceiveExactly(int socket, std::size_t count, std::string const& path, mtlspop::Context const& context) {
  Bytes bytes(count);
  for (std::size_t done = 0; done < count;) {
    WaitFor(socket, POLLIN, context);
    auto const received = ::recv(socket, bytes.data() + done, count - done, 0);
    if (received <= 0) ThrowUnreachable(path, "closed the connection without an answer");
    done += static_cast<std::size_t>(received);
  }
  return bytes;
}

// The daemon's side.

bool ReadExactly(int socket, std::uint8_t* into, std::size_t count) {
  return ::recv(socket, into, count, MSG_WAITALL) == static_cast<ssize_t>(count);
}

Bytes SignDigest(EVP_PKEY* key, bool pss, int saltBytes, Bytes const& digest) {
  auto const* const type = digest.size() == 32 ? EVP_sha256() : digest.size() == 48 ? EVP_sha384() : EVP_sha512();
  std::unique_ptr<EVP_PKEY_CTX, void (*)(EVP_PKEY_CTX*)> const context{
      EVP_PKEY_CTX_new(key, nullptr), EVP_PKEY_CTX_free};
  Bytes signature(static_cast<std::size_t>(EVP_PKEY_get_size(key)));
  auto length = signature.size();
  bool const good = EVP_PKEY_sign_init(context.get()) == 1 &&
                    EVP_PKEY_CTX_set_rsa_padding(context.get(), pss ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING) == 1 &&
                    EVP_PKEY_CTX_set_signature_md(context.get(), type) == 1 &&
                    (!pss || EVP_PKEY_CTX_set_rsa_pss_saltlen(context.get(), saltBytes) == 1) &&
                    EVP_PKEY_sign(context.get(), signature.data(), &length, digest.data(), digest.size()) == 1;
  return good ? signature : Bytes{};
}

Bytes PublicKeyOf(EVP_PKEY* key) {
  Bytes der(static_cast<std::size_t>(i2d_PUBKEY(key, nullptr)));
  auto* out = der.data();
  i2d_PUBKEY(key, &out);
  return der;
}

void Answer(int socket, EVP_PKEY* key) {
  std::uint8_t head[4];
  if (!ReadExactly(socket, head, 1)) return;
  Bytes answer;
  if (head[0] == 'k') {
    answer = PublicKeyOf(key);
  } else {
    if (!ReadExactly(socket, head + 1, 3) || (head[1] != 32 && head[1] != 48 && head[1] != 64)) return;
    Bytes digest(head[1]);
    if (!ReadExactly(socket, digest.data(), digest.size())) return;
    answer = SignDigest(key, head[0] == 'p', head[2] << 8 | head[3], digest);
  }
  auto const length = answer.size();
  answer.insert(answer.begin(), {static_cast<std::uint8_t>(length >> 8U), static_cast<std::uint8_t>(length)});
  (void)!::send(socket, answer.data(), answer.size(), MSG_NOSIGNAL);
}

}  // namespace

DaemonSigner::DaemonSigner(std::string socketPath, mtlspop::Context const& context)
    : socketPath_(std::move(socketPath)), publicKey_(Ask({'k'}, context)) {}

std::vector<SignatureAlgorithm> DaemonSigner::Algorithms() const {
  return {SignatureAlgorithm::RsaPss, SignatureAlgorithm::RsaPkcs1};
}

Bytes DaemonSigner::Sign(mtlspop::openssl::SignatureRequest const& request, mtlspop::Context const& context) const {
  Bytes question{
      static_cast<std::uint8_t>(request.Algorithm == SignatureAlgorithm::RsaPss ? 'p' : '1'),
      static_cast<std::uint8_t>(request.Input.size()), static_cast<std::uint8_t>(request.SaltBytes >> 8U),
      static_cast<std::uint8_t>(request.SaltBytes)};
  question.insert(question.end(), request.Input.begin(), request.Input.end());
  return Ask(question, context);
}

Bytes DaemonSigner::Ask(Bytes const& question, mtlspop::Context const& context) const {
  Socket const socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  Connect(socket.Number(), socketPath_, context);
  Send(socket.Number(), question, socketPath_);
  auto const head = ReceiveExactly(socket.Number(), 2, socketPath_, context);
  auto const length = static_cast<std::size_t>(head[0] << 8U | head[1]);
  if (length == 0) ThrowUnreachable(socketPath_, "refuses to sign");
  return ReceiveExactly(socket.Number(), length, socketPath_, context);
}

void Serve(std::string const& socketPath, EVP_PKEY* key, void (*ready)()) {
  Socket const listener{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  auto const address = AddressOf(socketPath);
  ::unlink(socketPath.c_str());
  auto const mask = ::umask(S_IRWXG | S_IRWXO);
  bool const bound = ::bind(listener.Number(), reinterpret_cast<sockaddr const*>(&address), sizeof address) == 0;
  ::umask(mask);
  if (!bound || ::listen(listener.Number(), SOMAXCONN) != 0) {
    throw std::system_error{errno, std::generic_category(), "listening at " + socketPath};
  }
  ready();
  for (;;) {
    int const accepted = ::accept4(listener.Number(), nullptr, nullptr, SOCK_CLOEXEC);
    if (accepted < 0) continue;
    Socket const connection{accepted};
    // Whoever connects and says nothing keeps the others waiting no longer than this.
    timeval const patience{2, 0};
    ::setsockopt(accepted, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    Answer(connection.Number(), key);
  }
}

}  // namespace remote_signer
