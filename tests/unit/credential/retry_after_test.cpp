// Retry-After (RFC 9110 section 10.2.3): a service that says when to come back is not asked before, by whomever.
#include <atomic>
#include <chrono>
#include <ctime>
#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_cloud.hpp"
#include "mtlspop/credential/errors.hpp"
#include "support/error_code_of.hpp"
#include "support/event.hpp"

namespace mtlspop::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr char const* TokenPath = "/oauth2/v2.0/token";
constexpr char const* OtherScope = "https://storage.azure.com/.default";

/// What is asked of `path` is answered so.
void Throttle(FakeCloud& cloud, std::string const& path, int status, std::string const& retryAfter) {
  cloud.Intercept = [path, status, retryAfter](Arrived const& arrived) -> std::optional<Answer> {
    if (IsProbe(arrived) || arrived.Path.find(path) == std::string::npos) return std::nullopt;
    auto answer = TokenError("temporarily_unavailable", "busy", status);
    answer.Fields.emplace_back("Retry-After", retryAfter);
    return answer;
  };
}

TEST(AttackRetryAfter, OfTheTokenServiceHoldsForTheNextCall) {
  for (int const status : {429, 503}) {
    ManagedIdentityWorld world;
    Throttle(*world.Cloud, TokenPath, status, "60");
    EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "token_service_unavailable");
    world.Cloud->Intercept = nullptr;
    world.Time->Advance(59s);
    auto const error = ErrorOf([&] { world.Get(ManagedIdentityWorld::Request(OtherScope)); });
    ASSERT_TRUE(error) << status;
    EXPECT_EQ(error->Code(), errors::TokenServiceUnavailable);
    EXPECT_EQ(error->Details().HttpStatus, status);
    EXPECT_TRUE(error->Details().Transient);
    // It was not sent.
    EXPECT_EQ(error->Details().Attempts, 0);
    EXPECT_THAT(error->what(), testing::HasSubstr("not asked again"));
    EXPECT_EQ(world.Cloud->Count(TokenPath), 1);
    EXPECT_THAT(world.Lines->Text(), testing::HasSubstr("service.held_back"));
    world.Time->Advance(1s);
    EXPECT_EQ(world.Get().Type, TokenType::MtlsPop);
  }
}

TEST(AttackRetryAfter, OfImdsHoldsForItsRetriesAndForTheNextCall) {
  ManagedIdentityWorld world;
  Throttle(*world.Cloud, "getplatformmetadata", 429, "30");
  auto const first = ErrorOf([&] { world.Get(); });
  ASSERT_TRUE(first);
  EXPECT_EQ(first->Details().Attempts, 1);
  EXPECT_EQ(first->Details().NotBefore, world.Time->Now() + 30s);
  EXPECT_THAT(world.Time->Slept(), testing::IsEmpty());
  world.Cloud->Intercept = nullptr;
  world.Time->Advance(29s);
  auto const second = ErrorOf([&] { world.Get(); });
  ASSERT_TRUE(second);
  EXPECT_EQ(second->Code(), errors::ImdsUnavailable);
  EXPECT_EQ(second->Details().Attempts, 0);
  EXPECT_EQ(second->Details().NotBefore, world.Time->Now() + 1s);
  // Under that id the service's owners find the request that was sent.
  EXPECT_EQ(second->Details().CorrelationId, first->Details().CorrelationId);
  EXPECT_EQ(world.Cloud->Count("/getplatformmetadata"), 1);
  world.Time->Advance(1s);
  EXPECT_EQ(world.Get().Type, TokenType::MtlsPop);
}

/// A short one is waited for in the place of the contract's wait, where that is shorter.
TEST(AttackRetryAfter, OfImdsIsWaitedForWhereItIsShort) {
  ManagedIdentityWorld world;
  std::atomic<int> calls{0};
  world.Cloud->Intercept = [&](Arrived const& arrived) -> std::optional<Answer> {
    if (IsProbe(arrived) || arrived.Path.find("getplatformmetadata") == std::string::npos || calls++ > 2) return {};
    auto answer = TokenError("too_many_requests", "busy", 429);
    answer.Fields.emplace_back("Retry-After", "2");
    return answer;
  };
  EXPECT_EQ(world.Get().Type, TokenType::MtlsPop);
  EXPECT_THAT(world.Time->Slept(), testing::ElementsAre(2s, 2s, 4s));
}

/// Not at the very moment either, at which all come that were put off with it.
TEST(AttackRetryAfter, OfImdsIsFollowedByARandomWaitAndNeverPrecededByOne) {
  ManagedIdentityWorld world;
  world.Options.Random = [] { return 0.5; };
  std::atomic<int> calls{0};
  world.Cloud->Intercept = [&](Arrived const& arrived) -> std::optional<Answer> {
    if (IsProbe(arrived) || arrived.Path.find("getplatformmetadata") == std::string::npos || calls++ > 1) return {};
    auto answer = TokenError("too_many_requests", "busy", 429);
    answer.Fields.emplace_back("Retry-After", "8");
    return answer;
  };
  EXPECT_EQ(world.Get().Type, TokenType::MtlsPop);
  EXPECT_THAT(world.Time->Slept(), testing::ElementsAre(9s, 9s));
}

