#include "schannel/http_transport.hpp"

#include <utility>

#include "mtlspop/transport/out_of_memory.hpp"
#include "mtlspop/transport/required.hpp"
#include "request_rules.hpp"
#include "schannel/async_send.hpp"
#include "schannel/request_opening.hpp"
#include "schannel/send_operation.hpp"

namespace mtlspop::schannel {
namespace {

using Need = SendOperation::Need;

class WinHttpTransport final : public HttpTransport {
 public:
  WinHttpTransport(TransportOptions options, std::shared_ptr<WinHttpFunctions> functions)
      : options_(std::move(options)), opening_(options_, std::move(functions)) {}

  std::unique_ptr<Response> Send(
      Request& request, std::shared_ptr<BindingCertificate const> const& binding, Context const& context) override;
  void SendAsync(
      std::shared_ptr<Request> request,
      std::shared_ptr<BindingCertificate const> binding,
      Context const& context,
      Completion<std::unique_ptr<Response>> done) override;
  void DropConnections(std::string_view x5tS256) noexcept override { opening_.Sessions().Drop(x5tS256); }
  mtlspop::PoolStatistics PoolStatistics() const override;

 private:
  TransportOptions const options_;
  RequestOpening opening_;
};

std::unique_ptr<Response> WinHttpTransport::Send(
    Request& request, std::shared_ptr<BindingCertificate const> const& binding, Context const& context) {
  return OrOutOfMemory([&] {
    CheckBeforeSending(request, binding != nullptr, context);
    SendOperation operation{opening_, options_, request, binding, context};
    for (;;) {
      switch (operation.Advance()) {
        case Need::Nothing:
          return operation.TakeResponse(options_.Callbacks);
        case Need::WinHttp:
          operation.Sending().Wait(context);
          break;
        case Need::BodyPiece:
          ReadPieceHere(operation, *request.Body, context);
      }
    }
  });
}

void WinHttpTransport::SendAsync(
    std::shared_ptr<Request> request,
    std::shared_ptr<BindingCertificate const> binding,
    Context const& context,
    Completion<std::unique_ptr<Response>> done) {
  auto const sending = std::make_shared<AsyncSend>(
      opening_, options_, Required(std::move(request), "The request of SendAsync"), std::move(binding), context,
      std::move(done));
  options_.Callbacks([sending] { sending->Run(); });
}

mtlspop::PoolStatistics WinHttpTransport::PoolStatistics() const {
  mtlspop::PoolStatistics statistics;
  statistics.Bindings = opening_.Sessions().Bindings();
  statistics.Opened = opening_.Ledger().OpenedSoFar();
  statistics.Reused = opening_.Ledger().ReusedSoFar();
  statistics.Dropped = opening_.Sessions().DroppedSoFar();
  return statistics;
}

}  // namespace

gsl::not_null<std::shared_ptr<HttpTransport>> MakeWinHttpTransport(
    TransportOptions options, std::shared_ptr<WinHttpFunctions> functions) {
  return std::shared_ptr<HttpTransport>{
      std::make_shared<WinHttpTransport>(CheckedOptions(std::move(options)), std::move(functions))};
}

}  // namespace mtlspop::schannel

namespace mtlspop {

gsl::not_null<std::shared_ptr<HttpTransport>> MakeHttpTransport(TransportOptions options) {
  return schannel::MakeWinHttpTransport(std::move(options), schannel::SystemWinHttp());
}

}  // namespace mtlspop
