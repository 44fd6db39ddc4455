#include "gateway/handles.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mtlspop/transport/redact.hpp"

namespace mtlspop::gateway {
namespace {

using std::chrono::hours;
using testing::HasSubstr;
using testing::Not;

HandleGrant Vault() { return {"https://vault.azure.net", {}}; }
Handles::TimePoint const Now{hours{500'000}};

TEST(GatewayHandles, StandForWhatTheyWereGivenOutFor) {
  Handles handles;
  auto const issued = handles.Issue(Vault(), Now);
  ASSERT_TRUE(issued);
  auto const grant = handles.Find(issued->Handle.Reveal(), Now);
  ASSERT_TRUE(grant);
  EXPECT_EQ(grant->Resource, "https://vault.azure.net");
}

TEST(GatewayHandles, AreTheSameUntilHalfOfTheirTimeIsOver) {
  Handles handles{hours{24}};
  auto const first = handles.Issue(Vault(), Now)->Handle;
  EXPECT_EQ(handles.Issue(Vault(), Now + hours{12})->Handle, first);
  auto const second = handles.Issue(Vault(), Now + hours{13})->Handle;
  EXPECT_NE(second, first);
  EXPECT_TRUE(handles.Find(first.Reveal(), Now + hours{23})) << "whoever holds it may use it to its end";
}

TEST(GatewayHandles, DifferByIdentity) {
  Handles handles;
  auto const system = handles.Issue(Vault(), Now)->Handle;
  auto const user = handles.Issue({"https://vault.azure.net", ManagedIdentityId::FromClientId("id")}, Now)->Handle;
  EXPECT_NE(system, user);
  EXPECT_EQ(handles.Find(user.Reveal(), Now)->Identity.Value(), "id");
}

TEST(AttackGatewayHandles, AreNobodysWhenExpiredOrGuessedOrOfAnotherGateway) {
  Handles handles{hours{1}};
  auto const issued = handles.Issue(Vault(), Now);
  auto const handle = issued->Handle.Reveal();
  EXPECT_FALSE(handles.Find(handle, Now + hours{1}));
  EXPECT_FALSE(handles.Find(std::string{handle} + "x", Now));
  EXPECT_FALSE(handles.Find(handle.substr(0, handle.size() - 1), Now));
  EXPECT_FALSE(handles.Find("", Now));
  EXPECT_FALSE(Handles{}.Find(handle, Now));
}

TEST(AttackGatewayHandles, AreBoundedInNumber) {
  Handles handles;
  for (std::size_t index = 0; index < Handles::MaximumGrants; ++index) {
    ASSERT_TRUE(handles.Issue({"https://" + std::to_string(index) + ".example", {}}, Now));
  }
  EXPECT_FALSE(handles.Issue({"https://one-more.example", {}}, Now));
  EXPECT_TRUE(handles.Issue({"https://0.example", {}}, Now)) << "those that there are go on";
  EXPECT_TRUE(handles.Issue({"https://one-more.example", {}}, Now + hours{25})) << "expired ones make room";
}

TEST(AttackGatewayHandles, AreNotSeenInLogs) {
  auto const issued = Handles{}.Issue(Vault(), Now);
  auto const handle = issued->Handle.Reveal();
  auto const random = handle.substr(Handles::Prefix.size());
  EXPECT_THAT(Redact("Authorization: Bearer " + std::string{handle}), Not(HasSubstr(random)));
  EXPECT_THAT(Redact("what was " + std::string{handle} + " good for"), Not(HasSubstr(random)));
}

}  // namespace
}  // namespace mtlspop::gateway
