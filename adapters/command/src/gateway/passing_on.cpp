#include "gateway/passing_on.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <utility>

#include "gateway/client_body.hpp"
#include "mtlspop/base/authorization_fields.hpp"
#include "mtlspop/transport/redact.hpp"

namespace mtlspop::gateway {
namespace {

constexpr std::array<std::string_view, 7> Methods = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "MERGE"};

}  // namespace

std::shared_ptr<Request> RequestFor(Exchange const& exchange, Url url) {
  auto const& head = exchange.Head();
  auto request = std::make_shared<Request>(head.Method, std::move(url));
  request->Fields = FieldsToPassOn(head);
  request->Fields.Remove("Authorization");
  request->Fields.Set(CorrelationField, head.CorrelationId);
  request->Body = exchange.Body();
  // A length of zero is said by a body of that length.
  if (!request->Body && head.ContentLength) request->SetBody({});
  // Of a body that is too long to be kept nothing may be sent before the server has taken the token: it could not be sent again
  // with another.
  auto const length = head.ContentLength.value_or(std::numeric_limits<std::uint64_t>::max());
  request->ExpectContinue = head.ExpectsContinue || (head.HasBody() && length > ClientBody::HeldBytes);
  return request;
}

std::optional<Failure> RefusalToPassOn(RequestHead const& head) {
  if (std::find(Methods.begin(), Methods.end(), head.Method) == Methods.end()) {
    return Failure{
        405, "method_not_allowed",
        "The gateway does not send on requests with the method " + Redact(head.Method.substr(0, 32)),
        "Use GET, HEAD, POST, PUT, PATCH, DELETE or MERGE"};
  }
  bool isMisplaced = Handles::IsPartOf(head.Target);
  for (auto const& [name, value] : head.Fields) {
    isMisplaced = isMisplaced || Handles::IsPartOf(name) ||
                  (Handles::IsPartOf(value) && !EqualsIgnoreCase(name, "Authorization"));
  }
  if (head.Fields.GetAll("Authorization").size() > 1) isMisplaced = true;
  for (auto const further : FurtherAuthorizationFields) isMisplaced = isMisplaced || head.Fields.Contains(further);
  if (!isMisplaced) return std::nullopt;
  return Failure{
      403, "handle_misplaced",
      "The request has a handle of the gateway, or authorization, elsewhere than in its one Authorization field",
      "Send the handle as \"Authorization: Bearer ...\" and nowhere else: only there it is exchanged for a token"};
}

Completion<std::unique_ptr<Response>> PassBackTo(std::shared_ptr<Exchange> exchange) {
  return [exchange = std::move(exchange)](Outcome<std::unique_ptr<Response>> outcome) {
    if (outcome.HasValue()) {
      exchange->PassBack(std::move(outcome).Take());
    } else {
      exchange->Fail(outcome.Failure());
    }
  };
}

}  // namespace mtlspop::gateway
