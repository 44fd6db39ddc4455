#include "gateway/contenders.hpp"

#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "support/in_flight_process.hpp"

namespace mtlspop::bench {
namespace {

constexpr char const* Application = "00000000-0000-4000-8000-000000000016";
constexpr char const* Stunnel = "/usr/bin/stunnel4";

std::string LocalPort(Scenario const& scenario) { return "localhost:" + std::to_string(scenario.Port); }

std::string TenantOf(test::Emulator const& emulator) {
  return emulator.Startup().at("identities").at(0).at("tenant_id").get<std::string>();
}

/// The emulator gives tokens that are bound to this certificate.
void Register(test::Emulator const& emulator, Scenario const& scenario) {
  static_cast<void>(emulator.Control(
      "apps", {{"client_id", Application},
               {"tenant_id", TenantOf(emulator)},
               {"certificate_pem", test::ReadFile(scenario.CertificateFile)},
               {"vault_access", true}}));
}

class Nginx final : public Gatekeeper {
 public:
  explicit Nginx(Scenario const& scenario) {
    WayIn.SocketPath = folder_.PathOf("nginx.sock");
    process_ = std::make_unique<test::ServerProcess>(test::ServerCommand{
        {"/usr/sbin/nginx", "-p", folder_.MakeDirectory("root", "root"), "-c",
         folder_.WriteFile("nginx.conf", Configuration(scenario))},
        {},
        SIGTERM});
    while (!std::filesystem::exists(WayIn.SocketPath)) {
      if (!process_->Output().empty()) throw std::runtime_error("nginx: " + process_->Output());
      ::usleep(10'000);
    }
  }

 private:
  std::string Configuration(Scenario const& scenario) const {
    auto const& path = folder_.Path();
    std::string text = std::string{::geteuid() == 0 ? "user root;\n" : ""} +
                       "daemon off;\nworker_processes 1;\nerror_log stderr crit;\npid " + path +
                       "/pid;\nevents { worker_connections 4096; }\nhttp {\n access_log off;\n"
                       " client_max_body_size 2g;\n keepalive_requests 100000000;\n keepalive_timeout 600s;\n";
    for (char const* const kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}) {
      text += std::string{" "} + kind + "_temp_path " + path + "/root/" + kind + ";\n";
    }
    // As the gateway: connections are kept, bodies go through as they come, and nothing is written to a disk.
    text += " upstream origin { server 127.0.0.1:" + std::to_string(scenario.Port) +
            "; keepalive 64; keepalive_requests 100000000; }\n server {\n  listen unix:" + WayIn.SocketPath +
            ";\n  location / {\n   proxy_pass https://origin;\n   proxy_http_version 1.1;\n"
            "   proxy_set_header Connection \"\";\n   proxy_set_header Host " +
            LocalPort(scenario) + ";\n   proxy_set_header Authorization \"mtls_pop " + std::string(1200, 'x') +
            "\";\n   proxy_ssl_certificate " + scenario.CertificateFile + ";\n   proxy_ssl_certificate_key " +
            scenario.PrivateKeyFile + ";\n   proxy_ssl_trusted_certificate " + scenario.CaFile +
            ";\n   proxy_ssl_verify on;\n   proxy_ssl_name localhost;\n   proxy_ssl_server_name on;\n"
            "   proxy_ssl_protocols TLSv1.2;\n   proxy_max_temp_file_size 0;\n   proxy_request_buffering off;\n"
            "  }\n }\n}\n";
    return text;
  }
};

class StunnelClient final : public Gatekeeper {
 public:
  explicit StunnelClient(Scenario const& scenario) {
    WayIn.Port = test::ReserveLoopbackPort();
    auto const configuration =
        "foreground = yes\npid =\ndebug = err\n[origin]\nclient = yes\nsslVersionMax = TLSv1.2\nTIMEOUTidle = 3600\n"
        "accept = 127.0.0.1:" +
        std::to_string(WayIn.Port) + "\nconnect = 127.0.0.1:" + std::to_string(scenario.Port) +
        "\ncert = " + scenario.CertificateFile + "\nkey = " + scenario.PrivateKeyFile +
        "\nCAfile = " + scenario.CaFile + "\nverifyChain = yes\ncheckHost = localhost\nsni = localhost\n";
    process_ = std::make_unique<test::ServerProcess>(
        test::ServerCommand{{Stunnel, folder_.WriteFile("stunnel.conf", configuration)}, {}, SIGTERM});
    process_->WaitUntilListening(WayIn.Port);
  }
};

}  // namespace

double Gatekeeper::Status(std::string const& field) const { return ProcessStatus(field, std::to_string(Pid())); }

std::size_t Gatekeeper::Descriptors() const {
  std::filesystem::directory_iterator const all{"/proc/" + std::to_string(Pid()) + "/fd"};
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

void Gatekeeper::Signal(int signal) const { ::kill(Pid(), signal); }

ServedGateway::ServedGateway(test::Emulator const& emulator, ServedOptions options) {
  WayIn.SocketPath = folder_.PathOf("gateway.sock");
  auto const transport = emulator.MakeTransportOptions();
  auto overrides = std::move(options.Overrides);
  for (auto const& each : transport.ConnectOverrides) {
    overrides += (overrides.empty() ? "" : ",") + each.From + "=" + each.To;
  }
  auto const authorities =
      folder_.WriteFile("authorities.pem", test::ReadFile(transport.Tls.Trust.CaFile) + options.AuthoritiesPem);
  std::string origins;
  for (auto const& origin : options.Origins) origins += (origins.empty() ? "\"" : ", \"") + origin + "\"";
  std::vector<std::string> command{
      MTLSPOP_PROGRAM, "--config",
      folder_.WriteFile("gateway.conf", "[serve]\nsocket = \"" + WayIn.SocketPath + "\"\norigin = [" + origins + "]\n"),
      "serve"};
  if (!options.ApplicationPem.empty()) {
    command.insert(
        command.end(), {"--cert", folder_.WriteFile("application.pem", options.ApplicationPem), "--client-id",
                        Application, "--tenant", TenantOf(emulator)});
  }
  command.insert(command.end(), options.Options.begin(), options.Options.end());
  process_ = std::make_unique<test::ServerProcess>(test::ServerCommand{
      std::move(command),
      {"MTLSPOP_CONNECT_OVERRIDES=" + overrides, "MTLSPOP_CA_FILE=" + authorities,
       "AZURE_POD_IDENTITY_AUTHORITY_HOST=" + emulator.ImdsEndpoint()},
      SIGTERM});
  if (!process_->WaitForOutput("mtlspop: ready")) throw std::runtime_error("the gateway: " + process_->Output());
}

std::unique_ptr<Gatekeeper> StartGateway(test::Emulator const& emulator, Scenario const& scenario) {
  Register(emulator, scenario);
  ServedOptions options;
  options.Origins = {"/=https://" + LocalPort(scenario) + " methods=GET,PUT resource=https://vault.azure.net"};
  options.ApplicationPem = test::ReadFile(scenario.CertificateFile) + test::ReadFile(scenario.PrivateKeyFile);
  options.AuthoritiesPem = test::ReadFile(scenario.CaFile);
  options.Overrides = LocalPort(scenario) + "=127.0.0.1:" + std::to_string(scenario.Port);
  return std::make_unique<ServedGateway>(emulator, std::move(options));
}

std::unique_ptr<Gatekeeper> StartNginx(Scenario const& scenario) { return std::make_unique<Nginx>(scenario); }

std::unique_ptr<Gatekeeper> StartStunnel(Scenario const& scenario) {
  return ::access(Stunnel, X_OK) == 0 ? std::make_unique<StunnelClient>(scenario) : nullptr;
}

}  // namespace mtlspop::bench
