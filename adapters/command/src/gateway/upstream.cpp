#include "gateway/upstream.hpp"

#include <string_view>
#include <tuple>
#include <utility>

#include "gateway/loop_credential.hpp"
#include "mtlspop/policies/bound_pipeline.hpp"

namespace mtlspop::gateway {

Upstream::Upstream(
    std::shared_ptr<HttpTransport> transport, CredentialChoice choice, EventSink observer, Executor loops)
    : transport_(std::move(transport)),
      choice_(std::move(choice)),
      observer_(std::move(observer)),
      loops_(std::move(loops)) {}

void Upstream::SendBound(
    HandleGrant const& grant,
    std::shared_ptr<Request> request,
    Context const& context,
    Completion<std::unique_ptr<Response>> done) {
  auto const pipeline = RoadFor(grant).Pipeline;
  auto message = std::make_shared<PipelineRequest>(PipelineRequest{std::move(*request), nullptr});
  pipeline->SendAsync(message, context, [pipeline, done = std::move(done)](auto outcome) { done(std::move(outcome)); });
}

void Upstream::SendPlain(
    std::shared_ptr<Request> request, Context const& context, Completion<std::unique_ptr<Response>> done) {
  // It has to live until it is done, whatever becomes of the gateway.
  transport_->SendAsync(
      std::move(request), nullptr, context,
      [transport = transport_, done = std::move(done)](auto outcome) { done(std::move(outcome)); });
}

void Upstream::GetToken(HandleGrant const& grant, Context const& context, Completion<AccessToken> done) {
  {
    std::lock_guard<std::mutex> const lock{mutex_};
    lastGrant_ = grant;
  }
  auto const credential = RoadFor(grant).Credential;
  TokenRequest wanted;
  wanted.Scopes = {grant.Resource + "/.default"};
  credential->GetTokenAsync(
      wanted, context, [credential, done = std::move(done)](auto outcome) { done(std::move(outcome)); });
}

std::optional<HandleGrant> Upstream::LastGrant() const {
  std::lock_guard<std::mutex> const lock{mutex_};
  return lastGrant_;
}

bool Upstream::GrantLess::operator()(HandleGrant const& left, HandleGrant const& right) const noexcept {
  auto const parts = [](HandleGrant const& grant) {
    return std::make_tuple(
        std::string_view{grant.Resource}, grant.Identity.GetKind(), std::string_view{grant.Identity.Value()});
  };
  return parts(left) < parts(right);
}

Upstream::Road Upstream::RoadFor(HandleGrant const& grant) {
  std::lock_guard<std::mutex> const lock{mutex_};
  auto const found = roads_.find(grant);
  if (found != roads_.end()) return found->second;

  Road road;
  road.Credential = std::make_shared<LoopCredential>(choice_(grant.Identity), loops_);
  BoundPipelineOptions options;
  options.Scopes = {grant.Resource + "/.default"};
  options.RetriesFailures = false;
  options.Observer = observer_;
  road.Pipeline =
      std::make_shared<HttpPipeline const>(MakeBoundPipeline(road.Credential, transport_, std::move(options)));
  // Handles bound the number of grants; whoever asks for tokens of many resources in turn costs no more than that.
  if (roads_.size() >= Handles::MaximumGrants) roads_.clear();
  roads_[grant] = road;
  return road;
}

}  // namespace mtlspop::gateway
