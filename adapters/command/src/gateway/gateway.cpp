#include "gateway/gateway.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "gateway/authority.hpp"
#include "gateway/ca_bundle.hpp"
#include "gateway/connections.hpp"
#include "gateway/forward_proxy.hpp"
#include "gateway/listener.hpp"
#include "gateway/metadata_service.hpp"
#include "gateway/random_secret.hpp"
#include "gateway/terminated_host.hpp"

namespace mtlspop::command {
namespace {

using namespace gateway;

constexpr std::size_t MaximumConnections = 4096;
// For what the program has left behind to be told that it is over.
constexpr std::chrono::seconds EndingTime{5};

HostRules RulesFrom(std::vector<std::string> const& named) {
  auto rules = AzureHostRules();
  for (auto const& text : named) rules.push_back(HostRule::Parse(text));
  return HostRules{std::move(rules)};
}

std::shared_ptr<Termination const> TerminationFrom(GatewayOptions const& options) {
  return std::make_shared<Termination const>(Termination{
      RulesFrom(options.Hosts), std::make_shared<Handles>(),
      std::make_shared<Upstream>(MakeHttpTransport(options.Transport).get(), options.Credential, options.Log)});
}

class RunningGateway final : public Gateway {
 public:
  explicit RunningGateway(GatewayOptions const& options)
      : termination_(TerminationFrom(options)),
        authority_(std::make_shared<Authority>(termination_->Rules.PermittedNames())),
        bundle_(authority_->CertificatePem()),
        password_(RandomSecret()),
        proxy_(std::make_shared<LoopbackListener>(*io_, std::uint16_t{0})),
        metadata_(std::make_shared<LoopbackListener>(*io_, std::uint16_t{0})) {
    auto const settings = std::make_shared<ConnectionSettings const>();
    proxy_->Start(std::make_shared<ForwardProxy>(*io_, password_, termination_, authority_), settings, connections_);
    metadata_->Start(std::make_shared<MetadataService>(termination_, metadata_->Port()), settings, connections_);
    auto const count = std::clamp(std::thread::hardware_concurrency(), 1U, 4U);
    try {
      for (unsigned index = 0; index < count; ++index) threads_.emplace_back([io = io_] { Run(*io); });
    } catch (...) {
      Stop();
      throw;
    }
  }

  ~RunningGateway() override { Stop(); }

  std::vector<std::pair<std::string, std::string>> EnvironmentForChild() const override {
    auto const proxy = "http://" + std::string{ForwardProxy::UserName} + ":" + password_.Reveal() +
                       "@127.0.0.1:" + std::to_string(proxy_->Port());
    // What is on this machine is none of the gateway's business, the stand-in least of all.
    std::string const direct = "localhost,127.0.0.1,::1,169.254.169.254";
    return {
        {"HTTPS_PROXY", proxy},
        {"https_proxy", proxy},
        {"NO_PROXY", direct},
        {"no_proxy", direct},
        {"SSL_CERT_FILE", bundle_.File()},
        {"REQUESTS_CA_BUNDLE", bundle_.File()},
        {"CURL_CA_BUNDLE", bundle_.File()},
        {"AWS_CA_BUNDLE", bundle_.File()},
        {"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", bundle_.File()},
        {"NODE_EXTRA_CA_CERTS", bundle_.OwnFile()},
        {"AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:" + std::to_string(metadata_->Port())}};
  }

  void Stop() noexcept override {
    if (stopped_.exchange(true)) return;
    proxy_->Stop();
    metadata_->Stop();
    connections_->End(Ending::Now);
    connections_->WaitForNone(EndingTime);
    work_.reset();
    io_->stop();
    for (auto& thread : threads_) thread.join();
  }

 private:
  static void Run(boost::asio::io_context& io) {
    for (;;) {
      try {
        io.run();
        return;
      } catch (std::exception const&) {
        // Out of memory: its connection ends by its timer, the others go on.
      }
    }
  }

  std::shared_ptr<boost::asio::io_context> const io_ = std::make_shared<boost::asio::io_context>();
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_ = boost::asio::make_work_guard(*io_);
  std::shared_ptr<Connections> const connections_ = std::make_shared<Connections>(MaximumConnections);
  std::shared_ptr<Termination const> const termination_;
  std::shared_ptr<Authority> const authority_;
  CaBundle const bundle_;
  Secret const password_;
  std::shared_ptr<LoopbackListener> const proxy_;
  std::shared_ptr<LoopbackListener> const metadata_;
  std::vector<std::thread> threads_;
  std::atomic<bool> stopped_{false};
};

}  // namespace

std::unique_ptr<Gateway> Gateway::Start(GatewayOptions options) { return std::make_unique<RunningGateway>(options); }

}  // namespace mtlspop::command
