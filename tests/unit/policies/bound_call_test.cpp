#include "mtlspop/policies/bound_call.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fakes.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/policies/binding_verdict.hpp"
#include "mtlspop/policies/errors.hpp"
#include "support/bound_call_table.hpp"
#include "support/error_code_of.hpp"
#include "support/manual_clock.hpp"

namespace mtlspop {
namespace {

using namespace mtlspop::test;
using namespace std::chrono_literals;
using testing::ElementsAreArray;
using testing::HasSubstr;

Error ErrorOfTransport(Came const& came) {
  if (came.What == Came::Kind::CertificateRefused) {
    return Error{{errors::BindingCertificateRejected, "refused", "get another", 0, {}, {}, 0, true}};
  }
  if (came.What == Came::Kind::KeyUnusable) {
    return Error{{errors::PrivateKeyUnusable, "it does not sign", "get another", 0, {}, {}, 0, true}};
  }
  return Error{{errors::ConnectionLost, "lost", "try", 0, {}, {}, 1, false, true}};
}

/// Plays the driver, and writes down what it is told.
class Player final {
 public:
  Player(std::shared_ptr<BoundCallSettings const> settings, TableCredential& credential, ManualClock& time)
      : settings_(std::move(settings)), credential_(credential), time_(time) {}

  void Play(TableCall const& call) {
    script_ = {call.Script.begin(), call.Script.end()};
    call_.emplace(settings_, CallTarget{call.Method, Url::Parse("https://localhost/a"), call.Body != TableBody::None});
    auto step = call_->Start(Now());
    for (;;) {
      Note(step);
      if (auto* const ask = std::get_if<BoundCall::GetToken>(&step); ask && ask->Report) {
        credential_.ReportRefusal(*ask->Report->Request, ask->Report->Token, ask->Report->Reason);
      }
      EXPECT_TRUE(!call_->NeedsRewind() || call.Body != TableBody::None);
      if (call_->NeedsRewind() && call.Body == TableBody::Once) {
        Decisions += "cannot rewind; ";
        step = call_->CannotRewind();
        continue;
      }
      if (auto* const ask = std::get_if<BoundCall::GetToken>(&step)) {
        step = GetToken(*ask);
      } else if (std::holds_alternative<BoundCall::Send>(step)) {
        step = Send();
      } else if (auto* const wait = std::get_if<BoundCall::Wait>(&step)) {
        time_.Advance(wait->For);
        step = call_->Waited(Now());
      } else {
        break;
      }
    }
    if (auto* const fail = std::get_if<BoundCall::Fail>(&step)) Error = fail->What.Code().Name();
    if (std::holds_alternative<BoundCall::Deliver>(step)) Status = status_;
  }

  bool HasPlayedAll() const { return script_.empty(); }

  std::string Decisions;
  std::string Error;
  int Status = 0;

 private:
  CallTime Now() const { return {time_.Now(), time_.SteadyNow()}; }

  BoundCall::Step GetToken(BoundCall::GetToken const& ask) {
    try {
      return call_->TokenObtained(credential_.GetToken(*ask.Request, {}), Now());
    } catch (mtlspop::Error const& error) {
      return call_->TokenFailed(error, Now());
    }
  }

  BoundCall::Step Send() {
    auto const came = script_.empty() ? Came{Came::Kind::Answer, 599} : script_.front();
    if (!script_.empty()) script_.pop_front();
    if (came.What != Came::Kind::Answer) return call_->SendFailed(ErrorOfTransport(came), Now());
    status_ = came.Status;
    Headers fields;
    if (!came.Field.empty()) fields.Add(came.Field, came.FieldValue);
    auto const body = call_->WantsBody(came.Status) ? std::string_view{came.Body} : std::string_view{};
    return call_->Answered({came.Status, fields, body}, Now());
  }

  void Note(BoundCall::Step const& step) {
    if (auto const* const ask = std::get_if<BoundCall::GetToken>(&step)) {
      auto const& request = *ask->Request;
      Decisions += "ask";
      if (!request.TenantId.empty()) Decisions += " " + request.TenantId;
      if (request.Binding == TokenBinding::None) Decisions += " for bearer";
      if (request.Binding == TokenBinding::Required) Decisions += " bound";
      if (!request.Claims.empty()) Decisions += " with claims";
      if (ask->Report) Decisions.append(" after ").append(ToString(ask->Report->Reason));
      Decisions += "; ";
    } else if (auto const* const send = std::get_if<BoundCall::Send>(&step)) {
      auto const without = send->AsQuestion ? std::string{"question"} : std::string{"nothing"};
      Decisions += "send " + (send->Token ? TableCredential::NameOf(*send->Token) : without) + "; ";
    } else if (auto const* const wait = std::get_if<BoundCall::Wait>(&step)) {
      Decisions += "wait " + std::to_string(wait->For.count()) + "; ";
    } else if (std::holds_alternative<BoundCall::Deliver>(step)) {
      Decisions += "deliver " + std::to_string(status_);
    } else if (std::holds_alternative<BoundCall::Fail>(step)) {
      Decisions += "fail";
    }
  }

