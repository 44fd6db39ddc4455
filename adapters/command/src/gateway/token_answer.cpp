#include "gateway/token_answer.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "gateway/answer_head.hpp"

namespace mtlspop::gateway {
namespace {

/// `rest`, an object that is not empty, with the token in front. A JSON library would leave copies of it behind.
std::string WithToken(std::string_view token, std::string_view rest) {
  constexpr std::string_view name = R"({"access_token":")";
  std::string text;
  // At once, so that it does not grow: each character may need an escape. What a header can carry needs no others.
  text.reserve(name.size() + 2 * token.size() + 2 + rest.size());
  text.append(name);
  for (char const letter : token) {
    if (letter == '"' || letter == '\\') text.push_back('\\');
    text.push_back(letter);
  }
  text.append("\",").append(rest.substr(1));
  return text;
}

}  // namespace

std::unique_ptr<Response> TokenAnswer(
    Secret const& token, Handles::TimePoint expiresOn, HandleGrant const& grant, Handles::TimePoint now) {
  using std::chrono::duration_cast;
  using std::chrono::seconds;
  auto const left = duration_cast<seconds>(expiresOn - now).count();
  auto const until = duration_cast<seconds>(expiresOn.time_since_epoch()).count();
  // Numbers as texts, as the service has them.
  nlohmann::json rest{
      {"expires_in", std::to_string(left)},
      {"ext_expires_in", std::to_string(left)},
      {"expires_on", std::to_string(until)},
      {"not_before", std::to_string(duration_cast<seconds>(now.time_since_epoch()).count())},
      {"resource", grant.Resource},
      {"token_type", "Bearer"}};
  if (grant.Identity.GetKind() == ManagedIdentityId::Kind::ClientId) rest["client_id"] = grant.Identity.Value();
  Headers fields;
  fields.Set("Content-Type", "application/json; charset=utf-8");
  fields.Set("Cache-Control", "no-store");
  return TextAnswer(200, std::move(fields), WithToken(token.Reveal(), rest.dump()));
}

}  // namespace mtlspop::gateway