TEST(AttackRetryAfter, OfTheTokenServiceIsFollowedByARandomWaitInTheBackgroundToo) {
  ManagedIdentityWorld world;
  world.Options.Random = [] { return 0.5; };
  world.Cloud->Certificates.Life = 30 * 24h;
  auto const first = world.Get();
  Throttle(*world.Cloud, TokenPath, 503, "100");
  world.Time->Advance(18h);
  EXPECT_EQ(world.Get().Token, first.Token);
  auto const isTold = [&] { return world.Lines->Text().find("token.refresh_failed") != std::string::npos; };
  EXPECT_TRUE(Eventually(isTold));
  world.Cloud->Intercept = nullptr;
  // An eighth of that time and half a minute more are what chance says here.
  world.Time->Advance(142s);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(world.Get().Token, first.Token);
  EXPECT_EQ(world.Cloud->Count(TokenPath), 2);
  world.Time->Advance(1s);
  EXPECT_TRUE(Eventually([&] { return world.Get().Token != first.Token; }));
}

/// Callers that ask again and again come back at random too, and are told the time from which on they are served.
TEST(AttackRetryAfter, OfEitherServiceIsHeldUpToAQuarterLongerForCallersToo) {
  for (std::string const path : {"getplatformmetadata", TokenPath}) {
    ManagedIdentityWorld world;
    world.Options.Random = [] { return 0.5; };
    Throttle(*world.Cloud, path, 429, "80");
    auto const first = ErrorOf([&] { world.Get(); });
    ASSERT_TRUE(first) << path;
    EXPECT_EQ(first->Details().NotBefore, world.Time->Now() + 90s);
    world.Cloud->Intercept = nullptr;
    world.Time->Advance(89s);
    auto const second = ErrorOf([&] { world.Get(); });
    ASSERT_TRUE(second) << path;
    EXPECT_EQ(second->Details().NotBefore, world.Time->Now() + 1s);
    EXPECT_EQ(world.Cloud->Count(path), 1);
    world.Time->Advance(1s);
    EXPECT_EQ(world.Get().Type, TokenType::MtlsPop);
  }
}

/// RFC 9110 section 5.6.7 has all three accepted.
TEST(AttackRetryAfter, MayBeADateInEachOfTheThreeForms) {
  for (char const* const format : {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"}) {
    for (std::string const path : {"getplatformmetadata", TokenPath}) {
      ManagedIdentityWorld world;
      auto const then = std::chrono::system_clock::to_time_t(world.Time->Now() + 31s);
      char date[64];
      std::strftime(date, sizeof date, format, std::gmtime(&then));
      Throttle(*world.Cloud, path, 429, date);
      auto const error = ErrorOf([&] { world.Get(); });
      ASSERT_TRUE(error) << date;
      ASSERT_TRUE(error->Details().NotBefore) << date;
      EXPECT_GE(*error->Details().NotBefore, world.Time->Now() + 29s);
      world.Cloud->Intercept = nullptr;
      world.Time->Advance(29s);
      EXPECT_TRUE(ErrorOf([&] { world.Get(); }));
      EXPECT_EQ(world.Cloud->Count(path), 1) << date;
      world.Time->Advance(3s);
      EXPECT_EQ(world.Get().Type, TokenType::MtlsPop);
    }
  }
}

TEST(AttackRetryAfter, OfOneTenantHoldsForNoOther) {
  ManagedIdentityWorld world;
  world.Options.AdditionallyAllowedTenants = {"other"};
  Throttle(*world.Cloud, "/other" + std::string{TokenPath}, 429, "60");
  auto request = world.Request();
  request.TenantId = "other";
  EXPECT_EQ(ErrorCodeOf([&] { world.Get(request); }), "token_service_unavailable");
  EXPECT_EQ(world.Get().Type, TokenType::MtlsPop);
}

/// One wrong number must not take an application out of service for a day. (Nothing is random in this world.)
TEST(AttackRetryAfter, HoldsForFiveMinutesAtMost) {
  ManagedIdentityWorld world;
  Throttle(*world.Cloud, TokenPath, 503, "86400");
  EXPECT_TRUE(ErrorOf([&] { world.Get(); }));
  world.Cloud->Intercept = nullptr;
  world.Time->Advance(5min);
  EXPECT_EQ(world.Get().Type, TokenType::MtlsPop);
}

TEST(AttackRetryAfter, ThatIsNoNumberOfSecondsIsNotRemembered) {
  for (std::string const value : {"", "soon", "-1", "1.5", "99999999999999999999"}) {
    ManagedIdentityWorld world;
    Throttle(*world.Cloud, TokenPath, 503, value);
    EXPECT_TRUE(ErrorOf([&] { world.Get(); }));
    world.Cloud->Intercept = nullptr;
    EXPECT_EQ(world.Get().Type, TokenType::MtlsPop) << value;
  }
}

}  // namespace
}  // namespace mtlspop::test
