#include "gateway/server.hpp"

#include <mutex>
#include <utility>

#include <boost/asio/post.hpp>

#include "gateway/access_log.hpp"
#include "gateway/runtime.hpp"
#include "gateway/service_manager.hpp"
#include "gateway/status.hpp"

namespace mtlspop::command {
namespace {

using namespace gateway;

constexpr std::size_t ShortestSecret = 32;

[[noreturn]] void Refuse(char const* what, char const* action) { throw Error{{errors::InvalidArgument, what, action}}; }

void Check(ServerOptions const& options) {
  if (options.SocketPath.empty() && !options.Port && options.Inherited.empty()) {
    Refuse("The gateway has no way in", "Name a socket or a port for it");
  }
  if (options.Port && options.PortSecret.Reveal().size() < ShortestSecret) {
    Refuse(
        "The gateway's port has no secret, or one of less than 32 characters, and anybody on this machine can connect",
        "Give it a random secret, or use a unix socket, which looks at who connects");
  }
}

TransportOptions WayOut(ServerOptions const& options, Loops& loops) {
  auto transport = options.Transport;
  transport.Callbacks = loops.MakeExecutor();
  // Each client has one request at a time: as many of them as are served may be under way, and none waits for another.
  transport.Pool.MaximumPerOrigin = options.MaximumConnections;
  transport.Pool.MaximumTotal = options.MaximumConnections;
  return transport;
}

std::vector<ServedOrigin> CheckedOrigins(std::vector<ServedOrigin> origins) {
  if (origins.empty())
    Refuse("The gateway serves no origin", "Name at least one, as in https://myvault.vault.azure.net");
  for (auto& origin : origins) origin = Checked(std::move(origin));
  return origins;
}

/// Hands each request to what is served at the moment.
class CurrentSite final : public Site {
 public:
  void Set(std::shared_ptr<Site> site) {
    std::lock_guard<std::mutex> const lock{mutex_};
    site_ = std::move(site);
  }

  void Handle(std::shared_ptr<Exchange> exchange) override {
    std::shared_ptr<Site> site;
    {
      std::lock_guard<std::mutex> const lock{mutex_};
      site = site_;
    }
    site->Handle(std::move(exchange));
  }

 private:
  std::mutex mutex_;
  std::shared_ptr<Site> site_;
};

class RunningServer final : public Server {
 public:
  explicit RunningServer(ServerOptions options)
      : options_(std::move(options)),
        transport_(MakeHttpTransport(WayOut(options_, *loops_))),
        road_(std::make_shared<Upstream>(
            transport_, status_.Metered(options_.Credential), options_.Observer, loops_->MakeExecutor())),
        runtime_(loops_, options_.MaximumConnections) {
    Reload(options_.Origins);
    auto const settings = Settings();
    if (!options_.SocketPath.empty()) {
      OpenFor(Listener::OnUnixSocket(*loops_, options_.SocketPath, options_.SocketGroup), settings);
    }
    if (options_.Port) OpenFor(Listener::OnLoopback(*loops_, *options_.Port, Callers::Anybody), settings);
    for (int const socket : options_.Inherited) {
      OpenFor(Listener::OnInherited(*loops_, socket, options_.SocketGroup), settings);
    }
    if (options_.StatusPort) {
      statusPort_ = status_.Open(
          *options_.StatusPort, runtime_, {transport_, road_, [this] { return FirstGrant(); }, options_.Observer});
    }
    NotifyServiceManager("READY=1");
  }

  ~RunningServer() override { Stop(); }

  void Reload(std::vector<ServedOrigin> origins) override {
    auto const checked = CheckedOrigins(std::move(origins));
    std::lock_guard<std::mutex> const lock{mutex_};
    origins_ = checked;
    for (auto const& entrance : entrances_) entrance.Current->Set(SiteFor(entrance));
  }

  std::uint16_t Port() const noexcept override {
    for (auto const& entrance : entrances_) {
      if (entrance.Port != 0) return entrance.Port;
    }
    return 0;
  }
  std::uint16_t StatusPort() const noexcept override { return statusPort_; }

  void NotifyAlive() override {
    if (status_.IsStopping()) return;
    // Through all loops: one that stands still is noticed.
    struct Round {
      std::shared_ptr<Loops> Through;
      std::size_t At;
      void operator()() const {
        if (At == Through->Size()) return NotifyServiceManager("WATCHDOG=1");
        boost::asio::post(Through->At(At), Round{Through, At + 1});
      }
    };
    Round{loops_, 0}();
  }

  void Stop() noexcept override {
    if (!status_.BeginStop()) return;
    NotifyServiceManager("STOPPING=1");
    runtime_.Stop(options_.StopTime);
  }

 private:
  struct Entrance {
    std::uint16_t Port = 0;
    std::string Authority;
    std::shared_ptr<CurrentSite> Current;
  };

  std::shared_ptr<ConnectionSettings const> Settings() const {
    auto settings = std::make_shared<ConnectionSettings>();
    settings->Observe = [metrics = status_.Metrics(), log = options_.AccessLog](ExchangeRecord const& record) {
      metrics->Record(record);
      if (log) log(AccessLogLine(record, std::chrono::system_clock::now()));
    };
    settings->OnNotAccepted = status_.Refusals(options_.Observer);
    return settings;
  }

  std::shared_ptr<Site> SiteFor(Entrance const& entrance) const {
    auto const secret = entrance.Port == 0 ? Secret{} : options_.PortSecret;
    return std::make_shared<ReverseProxy>(road_, origins_, secret, entrance.Authority);
  }

  void OpenFor(std::shared_ptr<Listener> const& listener, std::shared_ptr<ConnectionSettings const> const& settings) {
    // A socket of TCP that was passed needs the secret as the gateway's own port does.
    if (listener->Port() != 0 && options_.PortSecret.Reveal().size() < ShortestSecret) {
      Refuse("The socket that was passed is a port, and there is no secret for it", "Give the gateway a secret");
    }
    Entrance const entrance{listener->Port(), listener->Authority(), std::make_shared<CurrentSite>()};
    entrance.Current->Set(SiteFor(entrance));
    entrances_.push_back(entrance);
    if (entrance.Port == 0) return runtime_.Serve(listener, entrance.Current, settings);
    // Strangers who fill it take no place of the unix socket's clients.
    auto forStrangers = std::make_shared<ConnectionSettings>(*settings);
    forStrangers->Limits.FirstRequestTime = FirstRequestTimeOfStrangers;
    runtime_.Serve(listener, entrance.Current, std::move(forStrangers), options_.MaximumConnections);
  }

  HandleGrant FirstGrant() {
    std::lock_guard<std::mutex> const lock{mutex_};
    return {origins_.front().Resource, origins_.front().Identity};
  }

  std::shared_ptr<Loops> const loops_ = std::make_shared<Loops>();
  ServerOptions const options_;
  Status status_;
  std::shared_ptr<HttpTransport> const transport_;
  std::shared_ptr<Upstream> const road_;
  std::mutex mutex_;
  std::vector<ServedOrigin> origins_;
  std::vector<Entrance> entrances_;
  std::uint16_t statusPort_ = 0;
  // Last made, first gone: what runs there looks at all of the above.
  Runtime runtime_;
};

}  // namespace

std::unique_ptr<Server> Server::Start(ServerOptions options) {
  Check(options);
  return std::make_unique<RunningServer>(std::move(options));
}

}  // namespace mtlspop::command
