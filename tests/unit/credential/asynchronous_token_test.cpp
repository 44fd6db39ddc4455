// What asking for a token without waiting for it promises beyond what the other tests show in both ways.
#include <atomic>
#include <chrono>
#include <filesystem>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_cloud.hpp"
#include "mtlspop/credential/static_credential.hpp"
#include "support/error_code_of.hpp"
#include "support/event.hpp"
#include "support/told.hpp"

namespace mtlspop::test {
namespace {

using namespace std::chrono_literals;

constexpr char const* TokenPath = "/oauth2/v2.0/token";

/// The token service hangs until the gate opens.
void HoldTokensBack(ManagedIdentityWorld& world, Event const& gate) {
  world.Cloud->Intercept = [&gate](Arrived const& arrived) -> std::optional<Answer> {
    if (arrived.Path.find(TokenPath) != std::string::npos) {
      EXPECT_TRUE(gate.Wait());
    }
    return std::nullopt;
  };
}

std::size_t ThreadsOfThisProcess() {
  auto const tasks = std::filesystem::directory_iterator{"/proc/self/task"};
  return static_cast<std::size_t>(std::distance(begin(tasks), end(tasks)));
}

TEST(GetTokenAsync, TenThousandWaitForOneRequestWithoutAThreadEach) {
  constexpr std::size_t callers = 10'000;
  ManagedIdentityWorld world;
  Event gate;
  HoldTokensBack(world, gate);
  auto const before = ThreadsOfThisProcess();
  std::vector<Told<AccessToken>> told(callers);
  auto const context = Context{}.WithTimeout(1h).WithCancellation();
  for (auto const& one : told) world.Credential().GetTokenAsync(world.Request(), context, one.Done());
  EXPECT_LE(ThreadsOfThisProcess(), before + 8);
  gate.Set();
  auto const first = told.front().Wait();
  for (std::size_t index = 1; index < callers; ++index) ASSERT_EQ(told[index].Wait().Token, first.Token);
  EXPECT_EQ(world.Cloud->Count(TokenPath), 1);
}

TEST(AttackGetTokenAsync, CancellingTenThousandEndsThemAllWhileTheRequestGoesOn) {
  constexpr std::size_t callers = 10'000;
  ManagedIdentityWorld world;
  Event gate;
  HoldTokensBack(world, gate);
  Told<AccessToken> patient;
  world.Credential().GetTokenAsync(world.Request(), {}, patient.Done());
  auto const context = Context{}.WithCancellation();
  std::atomic<std::size_t> cancelled{0};
  Event all;
  for (std::size_t index = 0; index < callers; ++index) {
    world.Credential().GetTokenAsync(world.Request(), context, [&](Outcome<AccessToken> outcome) {
      EXPECT_EQ(ErrorCodeOf([&] { std::move(outcome).Take(); }), "cancelled");
      if (++cancelled == callers) all.Set();
    });
  }
  context.Cancel();
  EXPECT_TRUE(all.Wait());
  gate.Set();
  EXPECT_EQ(patient.Wait().Type, TokenType::MtlsPop);
}

TEST(GetTokenAsync, TellsElsewhereWhatIsThrownAtOnce) {
  ManagedIdentityWorld world;
  Told<AccessToken> told;
  world.Credential().GetTokenAsync({}, {}, told.Done());
  EXPECT_EQ(ErrorCodeOf([&] { told.Wait(); }), "invalid_argument");
  EXPECT_NE(told.Thread(), std::this_thread::get_id());
}

TEST(TryGetToken, GivesWhatIsInMemoryAndAsksNobody) {
  ManagedIdentityWorld world;
  EXPECT_FALSE(world.Credential().TryGetToken(world.Request()));
  EXPECT_EQ(world.Cloud->Count(TokenPath), 0);
  auto const token = world.Get();
  auto const again = world.Credential().TryGetToken(world.Request());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->Token, token.Token);
  EXPECT_EQ(again->Binding->X5tS256(), token.Binding->X5tS256());
  auto withClaims = world.Request();
  withClaims.Claims = "{}";
  EXPECT_FALSE(world.Credential().TryGetToken(withClaims));
  EXPECT_EQ(ErrorCodeOf([&] { world.Credential().TryGetToken({}); }), "invalid_argument");
}

}  // namespace
}  // namespace mtlspop::test
