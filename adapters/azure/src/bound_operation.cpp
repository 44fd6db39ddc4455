#include "bound_operation.hpp"

#include <algorithm>

#include <azure/core/http/http.hpp>

namespace mtlspop::azure {
namespace {

Azure::Core::Context::Key const& OperationKey() {
  static Azure::Core::Context::Key const key;
  return key;
}

}  // namespace

void AddSources(std::vector<BoundSource>& sources, std::vector<BoundSource> const& more) {
  for (auto const& source : more) {
    auto const isKnown = std::any_of(
        sources.begin(), sources.end(), [&source](BoundSource const& known) { return known.Pairs == source.Pairs; });
    if (!isKnown) sources.push_back(source);
  }
}

BoundOperation::BoundOperation(std::shared_ptr<BoundTokenSettings const> settings)
    : settings_(std::move(settings)), sources_(settings_->Sources) {}

std::shared_ptr<BoundOperation> BoundOperation::Of(Azure::Core::Context const& context) {
  std::shared_ptr<BoundOperation> operation;
  context.TryGetValue(OperationKey(), operation);
  return operation;
}

Azure::Core::Context BoundOperation::With(
    Azure::Core::Context const& context, std::shared_ptr<BoundOperation> operation) {
  return context.WithValue(OperationKey(), std::move(operation));
}

BoundOperation::Held BoundOperation::Find(std::string_view token) const {
  for (auto const& source : sources_) {
    if (auto pair = source.Pairs->Find(token)) return {source.Credential, source.Pairs, std::move(pair)};
  }
  return {};
}

int BoundOperation::TakeCheckRetry() noexcept {
  return checkRetries_ < settings_->Retry.MaxRetries ? ++checkRetries_ : 0;
}

void BoundOperation::NoteRefusal(std::shared_ptr<TokenPair const> pair) noexcept { refused_ = std::move(pair); }

bool BoundOperation::WasRefused(AccessToken const& token) const {
  return refused_ && refused_->Token.Token.Reveal() == token.Token.Reveal();
}

std::unique_ptr<Azure::Core::Http::RawResponse> BoundOperationPolicy::Send(
    Azure::Core::Http::Request& request,
    Azure::Core::Http::Policies::NextHttpPolicy nextPolicy,
    Azure::Core::Context const& context) const {
  if (auto const operation = BoundOperation::Of(context)) {
    operation->Join(*settings_);
    return nextPolicy.Send(request, context);
  }
  return nextPolicy.Send(request, BoundOperation::With(context, std::make_shared<BoundOperation>(settings_)));
}

}  // namespace mtlspop::azure
