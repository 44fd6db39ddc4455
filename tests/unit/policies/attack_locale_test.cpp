// Challenges in a process whose locale is Turkish.
#include <gtest/gtest.h>

#include "mtlspop/policies/retry_delay.hpp"
#include "mtlspop/policies/www_authenticate.hpp"
#include "support/turkish_locale.hpp"

namespace mtlspop::test {
namespace {

TEST(AttackLocaleTest, ChallengesAreTheSameInTurkish) {
  TurkishLocale const locale;
  if (!locale.IsSet()) GTEST_SKIP() << "the system has no sources of the locale tr_TR (Debian's package locales)";
  auto const challenges = ParseWwwAuthenticate("BEARER AUTHORIZATION_URI=\"https://i.example/t\", RESOURCE_ID=I");
  ASSERT_EQ(challenges.size(), 1U);
  ASSERT_NE(challenges[0].Find("authorization_uri"), nullptr);
  EXPECT_EQ(*challenges[0].Find("authorization_uri"), "https://i.example/t");
  EXPECT_EQ(*challenges[0].Find("resource_id"), "I");
  Headers fields;
  fields.Set("RETRY-AFTER", "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_TRUE(ReadRetryAfter(fields, std::chrono::system_clock::now()));
}

}  // namespace
}  // namespace mtlspop::test
