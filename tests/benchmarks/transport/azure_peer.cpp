#include <stdexcept>

#include <azure/core/http/curl_transport.hpp>
#include <azure/core/http/http.hpp>

#include "transport/peer.hpp"

namespace mtlspop::bench {
namespace {

class AzurePeer final : public Peer {
 public:
  explicit AzurePeer(Scenario const& scenario)
      : url_("https://localhost:" + std::to_string(scenario.Port) + scenario.Path), transport_(Configure(scenario)) {}

  void Get() override {
    Azure::Core::Http::Request request{Azure::Core::Http::HttpMethod::Get, url_};
    auto const response = transport_.Send(request, Azure::Core::Context{});
    if (response->GetStatusCode() != Azure::Core::Http::HttpStatusCode::Ok) {
      throw std::runtime_error("Azure Core: not 200");
    }
    if (auto const body = response->ExtractBodyStream()) {
      body->ReadToEnd();
    }
  }

 private:
  static Azure::Core::Http::CurlTransportOptions Configure(Scenario const& scenario) {
    Azure::Core::Http::CurlTransportOptions options;
    options.CAInfo = scenario.CaFile;
    return options;
  }

  Azure::Core::Url url_;
  Azure::Core::Http::CurlTransport transport_;
};

}  // namespace

std::unique_ptr<Peer> MakeAzurePeer(Scenario const& scenario) { return std::make_unique<AzurePeer>(scenario); }

}  // namespace mtlspop::bench
