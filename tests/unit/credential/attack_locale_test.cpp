// The whole road to a token in a process whose locale is Turkish.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_cloud.hpp"
#include "support/turkish_locale.hpp"

namespace mtlspop::test {
namespace {

TEST(AttackLocale, RoadToATokenIsTheSameInTurkish) {
  TurkishLocale const locale;
  if (!locale.IsSet()) GTEST_SKIP() << "the system has no sources of the locale tr_TR (Debian's package locales)";
  ManagedIdentityWorld world;
  world.Cloud->Intercept = [&](Arrived const& arrived) -> std::optional<Answer> {
    if (IsProbe(arrived)) return std::nullopt;
    auto answer = world.Cloud->DefaultAnswer(arrived);
    for (auto& [name, value] : answer.Fields) {
      if (EqualsIgnoreCase(name, "server")) value = "imds/150";
    }
    return answer;
  };
  auto const token = world.Get();
  EXPECT_EQ(token.Type, TokenType::MtlsPop);
  EXPECT_NEAR(std::chrono::duration<double>(token.ExpiresOn - world.Time->Now()).count(), 24 * 3600, 60);
  EXPECT_THAT(world.Cloud->All("/issuecredential").at(0).Body, testing::StartsWith("{\"csr\":\"MII"));
}

}  // namespace
}  // namespace mtlspop::test