  std::shared_ptr<BoundCallSettings const> settings_;
  TableCredential& credential_;
  ManualClock& time_;
  std::optional<BoundCall> call_;
  std::deque<Came> script_;
  int status_ = 0;
};

BoundCallOptions WithoutChance(BoundCallOptions options) {
  options.Retry.Random = [] { return 0.5; };
  options.Memory.Random = [] { return 0.5; };
  return options;
}

class BoundCallTable : public testing::TestWithParam<BoundCallRow> {};

TEST_P(BoundCallTable, Decides) {
  auto const& row = GetParam();
  auto const time = std::make_shared<ManualClock>();
  TableCredential credential{
      row.Credential, time, [](int number) { return MakeNamedBinding("key-" + std::to_string(number)); }};
  auto const settings = std::make_shared<BoundCallSettings const>(WithoutChance(row.Options));
  for (auto const& call : row.Calls) {
    time->Advance(call.After);
    Player player{settings, credential, *time};
    player.Play(call);
    EXPECT_EQ(player.Decisions, call.Decisions);
    EXPECT_TRUE(player.HasPlayedAll());
    EXPECT_EQ(player.Error, call.Error);
    EXPECT_EQ(player.Status, call.Status);
    EXPECT_THAT(credential.TakeRefusals(), ElementsAreArray(call.Refusals));
    EXPECT_EQ(credential.TakeFetched(), call.Fetched);
  }
}

/// A framework whose own policies send the request again, with what they take for another token.
class BoundCallInAFramework : public testing::Test {
 protected:
  BoundCallInAFramework() {
    BoundCallOptions options;
    options.RetriesFailures = false;
    settings_ = std::make_shared<BoundCallSettings const>(WithoutChance(std::move(options)));
    call_.emplace(settings_, CallTarget{"GET", Url::Parse("https://localhost/a")});
  }

  static TokenRequest For(std::string tenant) { return {{"https://localhost/.default"}, std::move(tenant), {}, {}}; }
  static AccessToken Token(std::string text) { return MakeBoundToken(std::move(text), MakeNamedBinding("key-1")); }

  /// Sends with this token, and has it refused with this body; whether the answer was handed on.
  bool IsRefused(std::string const& tenant, AccessToken const& token, std::string_view body = {}) {
    call_->Start(For(tenant), now_);
    auto const step = call_->TokenObtained(token, now_);
    if (!std::holds_alternative<BoundCall::Send>(step)) return false;
    Headers const none;
    return std::holds_alternative<BoundCall::Deliver>(call_->Answered({401, none, body}, now_));
  }

