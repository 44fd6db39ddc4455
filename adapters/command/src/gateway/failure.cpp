#include "gateway/failure.hpp"

#include <utility>

#include <nlohmann/json.hpp>

namespace mtlspop::gateway {
namespace {

int StatusOf(Error const& error) {
  auto const code = error.Code();
  if (code == errors::InvalidArgument) return 400;
  if (code == errors::DeadlineExceeded) return 504;
  return error.Details().Transient ? 503 : 502;
}

}  // namespace

Failure ClosingFailure(int status, std::string code, std::string what, std::string action) {
  Failure failure{status, std::move(code), std::move(what), std::move(action)};
  failure.Closes = true;
  return failure;
}

Failure FailureFrom(Error const& error) {
  auto const& details = error.Details();
  Failure failure{
      StatusOf(error), std::string{details.Code.Name()}, details.What, details.Action, details.CorrelationId};
  return failure;
}

std::string BodyOf(Failure const& failure) {
  nlohmann::json inner{{"code", failure.Code}, {"message", failure.What + ". " + failure.Action + "."}};
  if (!failure.CorrelationId.empty()) inner["correlation_id"] = failure.CorrelationId;
  return nlohmann::json{{"error", std::move(inner)}}.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Headers FieldsOf(Failure const& failure) {
  auto fields = failure.Fields;
  fields.Set("Content-Type", "application/json");
  fields.Set("Cache-Control", "no-store");
  fields.Set(ErrorField, failure.Code);
  return fields;
}

}  // namespace mtlspop::gateway
