#include <algorithm>
#include <cstdlib>
#include <new>
#include <utility>

#include "mtlspop/base/per_process.hpp"
#include "mtlspop/transport/http_transport.hpp"
#include "openssl/exhaustion.hpp"
#include "openssl/http1_exchange.hpp"
#include "openssl/route.hpp"
#include "openssl/signing_failure.hpp"
#include "request_rules.hpp"

namespace mtlspop::openssl {
namespace {

/// What belongs to one process and is made anew in a forked child.
struct ProcessState {
  ProcessState(ProcessState* /*parents*/, TransportOptions const& options)
      : Contexts(options.Tls), Pool(std::make_shared<ConnectionPool>(options.Pool, options.Time)) {}
  /// Closes the child's copies of the parent's sockets.
  void Abandon() noexcept { Pool->Disown(); }

  TlsContexts Contexts;
  std::shared_ptr<ConnectionPool> Pool;
};

class OpenSslHttpTransport final : public HttpTransport {
 public:
  explicit OpenSslHttpTransport(TransportOptions options)
      : options_(std::move(options)), routes_(options_), state_(options_) {}

  std::unique_ptr<Response> Send(
      Request& request, std::shared_ptr<BindingCertificate const> const& binding, Context const& context) override;

  void DropConnections(std::string_view x5tS256) noexcept override;

  mtlspop::PoolStatistics PoolStatistics() const override {
    auto& state = state_.Get();
    auto statistics = state.Pool->Statistics();
    statistics.Bindings = state.Contexts.Count();
    return statistics;
  }

 private:
  std::unique_ptr<Response> Exchange(
      Request& request, std::shared_ptr<BindingCertificate const> const& binding, Context const& context);
  std::unique_ptr<Connection> Open(
      Route const& route, std::shared_ptr<BindingCertificate const> const& binding, Context const& context) const;
  void LogOpened(Connection& connection, Route const& route) const;

  TransportOptions const options_;
  RouteTable const routes_;
  PerProcess<ProcessState, TransportOptions> const state_;
};

void OpenSslHttpTransport::DropConnections(std::string_view x5tS256) noexcept {
  if (x5tS256.empty()) {
    return;  // connections without a binding are not anybody's
  }
  try {
    auto& state = state_.Get();
    // In this order: whoever finds the pool without a connection finds no session either.
    state.Contexts.Forget(std::string{x5tS256});
    state.Pool->Drop(x5tS256);
  } catch (std::exception const& exception) {
    // No memory to be had. Affinity does not depend on it: the connections are that binding's, and idle ones age.
    options_.Log.Write(
        LogLevel::Warning, "transport.connections_not_dropped", {{"x5t_s256", x5tS256}, {"what", exception.what()}});
  }
}

bool CanBeRepeated(Request& request, Http1Exchange const& exchange) {
  return exchange.ConnectionWasLost() && exchange.NothingReceived() &&
         (exchange.NothingSent() || IsIdempotent(request.Method)) && (!request.Body || request.Body->TryRewind());
}

std::unique_ptr<Response> OpenSslHttpTransport::Send(
    Request& request, std::shared_ptr<BindingCertificate const> const& binding, Context const& context) {
  CheckRequest(request, binding != nullptr);
  context.ThrowIfEnded("The request");
  try {
    return WithSigners(context, [&] { return Exchange(request, binding, context); });
  } catch (std::bad_alloc const&) {
    ThrowOutOfMemory();
  }
}

std::unique_ptr<Response> OpenSslHttpTransport::Exchange(
    Request& request, std::shared_ptr<BindingCertificate const> const& binding, Context const& context) {
  auto& state = state_.Get();
  auto const route = routes_.For(request, binding != nullptr);
  auto const& origin = request.Target.GetOrigin();
  auto const proxy = route.ProxyText();
  PoolKeyView const key{
      origin.Scheme, origin.Host, origin.Port, proxy,
      binding ? std::string_view{binding->X5tS256()} : std::string_view{}};
  for (bool again = false;; again = true) {
    auto slot = state.Pool->Acquire(key, again, context);
    bool const reused = slot.HasConnection();
    if (!reused) {
      slot.Set(Open(route, binding, context));
      LogOpened(slot.Get(), route);
    }
    Waiter waiter{context, "The request"};
    Http1Exchange exchange{request, options_, binding != nullptr, waiter};
    try {
      return exchange.Run(std::move(slot), route.Form());
    } catch (Error const&) {
      if (again || !reused || !CanBeRepeated(request, exchange)) {
        throw;
      }
    }
    options_.Log.Write(LogLevel::Debug, "transport.repeat", {{"host", request.Target.Host()}});
  }
}

std::unique_ptr<Connection> OpenSslHttpTransport::Open(
    Route const& route, std::shared_ptr<BindingCertificate const> const& binding, Context const& context) const {
  auto& state = state_.Get();
  auto const limited = context.WithTimeout(options_.ConnectTimeout);
  try {
    Waiter waiter{limited, "Connecting"};
    auto const tls = route.UsesTls() ? state.Contexts.For(binding) : nullptr;
    auto connection = route.Connect(state.Contexts, tls, options_.Limits, waiter);
    connection->Info().X5tS256 = binding ? binding->X5tS256() : std::string{};
    return connection;
  } catch (Error const& error) {
    auto details = error.Details();
    details.NothingSent = true;
    if (error.Code() == errors::DeadlineExceeded && !context.IsExpired()) {
      details.What = "No connection to " + route.Name() + " was ready within " +
                     std::to_string(options_.ConnectTimeout.count()) + " ms";
      details.Action = "Check that the host is up and reachable, or raise TransportOptions::ConnectTimeout";
    }
    throw Error{std::move(details)};
  }
}

void OpenSslHttpTransport::LogOpened(Connection& connection, Route const& route) const {
  if (!options_.Log.IsEnabled(LogLevel::Debug)) {
    return;
  }
  auto const& info = connection.Info();
  options_.Log.Write(
      LogLevel::Debug, "transport.connected",
      {{"to", route.Name()},
       {"connection", static_cast<std::int64_t>(info.Id)},
       {"tls", info.TlsVersion},
       {"resumed", info.Resumed ? "yes" : "no"},
       {"x5t_s256", info.X5tS256}});
}

}  // namespace
}  // namespace mtlspop::openssl

namespace mtlspop {

gsl::not_null<std::shared_ptr<HttpTransport>> MakeHttpTransport(TransportOptions options) {
  CheckOptions(options);
  return std::shared_ptr<HttpTransport>{std::make_shared<openssl::OpenSslHttpTransport>(std::move(options))};
}

}  // namespace mtlspop
