#include "support/nginx_server.hpp"

#include <unistd.h>

namespace mtlspop::test {

namespace {

std::string Configuration(
    TemporaryDirectory const& directory,
    std::uint16_t port,
    IssuedCertificate const& certificate,
    std::string const& clientAuthorityPath) {
  auto const& path = directory.Path();
  // Started as root it would work as somebody else, who may not write here; started as anybody it must not name a user.
  return std::string{::geteuid() == 0 ? "user root;\n" : ""} + R"(
daemon off;
worker_processes 1;
error_log stderr warn;
pid )" + path +
         R"(/pid;
events { worker_connections 512; }
http {
  access_log off;
  client_body_temp_path )" +
         path + R"(/body;
  proxy_temp_path )" +
         path + R"(/proxy;
  fastcgi_temp_path )" +
         path + R"(/fastcgi;
  uwsgi_temp_path )" +
         path + R"(/uwsgi;
  scgi_temp_path )" +
         path + R"(/scgi;
  client_max_body_size 64m;
  keepalive_requests 1000000;
  server {
    listen 127.0.0.1:)" +
         std::to_string(port) + R"( ssl;
    server_name localhost;
    ssl_certificate )" +
         certificate.CertificatePath + R"(;
    ssl_certificate_key )" +
         certificate.PrivateKeyPath + R"(;
    ssl_client_certificate )" +
         clientAuthorityPath + R"(;
    ssl_verify_client on;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:tls:1m;
    location = /facts {
      default_type text/plain;
      return 200 "$ssl_client_s_dn|$ssl_protocol|$ssl_session_reused|$connection|$connection_requests";
    }
    location /files/ {
      alias )" +
         path + R"(/files/;
      dav_methods PUT DELETE;
    }
    location /chunked/ {
      alias )" +
         path + R"(/files/;
      sub_filter_types *;
      sub_filter 'a text that is in no file' '';
    }
  }
}
)";
}

}  // namespace

NginxServer::NginxServer(IssuedCertificate const& certificate, std::string const& clientAuthorityPath)
    : port_(ReserveLoopbackPort()),
      process_(ServerCommand{
          {"/usr/sbin/nginx", "-p", directory_.MakeDirectory("files", "root"), "-c",
           directory_.WriteFile("nginx.conf", Configuration(directory_, port_, certificate, clientAuthorityPath))},
          {},
          SIGTERM}) {
  process_.WaitUntilListening(port_);
}

std::string NginxServer::Url(std::string_view target) const {
  return "https://localhost:" + std::to_string(port_) + std::string{target};
}

std::string NginxServer::StoredFile(std::string_view name) const {
  return ReadFile(directory_.PathOf("files/" + std::string{name}));
}

}  // namespace mtlspop::test
