#include "support/openssl_server.hpp"

#include <stdexcept>

namespace mtlspop::test {

namespace {

std::vector<std::string> Arguments(
    std::uint16_t port, IssuedCertificate const& certificate, std::vector<std::string> const& further) {
  std::vector<std::string> arguments{
      "/usr/bin/openssl",
      "s_server",
      "-4",
      "-accept",
      "127.0.0.1:" + std::to_string(port),
      "-cert",
      certificate.CertificatePath,
      "-key",
      certificate.PrivateKeyPath};
  arguments.insert(arguments.end(), further.begin(), further.end());
  return arguments;
}

}  // namespace

OpensslServer::OpensslServer(IssuedCertificate const& certificate, std::vector<std::string> const& furtherArguments)
    : port_(ReserveLoopbackPort()),
      process_(ServerCommand{Arguments(port_, certificate, furtherArguments), {}, SIGTERM}) {
  // It serves one connection at a time and never returns to accepting from one that says nothing; it says when it
  // listens.
  if (!process_.WaitForOutput("ACCEPT"))
    throw std::runtime_error{"openssl s_server does not listen: " + process_.Output()};
}

std::string OpensslServer::Url(std::string_view target) const {
  return "https://localhost:" + std::to_string(port_) + std::string{target};
}

}  // namespace mtlspop::test
