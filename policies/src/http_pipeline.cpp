#include "mtlspop/policies/http_pipeline.hpp"

#include <utility>

#include <gsl/assert>

#include "mtlspop/policies/errors.hpp"
#include "mtlspop/transport/blocking_call.hpp"
#include "mtlspop/transport/executor.hpp"
#include "mtlspop/transport/out_of_memory.hpp"
#include "required.hpp"

namespace mtlspop {
namespace {

constexpr std::string_view BoundScheme = "mtls_pop ";

bool CarriesBoundToken(Request const& message) noexcept {
  auto const value = message.Fields.Get("Authorization");
  return value.size() > BoundScheme.size() && EqualsIgnoreCase(value.substr(0, BoundScheme.size()), BoundScheme);
}

class TransportPolicy final : public HttpPolicy {
 public:
  explicit TransportPolicy(std::shared_ptr<HttpTransport> transport)
      : transport_(Required(std::move(transport), "The pipeline has no transport")) {}

  std::unique_ptr<Response> Send(PipelineRequest& request, NextHttpPolicy, Context const& context) const override {
    CheckAndCount(request);
    return transport_->Send(request.Message, request.Binding, context);
  }

  void SendAsync(
      std::shared_ptr<PipelineRequest> request,
      NextHttpPolicy,
      Context const& context,
      Completion<std::unique_ptr<Response>> done) const override {
    CheckAndCount(*request);
    auto binding = request->Binding;
    auto* const message = &request->Message;
    transport_->SendAsync({std::move(request), message}, std::move(binding), context, std::move(done));
  }

  std::unique_ptr<HttpPolicy> Clone() const override { return std::make_unique<TransportPolicy>(transport_); }

 private:
  static void CheckAndCount(PipelineRequest& request) {
    if (!request.Binding && CarriesBoundToken(request.Message)) {
      throw Error{
          {errors::BoundTokenWithoutBinding,
           "The request to " + request.Message.Target.Host() + " carries a bound token without its certificate",
           "Let the authorization policy set token and certificate together, and check that no other policy takes "
           "PipelineRequest::Binding away"}};
    }
    ++request.Sent;
  }

  std::shared_ptr<HttpTransport> transport_;
};

}  // namespace

std::unique_ptr<Response> NextHttpPolicy::Send(PipelineRequest& request, Context const& context) const {
  Expects(index_ < policies_->size());
  return (*policies_)[index_]->Send(request, NextHttpPolicy{index_ + 1, *policies_}, context);
}

void NextHttpPolicy::SendAsync(
    std::shared_ptr<PipelineRequest> request,
    Context const& context,
    Completion<std::unique_ptr<Response>> done) const {
  Expects(index_ < policies_->size());
  (*policies_)[index_]->SendAsync(std::move(request), NextHttpPolicy{index_ + 1, *policies_}, context, std::move(done));
}

void HttpPolicy::SendAsync(
    std::shared_ptr<PipelineRequest> request,
    NextHttpPolicy next,
    Context const& context,
    Completion<std::unique_ptr<Response>> done) const {
  CallBlocking(
      BlockingWork::Sending, context,
      [this, request = std::move(request), next](Context const& limited) { return Send(*request, next, limited); },
      std::move(done));
}

HttpPipeline::HttpPipeline(std::vector<std::unique_ptr<HttpPolicy>> policies, std::shared_ptr<HttpTransport> transport)
    : policies_(std::move(policies)) {
  for (auto const& policy : policies_) Required(policy.get(), "The pipeline has a policy that is null");
  policies_.push_back(std::make_unique<TransportPolicy>(std::move(transport)));
}

HttpPipeline::HttpPipeline(HttpPipeline const& other) {
  policies_.reserve(other.policies_.size());
  for (auto const& policy : other.policies_) policies_.push_back(policy->Clone());
}

std::unique_ptr<Response> HttpPipeline::Send(PipelineRequest& request, Context const& context) const {
  return OrOutOfMemory([&] { return NextHttpPolicy{0, policies_}.Send(request, context); });
}

void HttpPipeline::SendAsync(
    std::shared_ptr<PipelineRequest> request,
    Context const& context,
    Completion<std::unique_ptr<Response>> done) const {
  auto const checked = Required(std::move(request), "The request of SendAsync");
  try {
    NextHttpPolicy{0, policies_}.SendAsync(checked, context, done);
  } catch (Error const&) {
    // What a policy says at once is told as what it says later.
    DefaultExecutor()([done = std::move(done), failure = std::current_exception()] { done(failure); });
  }
}

}  // namespace mtlspop
