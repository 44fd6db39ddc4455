#include "token_span.hpp"

#include <cstdint>
#include <exception>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <azure/core/internal/tracing/service_tracing.hpp>

#include "azure_context.hpp"

namespace mtlspop::azure {
namespace {

using Azure::Core::Tracing::_internal::CreateSpanOptions;
using Azure::Core::Tracing::_internal::Span;
using Azure::Core::Tracing::_internal::TracingContextFactory;

struct SpanOfThread {
  Span& Where;
  TracingContextFactory const& Tracing;
};

SpanOfThread const*& Current() noexcept {
  thread_local SpanOfThread const* current = nullptr;
  return current;
}

/// The span of this thread for as long as it lives.
class Entered final {
 public:
  explicit Entered(SpanOfThread const& span) noexcept : before_(std::exchange(Current(), &span)) {}
  ~Entered() { Current() = before_; }
  Entered(Entered const&) = delete;
  Entered& operator=(Entered const&) = delete;

 private:
  SpanOfThread const* before_;
};

AccessToken GetTokenIn(
    SpanOfThread const& span,
    mtlspop::TokenCredential& credential,
    TokenRequest const& request,
    Azure::Core::Context const& context) {
  Entered const entered{span};
  try {
    auto token = credential.GetToken(request, FromAzure(context));
    span.Where.AddAttribute("mtlspop.type", std::string{ToString(token.Type)});
    if (token.Binding) span.Where.AddAttribute("mtlspop.x5t_s256", token.Binding->X5tS256());
    return token;
  } catch (std::exception const& error) {
    span.Where.AddEvent(error);
    throw;
  }
}

}  // namespace

AccessToken GetTokenTraced(
    mtlspop::TokenCredential& credential,
    TokenRequest const& request,
    std::string_view reason,
    Azure::Core::Context const& context) {
  if (auto token = credential.TryGetToken(request)) return *std::move(token);
  auto const tracing = TracingContextFactory::CreateFromContext(context);
  if (!tracing || !tracing->HasTracer()) return credential.GetToken(request, FromAzure(context));
  // The attributes refer to these.
  std::string const name{"mtlspop.reason"};
  std::string const why{reason};
  CreateSpanOptions options;
  options.Attributes = tracing->CreateAttributeSet();
  if (!why.empty()) options.Attributes->AddAttribute(name, why);
  auto inSpan = tracing->CreateTracingContext("BoundTokenCredential.GetToken", options, context);
  return GetTokenIn({inSpan.Span, *tracing}, credential, request, inSpan.Context);
}

bool IsInSpanOnThisThread() noexcept { return Current() != nullptr; }

void AddToSpanOfThisThread(Event const& event) {
  auto const* const span = Current();
  if (span == nullptr) return;
  // The attributes refer to these.
  std::vector<std::string> texts;
  texts.reserve(2 * event.Fields.size());
  auto const attributes = span->Tracing.CreateAttributeSet();
  for (auto const& field : event.Fields) {
    auto const& name = texts.emplace_back("mtlspop." + std::string{field.Name});
    if (auto const* text = std::get_if<std::string_view>(&field.Value)) {
      attributes->AddAttribute(name, texts.emplace_back(*text));
    } else if (auto const* number = std::get_if<std::int64_t>(&field.Value)) {
      attributes->AddAttribute(name, *number);
    } else {
      attributes->AddAttribute(name, std::get<bool>(field.Value));
    }
  }
  span->Where.AddEvent(std::string{event.Name}, *attributes);
}

}  // namespace mtlspop::azure
