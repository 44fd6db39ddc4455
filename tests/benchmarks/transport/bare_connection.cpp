#include "transport/bare_connection.hpp"

#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string_view>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace mtlspop::bench {
namespace {

[[noreturn]] void Fail(char const* what) { throw std::runtime_error(std::string{"bare client: "} + what); }

class BarePeer final : public Peer {
 public:
  explicit BarePeer(Scenario scenario)
      : scenario_(std::move(scenario)), context_(scenario_), request_(BareRequest(scenario_.Path)) {}

  void Get() override {
    if (scenario_.NewConnections || !connection_) {
      connection_.reset();
      connection_ =
          std::make_unique<BareConnection>(context_, scenario_.Port, scenario_.Resume ? context_.Session() : nullptr);
    }
    connection_->Exchange(request_);
  }

 private:
  Scenario scenario_;
  BareContext context_;
  std::string request_;
  std::unique_ptr<BareConnection> connection_;
};

}  // namespace

std::string BareRequest(std::string const& path) { return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n"; }

BareContext::BareContext(Scenario const& scenario) : context_(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free) {
  auto* const context = context_.get();
  auto const version = scenario.Tls13 ? TLS1_3_VERSION : TLS1_2_VERSION;
  SSL_CTX_set_min_proto_version(context, version);
  SSL_CTX_set_max_proto_version(context, version);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_app_data(context, this);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, &BareContext::KeepSession);
  if (SSL_CTX_load_verify_locations(context, scenario.CaFile.c_str(), nullptr) != 1 ||
      SSL_CTX_use_certificate_chain_file(context, scenario.CertificateFile.c_str()) != 1 ||
      SSL_CTX_use_PrivateKey_file(context, scenario.PrivateKeyFile.c_str(), SSL_FILETYPE_PEM) != 1) {
    Fail("certificates");
  }
}

int BareContext::KeepSession(SSL* ssl, SSL_SESSION* session) {
  static_cast<BareContext*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)))->session_.reset(session);
  return 1;
}

BareConnection::BareConnection(BareContext& context, std::uint16_t port, SSL_SESSION* session)
    : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), ssl_(SSL_new(context.Get()), &SSL_free) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int const on = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(socket_, reinterpret_cast<sockaddr const*>(&address), sizeof address) != 0) {
    Fail("connect");
  }
  SSL_set_fd(ssl_.get(), socket_);
  SSL_set1_host(ssl_.get(), "localhost");
  SSL_set_tlsext_host_name(ssl_.get(), "localhost");
  if (session != nullptr) {
    SSL_set_session(ssl_.get(), session);
  }
  if (SSL_connect(ssl_.get()) != 1) {
    Fail("handshake");
  }
}

BareConnection::~BareConnection() {
  SSL_shutdown(ssl_.get());
  ::close(socket_);
}

void BareConnection::WriteAll(char const* bytes, std::size_t count) {
  while (count != 0) {
    std::size_t written = 0;
    if (SSL_write_ex(ssl_.get(), bytes, count, &written) != 1) {
      Fail("write");
    }
    bytes += written;
    count -= written;
  }
}

std::uint64_t BareConnection::ReadAnswer() {
  char buffer[16 * 1024];
  std::size_t have = 0;
  std::string_view head;
  while (head.empty()) {
    std::size_t count = 0;
    if (have == sizeof buffer || SSL_read_ex(ssl_.get(), buffer + have, sizeof buffer - have, &count) != 1) {
      Fail("read");
    }
    have += count;
    std::string_view const seen{buffer, have};
    auto const end = seen.find("\r\n\r\n");
    if (end != std::string_view::npos) {
      head = seen.substr(0, end + 4);
    }
  }
  auto const status = head.substr(9, 3);
  auto const field = head.find("Content-Length: ");
  if (status != "200" && status != "201" && status != "204") {
    Fail("status");
  }
  std::uint64_t const length = field == std::string_view::npos
                                   ? 0
                                   : std::strtoull(head.data() + field + std::strlen("Content-Length: "), nullptr, 10);
  std::uint64_t left = length - (have - head.size());
  while (left != 0) {
    std::size_t count = 0;
    if (SSL_read_ex(ssl_.get(), buffer, sizeof buffer, &count) != 1) {
      Fail("body");
    }
    left -= count;
  }
  return length;
}

std::uint64_t BareConnection::Exchange(std::string const& request) {
  WriteAll(request.data(), request.size());
  return ReadAnswer();
}

std::unique_ptr<Peer> MakeBarePeer(Scenario const& scenario) { return std::make_unique<BarePeer>(scenario); }

}  // namespace mtlspop::bench
