#include "gateway/token_answer.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "mtlspop/transport/body_stream.hpp"
#include "support/freed_memory.hpp"

namespace mtlspop::gateway {
namespace {

std::string BodyOf(Secret const& token) {
  HandleGrant const grant{"https://vault.azure.net", ManagedIdentityId::FromClientId("me")};
  auto const answer = TokenAnswer(token, Handles::TimePoint{std::chrono::hours{2}}, grant, Handles::TimePoint{});
  return ReadToEnd(*answer->Body, 1 << 16, Context{});
}

TEST(GatewayTokenAnswer, IsThatOfTheMetadataService) {
  EXPECT_EQ(
      nlohmann::json::parse(BodyOf(Secret{std::string_view{"a\"b\\c"}})), (nlohmann::json{
                                                                              {"access_token", "a\"b\\c"},
                                                                              {"expires_in", "7200"},
                                                                              {"ext_expires_in", "7200"},
                                                                              {"expires_on", "7200"},
                                                                              {"not_before", "0"},
                                                                              {"resource", "https://vault.azure.net"},
                                                                              {"token_type", "Bearer"},
                                                                              {"client_id", "me"}}));
}

/// A bearer token that the program asked for (`--bearer-for-others`) stays nowhere in the gateway.
TEST(AttackGatewayTokenAnswer, LeavesNoTokenBehind) {
  constexpr char const* piece = "token-that-nobody-may-find";
  std::string text;
  for (int i = 0; i < 50; ++i) text.append(piece).append(1, '.');
  Secret const token{std::string_view{text}};
  HandleGrant const grant{"https://vault.azure.net", ManagedIdentityId::SystemAssigned()};
  auto const leaves = [&] {
    return test::CountLeftBehind(
        piece, [&] { TokenAnswer(token, Handles::TimePoint{std::chrono::hours{1}}, grant, Handles::TimePoint{}); });
  };
  EXPECT_EQ(leaves(), 0);
}

}  // namespace
}  // namespace mtlspop::gateway
