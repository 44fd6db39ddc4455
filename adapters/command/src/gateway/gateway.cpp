#include "gateway/gateway.hpp"

#include <chrono>

#include "gateway/authority.hpp"
#include "gateway/ca_bundle.hpp"
#include "gateway/forward_proxy.hpp"
#include "gateway/listener.hpp"
#include "gateway/metadata_service.hpp"
#include "gateway/random_secret.hpp"
#include "gateway/runtime.hpp"
#include "gateway/status.hpp"
#include "gateway/terminated_host.hpp"

namespace mtlspop::command {
namespace {

using namespace gateway;

constexpr std::size_t MaximumConnections = 4096;
// Whoever asks for tokens asks once in an hour.
constexpr std::size_t MaximumQuestions = 256;

HostRules RulesFrom(std::vector<std::string> const& named) {
  std::vector<HostRule> rules;
  for (auto const& text : named) rules.push_back(HostRule::Parse(text));
  for (auto& known : AzureHostRules()) rules.push_back(std::move(known));
  return HostRules{rules};
}

TransportOptions WayOut(GatewayOptions const& options, Loops& loops) {
  auto transport = options.Transport;
  transport.Callbacks = loops.MakeExecutor();
  return transport;
}

class RunningGateway final : public Gateway {
 public:
  explicit RunningGateway(GatewayOptions const& options)
      : loops_(std::make_shared<Loops>()),
        transport_(MakeHttpTransport(WayOut(options, *loops_))),
        termination_(std::make_shared<Termination const>(
            Termination{RulesFrom(options.Hosts), std::make_shared<Handles>(), RoadFor(options)})),
        authority_(std::make_shared<Authority>(termination_->Rules.PermittedNames())),
        bundle_(std::make_unique<CaBundle const>(authority_->CertificatePem())),
        password_(RandomSecret()),
        runtime_(loops_, MaximumConnections),
        proxy_(Listener::OnLoopback(*loops_, 0)),
        metadata_(Listener::OnLoopback(*loops_, 0)) {
    auto const settings = Settings(options.Observer);
    runtime_.Serve(
        proxy_,
        std::make_shared<ForwardProxy>(
            *loops_, password_, termination_, authority_, std::make_shared<TunnelSettings const>(options.Transport)),
        settings);
    runtime_.Serve(
        metadata_, std::make_shared<MetadataService>(termination_, metadata_->Port(), options.BearerForOthers),
        settings, MaximumQuestions);
    if (options.StatusPort) {
      // What the program asked for last: others may have no tokens in this cloud.
      statusPort_ = status_.Open(
          *options.StatusPort, runtime_,
          {transport_, termination_->Road, [road = termination_->Road] { return road->LastGrant(); },
           options.Observer});
    }
  }

  ~RunningGateway() override { Stop(); }

  std::vector<std::pair<std::string, std::string>> EnvironmentForChild() const override {
    auto const proxy = "http://" + std::string{ForwardProxy::UserName} + ":" + std::string{password_.Reveal()} +
                       "@127.0.0.1:" + std::to_string(proxy_->Port());
    // What is on this machine is none of the gateway's business, the stand-in least of all.
    std::string const direct = "localhost,127.0.0.1,::1,169.254.169.254";
    std::vector<std::pair<std::string, std::string>> variables{
        {"HTTPS_PROXY", proxy},
        {"https_proxy", proxy},
        {"NO_PROXY", direct},
        {"no_proxy", direct},
        {"AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:" + std::to_string(metadata_->Port())}};
    variables.insert(variables.end(), bundle_->Variables().begin(), bundle_->Variables().end());
    return variables;
  }

  std::uint16_t StatusPort() const noexcept override { return statusPort_; }

  void Stop() noexcept override {
    status_.BeginStop();
    runtime_.Stop(std::chrono::milliseconds{0});
    bundle_ = nullptr;
  }

 private:
  std::shared_ptr<Upstream> RoadFor(GatewayOptions const& options) const {
    return std::make_shared<Upstream>(
        transport_, status_.Metered(options.Credential), options.Observer, loops_->MakeExecutor());
  }

  std::shared_ptr<ConnectionSettings const> Settings(EventSink const& observer) const {
    auto settings = std::make_shared<ConnectionSettings>();
    settings->Observe = [metrics = status_.Metrics()](ExchangeRecord const& record) { metrics->Record(record); };
    settings->OnNotAccepted = status_.Refusals(observer);
    return settings;
  }

  std::shared_ptr<Loops> const loops_;
  Status status_;
  std::shared_ptr<HttpTransport> const transport_;
  std::shared_ptr<Termination const> const termination_;
  std::shared_ptr<Authority> const authority_;
  std::unique_ptr<CaBundle const> bundle_;
  Secret const password_;
  std::uint16_t statusPort_ = 0;
  Runtime runtime_;
  std::shared_ptr<Listener> const proxy_;
  std::shared_ptr<Listener> const metadata_;
};

}  // namespace

// App Service, Functions and Service Fabric; Azure Arc; Cloud Shell and Machine Learning.
std::vector<std::string> Gateway::RemovedFromChild() {
  return {"IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IDENTITY_SERVER_THUMBPRINT", "IDENTITY_API_VERSION", "IMDS_ENDPOINT",
          "MSI_ENDPOINT",      "MSI_SECRET"};
}

std::unique_ptr<Gateway> Gateway::Start(GatewayOptions options) { return std::make_unique<RunningGateway>(options); }

}  // namespace mtlspop::command
