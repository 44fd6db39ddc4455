// What becomes of a binding: the table of states and events, and that the one who keeps it does what it says.
#include <array>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "binding_life.hpp"
#include "fake_cloud.hpp"

namespace mtlspop::test {
namespace {

using std::chrono_literals::operator""s;
using State = BindingState;
using Event = BindingEvent;
using Tokens = DroppedTokens;

constexpr std::array<State, 4> AllStates{State::Current, State::Superseded, State::Refused, State::Gone};
constexpr std::array<Event, 6> AllEvents{Event::Adopted,          Event::Replaced,  Event::Refused,
                                         Event::RefusedForTenant, Event::TokenCame, Event::LastTokenLeft};

struct Row {
  State Before;
  Event What;
  State After;
  Tokens Dropped = Tokens::None;
  bool DropsConnections = false;
};

/// Every state with every event, where another binding can be made.
std::vector<Row> const Table{
    {State::Current, Event::Adopted, State::Current},
    {State::Current, Event::Replaced, State::Superseded},
    {State::Current, Event::Refused, State::Refused, Tokens::All, true},
    {State::Current, Event::RefusedForTenant, State::Superseded, Tokens::OfTheTenant},
    {State::Current, Event::TokenCame, State::Current},
    {State::Current, Event::LastTokenLeft, State::Current},

    {State::Superseded, Event::Adopted, State::Current},
    {State::Superseded, Event::Replaced, State::Superseded},
    {State::Superseded, Event::Refused, State::Refused, Tokens::All, true},
    {State::Superseded, Event::RefusedForTenant, State::Superseded, Tokens::OfTheTenant},
    {State::Superseded, Event::TokenCame, State::Superseded},
    {State::Superseded, Event::LastTokenLeft, State::Gone, Tokens::None, true},

    {State::Refused, Event::Adopted, State::Current},
    {State::Refused, Event::Replaced, State::Refused},
    {State::Refused, Event::Refused, State::Refused},
    {State::Refused, Event::RefusedForTenant, State::Refused, Tokens::OfTheTenant},
    {State::Refused, Event::TokenCame, State::Refused, Tokens::All},
    {State::Refused, Event::LastTokenLeft, State::Refused},

    {State::Gone, Event::Adopted, State::Current},
    {State::Gone, Event::Replaced, State::Gone},
    {State::Gone, Event::Refused, State::Refused, Tokens::All, true},
    {State::Gone, Event::RefusedForTenant, State::Gone, Tokens::OfTheTenant},
    {State::Gone, Event::TokenCame, State::Superseded},
    {State::Gone, Event::LastTokenLeft, State::Gone},
};

/// What is different where nobody makes another one.
std::vector<Row> const FixedTable{
    {State::Current, Event::Refused, State::Current, Tokens::All, true},
    {State::Current, Event::RefusedForTenant, State::Current, Tokens::OfTheTenant},
};

Row const* Find(std::vector<Row> const& rows, State state, Event event) {
  for (auto const& row : rows) {
    if (row.Before == state && row.What == event) return &row;
  }
  return nullptr;
}

class BindingLifeTable : public testing::TestWithParam<std::tuple<State, Event, BindingSupply>> {};

TEST_P(BindingLifeTable, SaysWhatFollows) {
  auto const [state, event, supply] = GetParam();
  auto const* row = supply == BindingSupply::Fixed ? Find(FixedTable, state, event) : nullptr;
  if (row == nullptr) row = Find(Table, state, event);
  ASSERT_NE(row, nullptr) << "every state has every event";
  auto const step = Follow(state, event, supply);
  EXPECT_EQ(step.Next, row->After);
  EXPECT_EQ(step.Tokens, row->Dropped);
  EXPECT_EQ(step.DropsConnections, row->DropsConnections);
}

INSTANTIATE_TEST_SUITE_P(
    All,
    BindingLifeTable,
    testing::Combine(
        testing::ValuesIn(AllStates),
        testing::ValuesIn(AllEvents),
        testing::Values(BindingSupply::Renewable, BindingSupply::Fixed)));

/// A certificate in name only.
class NamedKey final : public PrivateKeyHandle {};

std::shared_ptr<BindingCertificate const> NamedBinding(std::string x5tS256, Clock const& time) {
  BindingCertificate::Parts parts;
  parts.Chain = {{0x30}};
  parts.Key = std::make_shared<NamedKey>();
  parts.X5tS256 = std::move(x5tS256);
  parts.NotBefore = time.Now() - std::chrono::hours{1};
  parts.NotAfter = time.Now() + std::chrono::hours{24};
  return std::make_shared<BindingCertificate const>(std::move(parts));
}

/// A credential's cache and transport, as the life of its bindings sees them.
class BindingLifeTest : public testing::Test {
 protected:
  explicit BindingLifeTest(BindingSupply supply = BindingSupply::Renewable)
      : life_(
            {supply, *time_, [this] { return random_; }, lines_.MakeObserver(),
             [this](std::string const& id) { dropped_.push_back(id); }},
            cache_) {}

