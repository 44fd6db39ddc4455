#include "support/haproxy_server.hpp"

namespace mtlspop::test {

namespace {

std::string Configuration(
    std::uint16_t port,
    std::uint16_t backendPort,
    IssuedCertificate const& certificate,
    std::string const& clientAuthorityPath) {
  return R"(
global
  maxconn 256
  nbthread 1
  tune.ssl.default-dh-param 2048
defaults
  mode http
  timeout connect 10s
  timeout client 60s
  timeout server 60s
frontend bound
  bind 127.0.0.1:)" +
         std::to_string(port) + " ssl crt " + certificate.CombinedPath + " ca-file " + clientAuthorityPath +
         R"( verify required ssl-min-ver TLSv1.2 alpn http/1.1
  http-request return status 200 content-type text/plain lf-string "%[ssl_c_sha1,hex]|%[ssl_fc_protocol]|%[ssl_fc_is_resumed]" if { path /facts }
  http-request return status 204 if { path /status/204 }
  http-request return status 403 content-type text/plain string "no" if { path /status/403 }
  http-request return status 503 content-type text/plain string "later" if { path /status/503 }
  default_backend behind
backend behind
  server one 127.0.0.1:)" +
         std::to_string(backendPort) + "\n";
}

}  // namespace

HaproxyServer::HaproxyServer(
    IssuedCertificate const& certificate, std::string const& clientAuthorityPath, std::uint16_t backendPort)
    : port_(ReserveLoopbackPort()),
      process_(ServerCommand{
          {"/usr/sbin/haproxy", "-db", "-f",
           directory_.WriteFile("haproxy.cfg", Configuration(port_, backendPort, certificate, clientAuthorityPath))},
          {},
          SIGTERM}) {
  process_.WaitUntilListening(port_);
}

std::string HaproxyServer::Url(std::string_view target) const {
  return "https://localhost:" + std::to_string(port_) + std::string{target};
}

}  // namespace mtlspop::test
