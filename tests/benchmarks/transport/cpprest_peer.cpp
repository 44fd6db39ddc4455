#include <stdexcept>

#include <cpprest/http_client.h>

#include "transport/peer.hpp"

namespace mtlspop::bench {
namespace {

class CpprestPeer final : public Peer {
 public:
  explicit CpprestPeer(Scenario const& scenario)
      : path_(scenario.Path), client_("https://localhost:" + std::to_string(scenario.Port), Configure(scenario)) {}

  void Get() override {
    auto const response = client_.request(web::http::methods::GET, path_).get();
    if (response.status_code() != web::http::status_codes::OK) {
      throw std::runtime_error("cpprestsdk: status " + std::to_string(response.status_code()));
    }
    response.content_ready().wait();
  }

 private:
  static web::http::client::http_client_config Configure(Scenario const& scenario) {
    web::http::client::http_client_config config;
    config.set_ssl_context_callback([scenario](boost::asio::ssl::context& context) {
      context.load_verify_file(scenario.CaFile);
      context.use_certificate_chain_file(scenario.CertificateFile);
      context.use_private_key_file(scenario.PrivateKeyFile, boost::asio::ssl::context::pem);
      auto const version = scenario.Tls13 ? TLS1_3_VERSION : TLS1_2_VERSION;
      SSL_CTX_set_min_proto_version(context.native_handle(), version);
      SSL_CTX_set_max_proto_version(context.native_handle(), version);
    });
    return config;
  }

  std::string path_;
  web::http::client::http_client client_;
};

}  // namespace

std::unique_ptr<Peer> MakeCpprestPeer(Scenario const& scenario) { return std::make_unique<CpprestPeer>(scenario); }

}  // namespace mtlspop::bench
