#include "bound_call_authorization.hpp"

namespace mtlspop {
namespace {

constexpr char const* AuthorizationField = "Authorization";
constexpr char const* BoundField = "x-ms-tokenboundauth";

}  // namespace

void Authorize(PipelineRequest& request, std::optional<AccessToken> const& token) {
  auto& fields = request.Message.Fields;
  fields.Remove(AuthorizationField);
  fields.Remove(BoundField);
  request.Binding = nullptr;
  if (!token) return;
  if (token->Type == TokenType::MtlsPop) {
    request.Binding = token->Binding;
    fields.Set(BoundField, "true");
  }
  fields.Set(AuthorizationField, token->AuthorizationHeader());
}

std::shared_ptr<PipelineRequest> Prepare(std::shared_ptr<PipelineRequest> const& request, BoundCall::Send const& send) {
  if (!send.AsQuestion) {
    Authorize(*request, send.Token);
    request->Attempt = send.Attempt;
    return request;
  }
  auto question = std::make_shared<PipelineRequest>(
      PipelineRequest{Request{"GET", request->Message.Target}, nullptr, send.Attempt});
  question->Message.Fields = request->Message.Fields;
  question->Message.Fields.Remove("Content-Type");
  Authorize(*question, std::nullopt);
  // It has the same id.
  ++request->Sent;
  return question;
}

void Report(TokenCredential& credential, BoundCall::Step const& step) noexcept {
  auto const* const ask = std::get_if<BoundCall::GetToken>(&step);
  if (ask == nullptr || !ask->Report) return;
  credential.ReportRefusal(*ask->Report->Request, ask->Report->Token, ask->Report->Reason);
}

}  // namespace mtlspop
