#include "transport/bench_server.hpp"

#include <filesystem>
#include <fstream>

#include <unistd.h>

namespace mtlspop::bench {
namespace {

constexpr std::uintmax_t LargeBytes = std::uintmax_t{1} << 30U;

test::IssuedCertificate IssueServer(test::TestCertificateAuthority& authority) {
  test::CertificateRequest request;
  request.DnsNames = {"localhost"};
  request.Key = test::KeyKind::Rsa2048;
  return authority.Issue(request);
}

std::string ServerBlock(std::uint16_t port, std::string const& more) {
  return "server {\n listen 127.0.0.1:" + std::to_string(port) + " ssl;\n server_name localhost;\n " + more + R"(
    location = /small { default_type text/plain;
      return 200 "012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"; }
    location = /large { alias files/large; }
    location /up/ { alias files/up/; dav_methods PUT; }
  }
)";
}

}  // namespace

BenchServer::BenchServer()
    : server_(IssueServer(authority_)),
      client_(authority_.IssueForClient("bench", test::KeyKind::Rsa2048)),
      keepAlivePort_(test::ReserveLoopbackPort()),
      resumedPort_(test::ReserveLoopbackPort()),
      fullPort_(test::ReserveLoopbackPort()),
      plainPort_(test::ReserveLoopbackPort()),
      process_(test::ServerCommand{
          {"/usr/sbin/nginx", "-p", directory_.MakeDirectory("root", "root"), "-c",
           directory_.WriteFile("nginx.conf", Configuration())},
          {},
          SIGTERM}) {
  process_.WaitUntilListening(plainPort_);
}

std::string BenchServer::Configuration() {
  auto const& path = directory_.Path();
  std::filesystem::create_directories(path + "/root/files/up");
  std::ofstream{path + "/root/files/large"};
  std::filesystem::resize_file(path + "/root/files/large", LargeBytes);
  std::string const verify = "ssl_client_certificate " + authority_.CertificatePath() + "; ssl_verify_client on;";
  std::string text = std::string{::geteuid() == 0 ? "user root;\n" : ""} +
                     "daemon off;\nworker_processes 1;\nerror_log stderr crit;\npid " + path +
                     "/pid;\nevents { worker_connections 4096; }\nhttp {\n access_log off;\n sendfile off;\n"
                     " client_max_body_size 2g;\n client_body_buffer_size 64k;\n keepalive_requests 100000000;\n"
                     " keepalive_timeout 600s;\n";
  for (char const* const kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}) {
    text += std::string{" "} + kind + "_temp_path " + path + "/root/" + kind + ";\n";
  }
  text += " ssl_certificate " + server_.CertificatePath + ";\n ssl_certificate_key " + server_.PrivateKeyPath +
          ";\n ssl_protocols TLSv1.2 TLSv1.3;\n";
  std::string const resume = " ssl_session_cache shared:tls:10m; ssl_session_tickets on; ";
  std::string const never = " ssl_session_cache off; ssl_session_tickets off; ";
  text += ServerBlock(keepAlivePort_, verify + resume);
  text += ServerBlock(resumedPort_, verify + resume + "keepalive_timeout 0;");
  text += ServerBlock(fullPort_, verify + never + "keepalive_timeout 0;");
  text += ServerBlock(plainPort_, resume);
  return text + "}\n";
}

Scenario BenchServer::Make(std::uint16_t port) const {
  Scenario scenario;
  scenario.Port = port;
  scenario.CaFile = authority_.CertificatePath();
  scenario.CertificateFile = client_.CertificatePath;
  scenario.PrivateKeyFile = client_.PrivateKeyPath;
  return scenario;
}

Scenario BenchServer::KeepAlive(bool tls13) const {
  auto scenario = Make(keepAlivePort_);
  scenario.Tls13 = tls13;
  return scenario;
}

Scenario BenchServer::NewConnections(bool tls13, bool resume) const {
  auto scenario = Make(resume ? resumedPort_ : fullPort_);
  scenario.Tls13 = tls13;
  scenario.NewConnections = true;
  scenario.Resume = resume;
  return scenario;
}

Scenario BenchServer::WithoutCertificate() const { return Make(plainPort_); }

}  // namespace mtlspop::bench
