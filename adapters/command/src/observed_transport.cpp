#include "observed_transport.hpp"

namespace mtlspop::command {

std::unique_ptr<Response> ObservedTransport::Send(
    Request& request, std::shared_ptr<BindingCertificate const> const& binding, Context const& context) {
  auto const begin = std::chrono::steady_clock::now();
  auto const took = [&] { return std::chrono::steady_clock::now() - begin; };
  try {
    auto response = below_->Send(request, binding, context);
    observer_({request, binding.get(), response.get(), nullptr, took()});
    return response;
  } catch (Error const& error) {
    observer_({request, binding.get(), nullptr, &error, took()});
    throw;
  }
}

}  // namespace mtlspop::command
