#include "transport/own_peer.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "mtlspop/transport/openssl.hpp"

namespace mtlspop::bench {
namespace {

std::string ReadText(std::string const& path) {
  std::ostringstream text;
  text << std::ifstream{path}.rdbuf();
  return text.str();
}

class OwnPeer final : public Peer {
 public:
  explicit OwnPeer(Scenario const& scenario)
      : transport_(MakeOwnTransport(scenario)),
        binding_(LoadBinding(scenario)),
        request_{"GET", mtlspop::Url::Parse(UrlOf(scenario))},
        reused_(!scenario.NewConnections),
        resumed_(scenario.Resume) {}

  void Get() override {
    auto const response = transport_->Send(request_, binding_, Context{});
    if (response->StatusCode != 200) {
      throw std::runtime_error("own client: status " + std::to_string(response->StatusCode));
    }
    Drain(*response);
    // A comparison with another client is worth nothing when the two do not do the same.
    if (!first_ && (response->Connection.Reused != reused_ || (!reused_ && response->Connection.Resumed != resumed_))) {
      throw std::runtime_error("own client: not the kind of connection that was to be measured");
    }
    first_ = false;
  }

 private:
  std::shared_ptr<HttpTransport> transport_;
  std::shared_ptr<BindingCertificate const> binding_;
  Request request_;
  bool reused_;
  bool resumed_;
  bool first_ = true;
};

}  // namespace

std::shared_ptr<HttpTransport> MakeOwnTransport(Scenario const& scenario, std::size_t connections) {
  TransportOptions options;
  options.Proxy.UseEnvironment = false;
  options.Pool.IdleTimeout = std::chrono::minutes{10};
  options.Pool.MaximumPerOrigin = connections;
  options.Pool.MaximumTotal = std::max(options.Pool.MaximumTotal, connections);
  // Ten thousand handshakes at once take their time.
  options.ConnectTimeout = std::chrono::minutes{10};
  options.Tls.Trust.CaFile = scenario.CaFile;
  // The bare client goes to 127.0.0.1 as well: what is compared is connections, not name servers.
  auto const port = ":" + std::to_string(scenario.Port);
  options.ConnectOverrides = {{"localhost" + port, "127.0.0.1" + port}};
  if (scenario.Tls13) {
    options.Tls.MinimumVersion = TlsVersion::Tls13;
  }
  return MakeHttpTransport(std::move(options));
}

std::shared_ptr<BindingCertificate const> LoadBinding(Scenario const& scenario) {
  return openssl::MakeBindingCertificateFromPem(ReadText(scenario.CertificateFile), ReadText(scenario.PrivateKeyFile));
}

std::string UrlOf(Scenario const& scenario) {
  return "https://localhost:" + std::to_string(scenario.Port) + scenario.Path;
}

std::uint64_t Drain(Response& response) {
  std::array<std::uint8_t, 16 * 1024> buffer;
  std::uint64_t total = 0;
  while (auto const count = response.Body->Read(buffer, Context{})) {
    total += count;
  }
  return total;
}

std::unique_ptr<Peer> MakeOwnPeer(Scenario const& scenario) { return std::make_unique<OwnPeer>(scenario); }

}  // namespace mtlspop::bench
