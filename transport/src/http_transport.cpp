#include "mtlspop/transport/http_transport.hpp"

#include <utility>

#include "mtlspop/transport/blocking_call.hpp"
#include "mtlspop/transport/required.hpp"

namespace mtlspop {

void HttpTransport::SendAsync(
    std::shared_ptr<Request> request,
    std::shared_ptr<BindingCertificate const> binding,
    Context const& context,
    Completion<std::unique_ptr<Response>> done) {
  CallBlocking(
      BlockingWork::Sending, context,
      [this, message = Required(std::move(request), "The request of SendAsync"),
       binding = std::move(binding)](Context const& limited) { return Send(*message, binding, limited); },
      std::move(done));
}

}  // namespace mtlspop
