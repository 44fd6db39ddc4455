#include "bound_operation.hpp"

#include <algorithm>

#include <azure/core/http/http.hpp>

#include "azure_context.hpp"

namespace mtlspop::azure {
namespace {

Azure::Core::Context::Key const& OperationKey() {
  static Azure::Core::Context::Key const key;
  return key;
}

// "https://host:port" as Azure's request names it.
std::string OriginOf(Azure::Core::Http::Request const& request) {
  auto const& url = request.GetUrl();
  return url.GetScheme() + "://" + url.GetHost() + ":" + std::to_string(url.GetPort());
}

}  // namespace

void AddSources(BoundSources& sources, BoundSources const& more) {
  for (auto const& source : more) {
    auto const isKnown = std::any_of(sources.begin(), sources.end(), [&source](BoundSource const& known) {
      return known.Handles == source.Handles;
    });
    if (!isKnown) sources.push_back(source);
  }
}

std::shared_ptr<BoundOperation> BoundOperation::Of(Azure::Core::Context const& context) {
  std::shared_ptr<BoundOperation> operation;
  context.TryGetValue(OperationKey(), operation);
  return operation;
}

Azure::Core::Context BoundOperation::With(
    Azure::Core::Context const& context, std::shared_ptr<BoundOperation> operation) {
  return context.WithValue(OperationKey(), std::move(operation));
}

BoundSource const* BoundOperation::FindByHandle(std::string const& handle) const {
  auto const found = std::find_if(
      sources_.begin(), sources_.end(), [&handle](auto const& source) { return source.Handles->Find(handle); });
  return found == sources_.end() ? nullptr : &*found;
}

bool BoundOperation::Knows(TokenHandles const& handles) const {
  return std::any_of(
      sources_.begin(), sources_.end(), [&handles](auto const& source) { return source.Handles.get() == &handles; });
}

BoundCall& BoundOperation::CallFor(
    BoundSource const& source, Azure::Core::Http::Request const& request, Azure::Core::Context const& context) {
  auto origin = OriginOf(request);
  for (auto const& entry : calls_) {
    if (entry.Source == source.Handles.get() && entry.Origin == origin) return *entry.Call;
  }
  auto const* const body = request.GetBodyStream();
  CallTarget target{
      request.GetMethod().ToString(), Url::Parse(request.GetUrl().GetAbsoluteUrl()),
      body != nullptr && body->Length() != 0};
  auto call = std::make_unique<BoundCall>(source.Settings, std::move(target), FromAzure(context).Deadline());
  calls_.push_back({source.Handles.get(), std::move(origin), std::move(call)});
  return *calls_.back().Call;
}

std::unique_ptr<Azure::Core::Http::RawResponse> BoundOperationPolicy::Send(
    Azure::Core::Http::Request& request,
    Azure::Core::Http::Policies::NextHttpPolicy nextPolicy,
    Azure::Core::Context const& context) const {
  if (auto const operation = BoundOperation::Of(context)) {
    operation->Join(*sources_);
    return nextPolicy.Send(request, context);
  }
  return nextPolicy.Send(request, BoundOperation::With(context, std::make_shared<BoundOperation>(*sources_)));
}

}  // namespace mtlspop::azure
