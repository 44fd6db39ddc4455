#include "gateway/gateway.hpp"

#include <chrono>

#include "gateway/authority.hpp"
#include "gateway/ca_bundle.hpp"
#include "gateway/forward_proxy.hpp"
#include "gateway/listener.hpp"
#include "gateway/metadata_service.hpp"
#include "gateway/random_secret.hpp"
#include "gateway/runtime.hpp"
#include "gateway/terminated_host.hpp"

namespace mtlspop::command {
namespace {

using namespace gateway;

constexpr std::size_t MaximumConnections = 4096;

HostRules RulesFrom(std::vector<std::string> const& named) {
  auto rules = AzureHostRules();
  for (auto const& text : named) rules.push_back(HostRule::Parse(text));
  return HostRules{std::move(rules)};
}

std::shared_ptr<Termination const> TerminationFrom(
    GatewayOptions const& options, std::shared_ptr<boost::asio::io_context> const& io) {
  auto transport = options.Transport;
  transport.Callbacks = ExecutorOn(io);
  return std::make_shared<Termination const>(Termination{
      RulesFrom(options.Hosts), std::make_shared<Handles>(),
      std::make_shared<Upstream>(MakeHttpTransport(std::move(transport)).get(), options.Credential, options.Observer)});
}

class RunningGateway final : public Gateway {
 public:
  explicit RunningGateway(GatewayOptions const& options)
      : io_(MakeIo()),
        termination_(TerminationFrom(options, io_)),
        authority_(std::make_shared<Authority>(termination_->Rules.PermittedNames())),
        bundle_(std::make_unique<CaBundle const>(authority_->CertificatePem())),
        password_(RandomSecret()),
        runtime_(io_, MaximumConnections),
        proxy_(Listener::OnLoopback(runtime_.Io(), 0)),
        metadata_(Listener::OnLoopback(runtime_.Io(), 0)) {
    auto const settings = std::make_shared<ConnectionSettings const>();
    runtime_.Serve(
        proxy_, std::make_shared<ForwardProxy>(runtime_.Io(), password_, termination_, authority_), settings);
    runtime_.Serve(
        metadata_, std::make_shared<MetadataService>(termination_, metadata_->Port(), options.BearerForOthers),
        settings);
  }

  ~RunningGateway() override { Stop(); }

  std::vector<std::pair<std::string, std::string>> EnvironmentForChild() const override {
    auto const proxy = "http://" + std::string{ForwardProxy::UserName} + ":" + std::string{password_.Reveal()} +
                       "@127.0.0.1:" + std::to_string(proxy_->Port());
    // What is on this machine is none of the gateway's business, the stand-in least of all.
    std::string const direct = "localhost,127.0.0.1,::1,169.254.169.254";
    return {
        {"HTTPS_PROXY", proxy},
        {"https_proxy", proxy},
        {"NO_PROXY", direct},
        {"no_proxy", direct},
        {"SSL_CERT_FILE", bundle_->File()},
        {"REQUESTS_CA_BUNDLE", bundle_->File()},
        {"CURL_CA_BUNDLE", bundle_->File()},
        {"AWS_CA_BUNDLE", bundle_->File()},
        {"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", bundle_->File()},
        {"NODE_EXTRA_CA_CERTS", bundle_->OwnFile()},
        {"AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:" + std::to_string(metadata_->Port())}};
  }

  void Stop() noexcept override {
    runtime_.Stop(std::chrono::milliseconds{0});
    bundle_ = nullptr;
  }

 private:
  std::shared_ptr<boost::asio::io_context> const io_;
  std::shared_ptr<Termination const> const termination_;
  std::shared_ptr<Authority> const authority_;
  std::unique_ptr<CaBundle const> bundle_;
  Secret const password_;
  Runtime runtime_;
  std::shared_ptr<Listener> const proxy_;
  std::shared_ptr<Listener> const metadata_;
};

}  // namespace

std::unique_ptr<Gateway> Gateway::Start(GatewayOptions options) { return std::make_unique<RunningGateway>(options); }

}  // namespace mtlspop::command
