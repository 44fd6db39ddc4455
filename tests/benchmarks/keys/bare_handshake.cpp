#include "bare_handshake.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

namespace mtlspop::bench {

BareHandshake::BareHandshake(EVP_PKEY* key, X509* certificate, std::string const& caFile, std::uint16_t port)
    : context_(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free), port_(port) {
  auto* const context = context_.get();
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  bool const good = SSL_CTX_load_verify_file(context, caFile.c_str()) == 1 &&
                    SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION) == 1 &&
                    SSL_CTX_use_certificate(context, certificate) == 1 && SSL_CTX_use_PrivateKey(context, key) == 1;
  if (!good) throw std::runtime_error{"the bare context cannot be made"};
}

void BareHandshake::Run() const {
  int const socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port_);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::unique_ptr<SSL, decltype(&SSL_free)> const ssl{SSL_new(context_.get()), &SSL_free};
  SSL_set_fd(ssl.get(), socket);
  static constexpr char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
  char answer[1024];
  bool const good = ::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
                    SSL_connect(ssl.get()) == 1 && SSL_write(ssl.get(), request, sizeof request - 1) > 0 &&
                    SSL_read(ssl.get(), answer, sizeof answer) > 0;
  ::close(socket);
  if (!good) throw std::runtime_error{"the bare handshake failed"};
}

}  // namespace mtlspop::bench
