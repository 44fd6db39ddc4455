#include <memory>
#include <new>
#include <system_error>
#include <utility>

#include "mtlspop/transport/http_transport.hpp"
#include "mtlspop/transport/out_of_memory.hpp"
#include "mtlspop/transport/required.hpp"
#include "no_thread.hpp"
#include "openssl/exhaustion.hpp"
#include "openssl/off_reactors.hpp"
#include "openssl/send_operation.hpp"
#include "openssl/sending.hpp"
#include "openssl/signing_failure.hpp"
#include "openssl/transport_core.hpp"
#include "openssl/waiter.hpp"
#include "request_rules.hpp"

namespace mtlspop::openssl {
namespace {

class OpenSslHttpTransport final : public HttpTransport {
 public:
  explicit OpenSslHttpTransport(TransportOptions options) : core_(MakeOffReactors<TransportCore>(std::move(options))) {}

  std::unique_ptr<Response> Send(
      Request& request, std::shared_ptr<BindingCertificate const> const& binding, Context const& context) override;

  void SendAsync(
      std::shared_ptr<Request> request,
      std::shared_ptr<BindingCertificate const> binding,
      Context const& context,
      Completion<std::unique_ptr<Response>> done) override;

  void DropConnections(std::string_view x5tS256) noexcept override;

  mtlspop::PoolStatistics PoolStatistics() const override {
    auto& state = core_->State.Get();
    auto statistics = state.Pool->Statistics();
    statistics.Bindings = state.Contexts.Count();
    return statistics;
  }

 private:
  std::shared_ptr<TransportCore const> const core_;
};

void OpenSslHttpTransport::DropConnections(std::string_view x5tS256) noexcept {
  if (x5tS256.empty()) {
    return;  // connections without a binding are not anybody's
  }
  try {
    auto& state = core_->State.Get();
    // In this order: whoever finds the pool without a connection finds no session either.
    state.Contexts.Forget(std::string{x5tS256});
    state.Pool->Drop(x5tS256);
  } catch (std::exception const& exception) {
    // No memory to be had. Affinity does not depend on it: the connections are that binding's, and idle ones age.
    core_->Options.Observer.Tell(
        Severity::Warning, "transport.connections_not_dropped", {{"x5t_s256", x5tS256}, {"what", exception.what()}});
  }
}

std::unique_ptr<Response> OpenSslHttpTransport::Send(
    Request& request, std::shared_ptr<BindingCertificate const> const& binding, Context const& context) {
  CheckRequest(request, binding != nullptr);
  context.ThrowIfEnded("The request");
  try {
    Waiter waiter{context};
    Sending sending{*core_, request, binding, context, waiter, waiter.MayBlock()};
    WithSigners(context, [&] { Run(sending, waiter); });
    return sending.Take();
  } catch (std::bad_alloc const&) {
    ThrowOutOfMemory();
  }
}

void OpenSslHttpTransport::SendAsync(
    std::shared_ptr<Request> request,
    std::shared_ptr<BindingCertificate const> binding,
    Context const& context,
    Completion<std::unique_ptr<Response>> done) {
  core_->State.Get().HoldReactors();
  std::shared_ptr<SendOperation> operation;
  try {
    operation = std::make_shared<SendOperation>(
        core_, Required(std::move(request), "The request of SendAsync"), std::move(binding), context, std::move(done));
  } catch (std::system_error const& error) {
    ThrowNoThread(error);
  }
  operation->Send();
}

}  // namespace
}  // namespace mtlspop::openssl

namespace mtlspop {

gsl::not_null<std::shared_ptr<HttpTransport>> MakeHttpTransport(TransportOptions options) {
  return std::shared_ptr<HttpTransport>{
      std::make_shared<openssl::OpenSslHttpTransport>(CheckedOptions(std::move(options)))};
}

}  // namespace mtlspop