  AccessToken Token(std::string const& x5tS256, std::string const& text = "token") const {
    AccessToken token;
    token.Token = Secret{std::string_view{text}};
    token.Type = TokenType::MtlsPop;
    token.Binding = NamedBinding(x5tS256, *time_);
    token.ExpiresOn = time_->Now() + std::chrono::hours{1};
    token.RefreshOn = token.ExpiresOn;
    return token;
  }
  static TokenRequest For(std::string const& scope, std::string const& tenant = {}) {
    TokenRequest request;
    request.Scopes = {scope};
    request.TenantId = tenant;
    return request;
  }
  void Keep(AccessToken const& token, std::string const& scope = "scope", std::string const& tenant = {}) {
    life_.Keep(For(scope, tenant), TokenRoute::Bound, token);
  }
  Freshness Find(std::string const& scope = "scope", std::string const& tenant = {}) const {
    AccessToken token;
    return cache_.Find(For(scope, tenant), TokenRoute::Bound, time_->Now(), token);
  }
  bool Refuse(std::string const& x5tS256, RefusalReason reason = RefusalReason::BindingNoLongerGood) {
    return life_.Hear(Token(x5tS256), reason);
  }

  double random_ = 0;
  std::shared_ptr<ManualClock> time_ = std::make_shared<ManualClock>();
  LogLines lines_;
  std::vector<std::string> dropped_;
  TokenCache cache_{[] { return 0.0; }};
  BindingLife life_;
};

class FixedBindingLifeTest : public BindingLifeTest {
 protected:
  FixedBindingLifeTest() : BindingLifeTest(BindingSupply::Fixed) {}
};

TEST_F(BindingLifeTest, SupersededBindingGoesWithItsLastToken) {
  life_.Adopt("a");
  Keep(Token("a"), "one");
  Keep(Token("a"), "two");
  life_.Adopt("b");
  EXPECT_FALSE(life_.IsCurrent("a"));
  Keep(Token("b"), "one");
  EXPECT_THAT(dropped_, testing::IsEmpty());
  Keep(Token("b"), "two");
  EXPECT_THAT(dropped_, testing::ElementsAre("a"));
}

TEST_F(BindingLifeTest, SupersededBindingWithoutATokenGoesAtOnce) {
  life_.Adopt("a");
  life_.Adopt("b");
  EXPECT_THAT(dropped_, testing::ElementsAre("a"));
}

TEST_F(BindingLifeTest, TokenThatComesForABindingThatIsGoneHoldsItAgain) {
  life_.Adopt("a");
  life_.Adopt("b");
  Keep(Token("a"));
  EXPECT_EQ(Find(), Freshness::Fresh);
  Keep(Token("b"));
  EXPECT_THAT(dropped_, testing::ElementsAre("a", "a"));
}

TEST_F(BindingLifeTest, TokensBoundToOthersAreDueWhenABindingIsAdopted) {
  life_.Adopt("a");
  Keep(Token("a"));
  life_.Adopt("b");
  EXPECT_EQ(Find(), Freshness::RefreshDue);
}

TEST_F(BindingLifeTest, RefusedBindingLosesAllAtOnceAndKeepsNothingThatComesLate) {
  life_.Adopt("a");
  Keep(Token("a"));
  EXPECT_TRUE(Refuse("a"));
  EXPECT_TRUE(life_.IsRefused("a"));
  EXPECT_EQ(Find(), Freshness::None);
  EXPECT_THAT(dropped_, testing::ElementsAre("a"));
  Keep(Token("a"));
  EXPECT_EQ(Find(), Freshness::None);
}

TEST_F(BindingLifeTest, BindingThatIsRolledBackToIsLikeAnyOther) {
  life_.Adopt("a");
  life_.Adopt("b");
  life_.Adopt("a");
  EXPECT_TRUE(life_.IsCurrent("a"));
  Keep(Token("a"));
  EXPECT_EQ(Find(), Freshness::Fresh);
}

TEST_F(BindingLifeTest, RefusedBindingThatIsAdoptedAgainIsLikeAnyOther) {
  life_.Adopt("a");
  Refuse("a");
  life_.Adopt("a");
  Keep(Token("a"));
  EXPECT_EQ(Find(), Freshness::Fresh);
}

TEST_F(BindingLifeTest, RefusalIsBelievedOnceInAWhile) {
  life_.Adopt("a");
  EXPECT_TRUE(Refuse("a"));
  life_.Adopt("b");
  Keep(Token("b"));
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(Refuse("b"));
  EXPECT_TRUE(life_.IsCurrent("b"));
  EXPECT_EQ(Find(), Freshness::Fresh);
  EXPECT_THAT(dropped_, testing::ElementsAre("a"));
  EXPECT_THAT(lines_.Text(), testing::HasSubstr("binding.refused_again"));
  time_->Advance(BindingLife::Interval);
  EXPECT_TRUE(Refuse("b", RefusalReason::PrivateKeyUnusable));
  EXPECT_TRUE(life_.IsRefused("b"));
}

/// A resource that refuses all of a fleet does it at one moment; the second certificates must not come at one moment too.
TEST_F(BindingLifeTest, RefusalIsNotBelievedAgainUntilUpToAQuarterLaterAtRandom) {
  random_ = 0.5;
  life_.Adopt("a");
  EXPECT_TRUE(Refuse("a"));
  life_.Adopt("b");
  time_->Advance(BindingLife::Interval + 37s);
  EXPECT_FALSE(Refuse("b"));
  EXPECT_TRUE(life_.IsCurrent("b"));
  time_->Advance(1s);
  EXPECT_TRUE(Refuse("b"));
}

TEST_F(BindingLifeTest, RefusalOfOneThatIsNotGivenOutAnyMoreCostsNoReplacement) {
  life_.Adopt("a");
  Keep(Token("a"));
  life_.Adopt("b");
  EXPECT_FALSE(Refuse("a"));
  EXPECT_EQ(Find(), Freshness::None);
  EXPECT_TRUE(Refuse("b"));
}

TEST_F(BindingLifeTest, RefusedTokenGoesAloneAndItsBindingStays) {
  life_.Adopt("a");
  Keep(Token("a", "one"), "one");
  Keep(Token("a", "two"), "two");
  EXPECT_FALSE(life_.Hear(Token("a", "one"), RefusalReason::TokenRejected));
  EXPECT_EQ(Find("one"), Freshness::None);
  EXPECT_EQ(Find("two"), Freshness::Fresh);
  EXPECT_TRUE(life_.IsCurrent("a"));
  EXPECT_THAT(dropped_, testing::IsEmpty());
}

TEST_F(BindingLifeTest, RefusalForOneTenantLeavesOthersTheirTokens) {
  life_.Adopt("a");
  Keep(Token("a"), "scope", "");
  Keep(Token("a"), "scope", "other");
  life_.HearTokenService("a", "other");
  EXPECT_FALSE(life_.IsCurrent("a"));
  EXPECT_EQ(Find("scope", ""), Freshness::Fresh);
  EXPECT_EQ(Find("scope", "other"), Freshness::None);
  EXPECT_THAT(dropped_, testing::IsEmpty());
  life_.Adopt("b");
  Keep(Token("b"), "scope", "");
  EXPECT_THAT(dropped_, testing::ElementsAre("a"));
}

TEST_F(BindingLifeTest, WhatWasBeingMadeWhenTheCurrentOneWasRefusedIsNotAdopted) {
  life_.Adopt("a");
  auto const moment = life_.Moment();
  Refuse("a");
  EXPECT_FALSE(life_.AdoptUnlessRefusedSince(moment, "same-key"));
  EXPECT_TRUE(life_.AdoptUnlessRefusedSince(life_.Moment(), "another"));
  EXPECT_TRUE(life_.IsCurrent("another"));
}

TEST_F(BindingLifeTest, WhatWasAdoptedMeanwhileStays) {
  auto const moment = life_.Moment();
  life_.Adopt("newer");
  EXPECT_TRUE(life_.AdoptUnlessRefusedSince(moment, "older"));
  EXPECT_TRUE(life_.IsCurrent("newer"));
}

TEST_F(BindingLifeTest, OnlyTheLastRefusedOnesAreRemembered) {
  constexpr int many = 200;
  for (int i = 0; i < many; ++i) life_.HearTokenService(std::to_string(i), std::nullopt);
  EXPECT_FALSE(life_.IsRefused("0"));
  EXPECT_TRUE(life_.IsRefused(std::to_string(many - 1)));
}

/// The one that mocks hid: a certificate that stays in use after a refusal stays in use like any other.
TEST_F(FixedBindingLifeTest, RefusedBindingStaysAndLosesWhatItHad) {
  life_.Adopt("a");
  Keep(Token("a"));
  EXPECT_TRUE(Refuse("a"));
  EXPECT_TRUE(life_.IsCurrent("a"));
  EXPECT_EQ(Find(), Freshness::None);
  EXPECT_THAT(dropped_, testing::ElementsAre("a"));
  Keep(Token("a", "next"));
  // Refused again: by requests that were under way, then by a resource that refuses all.
  EXPECT_FALSE(Refuse("a"));
  EXPECT_THAT(lines_.Text(), testing::Not(testing::HasSubstr("binding.refused_again")));
  time_->Advance(BindingLife::Grace);
  EXPECT_FALSE(Refuse("a"));
  EXPECT_THAT(lines_.Text(), testing::HasSubstr("binding.refused_again"));
  EXPECT_EQ(Find(), Freshness::Fresh);
  EXPECT_THAT(dropped_, testing::SizeIs(1));
}

TEST_F(FixedBindingLifeTest, RefusalForOneTenantCostsThatTenantsTokens) {
  life_.Adopt("a");
  Keep(Token("a"), "scope", "");
  Keep(Token("a"), "scope", "other");
  life_.HearTokenService("a", "other");
  EXPECT_TRUE(life_.IsCurrent("a"));
  EXPECT_EQ(Find("scope", ""), Freshness::Fresh);
  EXPECT_EQ(Find("scope", "other"), Freshness::None);
}

TEST_F(BindingLifeTest, ReplacementsThatDoNotHelpAreNotMadeForAWhile) {
  EXPECT_FALSE(life_.ReplacementIsFutile("a"));
  life_.NoteFutileReplacement("a");
  EXPECT_TRUE(life_.ReplacementIsFutile("a"));
  EXPECT_FALSE(life_.ReplacementIsFutile("b"));
  for (std::size_t i = 1; i < BindingLife::MostFutileTenants; ++i) life_.NoteFutileReplacement(std::to_string(i));
  EXPECT_TRUE(life_.ReplacementIsFutile("b"));
  EXPECT_FALSE(life_.ReplacementIsFutile("")) << "the identity's own tenant pays for nobody";
  time_->Advance(BindingLife::Interval);
  EXPECT_FALSE(life_.ReplacementIsFutile("a"));
}

TEST_F(BindingLifeTest, ReplacementsThatDoNotHelpAreMadeAgainUpToAQuarterLaterAtRandom) {
  random_ = 0.5;
  life_.NoteFutileReplacement("a");
  time_->Advance(BindingLife::Interval + 37s);
  EXPECT_TRUE(life_.ReplacementIsFutile("a"));
  time_->Advance(1s);
  EXPECT_FALSE(life_.ReplacementIsFutile("a"));
}

}  // namespace
}  // namespace mtlspop::test
