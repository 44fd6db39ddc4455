#include "form.hpp"

#include <array>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/freed_memory.hpp"

namespace mtlspop::test {
namespace {

constexpr char const* Piece = "assertion-that-nobody-may-find";

std::string LongSecret() {
  std::string text;
  for (int i = 0; i < 100; ++i) text.append(Piece).append(1, '.');
  return text;
}

TEST(Form, IsUrlEncoded) {
  std::array<FormField, 3> const fields{{{"a", "plain-._~"}, {"b", "https://x/.default"}, {"c", "{\"k\": \xC3\xA9}"}}};
  EXPECT_EQ(WriteForm(fields).Reveal(), "a=plain-._~&b=https%3A%2F%2Fx%2F.default&c=%7B%22k%22%3A%20%C3%A9%7D");
  EXPECT_TRUE(WriteForm({}).Empty());
}

TEST(Form, JsonIsThatOfALibrary) {
  constexpr char text[] = "quote \" backslash \\ line \n nul \0 caf\xC3\xA9";
  std::string const odd{text, sizeof text - 1};
  std::array<FormField, 2> const fields{{{"csr", "MII+/="}, {"attestation_token", odd}}};
  EXPECT_EQ(
      nlohmann::json::parse(WriteJsonObject(fields).Reveal()),
      (nlohmann::json{{"csr", "MII+/="}, {"attestation_token", odd}}));
}

/// A secret leaves nothing of itself behind in freed memory.
TEST(Form, LeavesNothingBehind) {
  auto const secret = LongSecret();
  // The test can fail: this is how a text grows.
  ASSERT_GT(
      CountLeftBehind(
          Piece,
          [&] {
            std::string grown;
            for (char const character : secret) grown += character;
          }),
      0);
  std::array<FormField, 2> const fields{{{"grant_type", "client_credentials"}, {"client_assertion", secret}}};
  EXPECT_EQ(CountLeftBehind(Piece, [&] { WriteForm(fields); }), 0);
  EXPECT_EQ(CountLeftBehind(Piece, [&] { WriteJsonObject(fields); }), 0);
}

}  // namespace
}  // namespace mtlspop::test