  std::shared_ptr<BoundCallSettings const> settings_;
  std::optional<BoundCall> call_;
  CallTime now_{std::chrono::system_clock::now(), std::chrono::steady_clock::now()};
};

TEST_F(BoundCallInAFramework, NeverAnswersAChallengeWithARefusedToken) {
  EXPECT_TRUE(IsRefused("a", Token("a1")));
  EXPECT_TRUE(IsRefused("b", Token("b1")));
  EXPECT_TRUE(call_->WasRefused(Token("a1")));
  call_->Start(For("a"), now_);
  auto step = call_->TokenObtained(Token("a1"), now_);
  auto const* const ask = std::get_if<BoundCall::GetToken>(&step);
  ASSERT_TRUE(ask && ask->Report);
  EXPECT_EQ(ask->Report->Reason, RefusalReason::TokenRejected);
  EXPECT_EQ(ask->Report->Request->TenantId, "a");
  step = call_->TokenObtained(Token("a2"), now_);
  ASSERT_TRUE(std::holds_alternative<BoundCall::Send>(step));
  EXPECT_EQ(std::get<BoundCall::Send>(step).Token->Token, Secret{std::string{"a2"}});
}

TEST_F(BoundCallInAFramework, DoesOnceForTheCallWhatIsDoneOnce) {
  std::string const body = "AADSTS500181";
  EXPECT_FALSE(IsRefused("a", Token("a1"), body));
  ASSERT_TRUE(std::holds_alternative<BoundCall::Send>(call_->TokenObtained(Token("a2"), now_)));
  Headers const none;
  EXPECT_TRUE(std::holds_alternative<BoundCall::Deliver>(call_->Answered({503, none}, now_)));
  EXPECT_TRUE(IsRefused("a", Token("a3"), body));
}

/// The framework goes on with the token that it has, and this call has a better one.
TEST_F(BoundCallInAFramework, GoesOnWithTheTokenThatReplacedTheFrameworks) {
  EXPECT_FALSE(IsRefused("a", Token("a1"), "AADSTS500181"));
  call_->TokenObtained(Token("a2"), now_);
  Headers const none;
  call_->Answered({503, none}, now_);
  call_->Start(For("a"), now_);
  auto const step = call_->TokenObtained(Token("a1"), now_);
  ASSERT_TRUE(std::holds_alternative<BoundCall::Send>(step));
  EXPECT_EQ(std::get<BoundCall::Send>(step).Token->Token, Secret{std::string{"a2"}});
}

TEST_F(BoundCallInAFramework, RefusesABearerTokenInPlaceOfABoundOne) {
  auto wanted = For("a");
  wanted.Binding = TokenBinding::Required;
  call_->Start(wanted, now_);
  auto const step = call_->TokenObtained(MakeBearerToken("bearer"), now_);
  ASSERT_TRUE(std::holds_alternative<BoundCall::Fail>(step));
  EXPECT_EQ(std::get<BoundCall::Fail>(step).What.Code(), errors::TokenTypeMismatch);
}

TEST_F(BoundCallInAFramework, ReplacesATokenThatAnEarlierCallHasMetTheRefusalOf) {
  EXPECT_TRUE(IsRefused("a", Token("a1")));
  for (auto const isAnotherWanted : {false, true}) {
    BoundCall later{settings_, CallTarget{"GET", Url::Parse("https://localhost/a")}};
    later.Start(For("a"), now_, isAnotherWanted);
    auto const step = later.TokenObtained(Token("a1"), now_);
    auto const* const ask = std::get_if<BoundCall::GetToken>(&step);
    EXPECT_EQ(ask != nullptr, isAnotherWanted);
    if (ask == nullptr) continue;
    ASSERT_TRUE(ask->Report);
    EXPECT_EQ(ask->Report->Reason, RefusalReason::TokenRejected);
    // The credential may have no other: then it is sent all the same.
    EXPECT_TRUE(std::holds_alternative<BoundCall::Send>(later.TokenObtained(Token("a1"), now_)));
  }
}

TEST_F(BoundCallInAFramework, ReplacesOnlySoManyTokensBecauseOneIsWanted) {
  int replaced = 0;
  for (int i = 0; i < 9; ++i) {
    EXPECT_TRUE(IsRefused("a", Token("a" + std::to_string(i))));
    BoundCall later{settings_, CallTarget{"GET", Url::Parse("https://localhost/a")}};
    later.Start(For("a"), now_, true);
    auto const step = later.TokenObtained(Token("a" + std::to_string(i)), now_);
    replaced += std::holds_alternative<BoundCall::GetToken>(step) ? 1 : 0;
  }
  EXPECT_EQ(replaced, settings_->Options.Memory.ExtraTokens);
}

TEST_F(BoundCallInAFramework, SaysWhatItsPoliciesMustNotAnswerAgain) {
  EXPECT_TRUE(IsRefused("a", Token("a1")));
  EXPECT_FALSE(call_->IsChallengeAnswered());
  IsRefused("b", Token("b1"), "AADSTS500181");
  EXPECT_TRUE(call_->IsChallengeAnswered());
  EXPECT_TRUE(IsRefused("c", Token("c1")));
  EXPECT_FALSE(call_->IsChallengeAnswered());
}

class BoundCallVerdicts : public testing::TestWithParam<std::pair<std::string, BindingVerdict>> {};

TEST_P(BoundCallVerdicts, AreRead) { EXPECT_EQ(ReadBindingVerdict(GetParam().first), GetParam().second); }

INSTANTIATE_TEST_SUITE_P(
    Bodies,
    BoundCallVerdicts,
    testing::Values(
        std::pair<std::string, BindingVerdict>{"", BindingVerdict::None},
        std::pair<std::string, BindingVerdict>{
            "[MtlsCnfClaimRequestDataValidationFailed] try again", BindingVerdict::CheckFailed},
        std::pair<std::string, BindingVerdict>{
            "[AggregatedAuthenticationFailure] 'S2S17001: no'", BindingVerdict::CheckFailed},
        std::pair<std::string, BindingVerdict>{"S2S17001 by itself", BindingVerdict::None},
        std::pair<std::string, BindingVerdict>{"AADSTS500181: mismatch", BindingVerdict::NoLongerGood},
        std::pair<std::string, BindingVerdict>{"AADSTS5001811: a longer number", BindingVerdict::None},
        std::pair<std::string, BindingVerdict>{"AADSTS392196", BindingVerdict::NotSupported},
        std::pair<std::string, BindingVerdict>{"AADSTS3921996", BindingVerdict::None},
        std::pair<std::string, BindingVerdict>{
            "Client certificate required for using MTLS_POP token", BindingVerdict::CertificateMissing},
        std::pair<std::string, BindingVerdict>{
            "BearerAuthenticationDisabledForKeyVault", BindingVerdict::BearerNotTaken}));

INSTANTIATE_TEST_SUITE_P(, BoundCallTable, testing::ValuesIn(AllBoundCallRows()), [](auto const& tested) {
  return tested.param.Name;
});

}  // namespace
}  // namespace mtlspop
