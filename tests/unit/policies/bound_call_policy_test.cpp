#include "mtlspop/policies/bound_call_policy.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "fakes.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/policies/errors.hpp"
#include "mtlspop/transport/log.hpp"
#include "send_either_way.hpp"
#include "support/error_code_of.hpp"
#include "support/manual_clock.hpp"

namespace mtlspop {
namespace {

using namespace mtlspop::test;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr char const* KeyVaultChallenge =
    R"(Bearer authorization="https://login.windows.net/my-tenant", resource="https://vault.azure.net")";

class BoundCallPolicyTest : public testing::Test {
 protected:
  static BoundCallOptions WithScopes() {
    BoundCallOptions options;
    options.Scopes = {"https://vault.azure.net/.default"};
    return options;
  }

  HttpPipeline MakePipeline(BoundCallOptions options) {
    std::vector<std::unique_ptr<HttpPolicy>> policies;
    policies.push_back(std::make_unique<BoundCallPolicy>(
        credential_, std::make_shared<BoundCallSettings const>(std::move(options)), clock_));
    return HttpPipeline{std::move(policies), transport_};
  }

  static PipelineRequest Get(std::string const& url = "https://myvault.vault.azure.net/secrets/a") {
    return {{"GET", Url::Parse(url)}, nullptr};
  }

  static PipelineRequest Put(std::string body) {
    PipelineRequest request{{"PUT", Url::Parse("https://myvault.vault.azure.net/secrets/a")}, nullptr};
    request.Message.SetBody(std::move(body));
    return request;
  }

  std::shared_ptr<ScriptedTransport> transport_ = std::make_shared<ScriptedTransport>();
  std::shared_ptr<FakeCredential> credential_ = std::make_shared<FakeCredential>();
  std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>();
};

TEST_F(BoundCallPolicyTest, SetsHeadersAndBindingTogether) {
  auto request = Get();
  SendEitherWay(MakePipeline(WithScopes()), request, {});
  ASSERT_THAT(transport_->Sent(), SizeIs(1));
  auto const sent = transport_->Sent()[0];
  EXPECT_EQ(sent.Fields.Get("Authorization"), "mtls_pop bound-token");
  EXPECT_EQ(sent.Fields.Get("x-ms-tokenboundauth"), "true");
  ASSERT_TRUE(sent.Binding);
  EXPECT_EQ(sent.Binding->X5tS256(), "key-1");
  EXPECT_THAT(credential_->Asked()[0].Scopes, ElementsAre("https://vault.azure.net/.default"));
}

TEST_F(BoundCallPolicyTest, TakesBothAwayOnAnAttemptWithABearerToken) {
  auto const pipeline = MakePipeline(WithScopes());
  auto request = Get();
  SendEitherWay(pipeline, request, {});
  credential_->Answer = [](auto const&) { return MakeBearerToken("bearer-token"); };
  SendEitherWay(pipeline, request, {});
  auto const sent = transport_->Sent()[1];
  EXPECT_THAT(sent.Fields.GetAll("Authorization"), ElementsAre("Bearer bearer-token"));
  EXPECT_FALSE(sent.Fields.Contains("x-ms-tokenboundauth"));
  EXPECT_FALSE(sent.Binding);
}

TEST_F(BoundCallPolicyTest, RefusesPlainHttpBeforeAskingForAToken) {
  auto request = Get("http://myvault.vault.azure.net/secrets/a");
  EXPECT_EQ(
      ErrorCodeOf([&] { SendEitherWay(MakePipeline(WithScopes()), request, {}); }),
      errors::AuthorizationRequiresHttps.Name());
  EXPECT_THAT(credential_->Asked(), IsEmpty());
  EXPECT_THAT(transport_->Sent(), IsEmpty());
}

TEST_F(BoundCallPolicyTest, RefusesABoundTokenWithoutItsBinding) {
  credential_->Answer = [](auto const&) { return MakeBoundToken("bound-token", nullptr); };
  auto request = Get();
  EXPECT_EQ(
      ErrorCodeOf([&] { SendEitherWay(MakePipeline(WithScopes()), request, {}); }),
      errors::BoundTokenWithoutBinding.Name());
  EXPECT_THAT(transport_->Sent(), IsEmpty());
}

/// Graph has a host of its own for them.
TEST_F(BoundCallPolicyTest, NamesTheHostThatTakesBoundTokens) {
  for (std::string const url : {"https://graph.microsoft.com/v1.0/me", "https://Graph.Microsoft.com./v1.0/me"}) {
    auto request = Get(url);
    try {
      SendEitherWay(MakePipeline(WithScopes()), request, {});
      FAIL() << url;
    } catch (Error const& error) {
      EXPECT_EQ(error.Code(), errors::ResourceDoesNotSupportBoundTokens);
      EXPECT_THAT(error.what(), testing::HasSubstr("https://mtlstb.graph.microsoft.com"));
    }
    EXPECT_THAT(transport_->Sent(), IsEmpty());
  }
  auto right = Get("https://mtlstb.graph.microsoft.com/v1.0/me");
  SendEitherWay(MakePipeline(WithScopes()), right, {});
  credential_->Answer = [](auto const&) { return MakeBearerToken("bearer-token"); };
  auto bearer = Get("https://graph.microsoft.com/v1.0/me");
  SendEitherWay(MakePipeline(WithScopes()), bearer, {});
  EXPECT_THAT(transport_->Sent(), SizeIs(2));
}

TEST_F(BoundCallPolicyTest, AsksForNoTokenForAHostThatTakesNoBoundOnesWhereTheyAreRequired) {
  auto options = WithScopes();
  options.Binding = TokenBinding::Required;
  auto request = Get("https://graph.microsoft.com/v1.0/me");
  EXPECT_EQ(
      ErrorCodeOf([&] { SendEitherWay(MakePipeline(options), request, {}); }),
      errors::ResourceDoesNotSupportBoundTokens.Name());
  EXPECT_THAT(credential_->Asked(), IsEmpty());
}

TEST_F(BoundCallPolicyTest, SendsThatHostABearerTokenWhereBindingIsPreferred) {
  auto options = WithScopes();
  options.Binding = TokenBinding::Preferred;
  credential_->Answer = [](TokenRequest const& wanted) {
    return wanted.Binding == TokenBinding::None ? MakeBearerToken("bearer-token")
                                                : MakeBoundToken("bound-token", MakeNamedBinding("key"));
  };
  auto request = Get("https://graph.microsoft.com/v1.0/me");
  SendEitherWay(MakePipeline(options), request, {});
  ASSERT_THAT(transport_->Sent(), SizeIs(1));
  EXPECT_EQ(transport_->Sent()[0].Fields.Get("Authorization"), "Bearer bearer-token");
  EXPECT_THAT(credential_->Asked(), SizeIs(1));
}

/// What the time was spent on is in the error.
TEST_F(BoundCallPolicyTest, ADeadlineErrorSaysWhatEndedTheAttemptBefore) {
  auto const late = [](auto const&) -> std::unique_ptr<Response> {
    throw Error{{errors::DeadlineExceeded, "too late", "wait", 0, {}, {}, 0, false, true}};
  };
  auto const textOf = [this] {
    auto request = Get();
    auto options = WithScopes();
    options.Retry.MaximumRetries = 1;
    try {
      SendEitherWay(MakePipeline(options), request, {});
    } catch (Error const& error) {
      EXPECT_EQ(error.Code(), errors::DeadlineExceeded);
      return std::string{error.what()};
    }
    return std::string{"it did not fail"};
  };
  transport_->ThenAnswer(503);
  transport_->Then(late);
  EXPECT_THAT(textOf(), HasSubstr("503"));
  transport_->Then([](auto const&) -> std::unique_ptr<Response> {
    throw Error{{errors::ConnectionLost, "the one before", "try", 0, {}, {}, 0, true, true}};
  });
  transport_->Then(late);
  EXPECT_THAT(textOf(), HasSubstr("the one before"));
}

TEST_F(BoundCallPolicyTest, NeverSendsATokenThatAFailedOneLeftBehind) {
  auto const pipeline = MakePipeline(WithScopes());
  auto request = Get();
  SendEitherWay(pipeline, request, {});
  credential_->Answer = [](auto const&) -> AccessToken { throw Error{{errors::TokenRequestRefused, "no", "ask"}}; };
  EXPECT_EQ(ErrorCodeOf([&] { SendEitherWay(pipeline, request, {}); }), errors::TokenRequestRefused.Name());
  EXPECT_FALSE(request.Binding);
  EXPECT_FALSE(request.Message.Fields.Contains("Authorization"));
}

class Redirects : public BoundCallPolicyTest, public testing::WithParamInterface<int> {};

TEST_P(Redirects, AreRefusedForABoundRequest) {
  transport_->ThenAnswer(GetParam(), "Location", "https://elsewhere.example/", "");
  auto request = Get();
  EXPECT_EQ(
      ErrorCodeOf([&] { SendEitherWay(MakePipeline(WithScopes()), request, {}); }), errors::RedirectRefused.Name());
  EXPECT_THAT(transport_->Sent(), SizeIs(1));
}

TEST_P(Redirects, AreLeftToTheCallerForABearerToken) {
  credential_->Answer = [](auto const&) { return MakeBearerToken("bearer-token"); };
  transport_->ThenAnswer(GetParam(), "Location", "https://elsewhere.example/", "");
  auto request = Get();
  EXPECT_EQ(SendEitherWay(MakePipeline(WithScopes()), request, {})->StatusCode, GetParam());
}

INSTANTIATE_TEST_SUITE_P(Statuses, Redirects, testing::Values(301, 302, 303, 307, 308));

TEST_F(BoundCallPolicyTest, LearnsScopeAndTenantFromTheChallengeOnce) {
  transport_->ThenAnswer(401, "WWW-Authenticate", KeyVaultChallenge, "");
  auto const pipeline = MakePipeline({});
  auto first = Get();
  EXPECT_EQ(SendEitherWay(pipeline, first, {})->StatusCode, 200);
  auto second = Get();
  SendEitherWay(pipeline, second, {});
  auto const sent = transport_->Sent();
  ASSERT_THAT(sent, SizeIs(3));
  EXPECT_FALSE(sent[0].Fields.Contains("Authorization"));
  EXPECT_FALSE(sent[0].Binding);
  EXPECT_TRUE(sent[1].Binding);
  EXPECT_TRUE(sent[2].Binding);
  EXPECT_THAT(credential_->Asked()[0].Scopes, ElementsAre("https://vault.azure.net/.default"));
  EXPECT_EQ(credential_->Asked()[0].TenantId, "my-tenant");
}

TEST_F(BoundCallPolicyTest, AsksWithoutTheBodyWhatIsWanted) {
  transport_->ThenAnswer(401, "WWW-Authenticate", KeyVaultChallenge, "");
  auto request = Put("the value");
  request.Message.Fields.Set("Content-Type", "application/json");
  SendEitherWay(MakePipeline({}), request, {});
  auto const sent = transport_->Sent();
  ASSERT_THAT(sent, SizeIs(2));
  EXPECT_EQ(sent[0].Method, "GET");
  EXPECT_EQ(sent[0].Body, "");
  EXPECT_FALSE(sent[0].Fields.Contains("Content-Type"));
  EXPECT_EQ(sent[1].Method, "PUT");
  EXPECT_EQ(sent[1].Body, "the value");
}

TEST_F(BoundCallPolicyTest, SaysSoWhereNobodyKnowsTheScopes) {
  transport_->ThenAnswer(401, "WWW-Authenticate", "Basic realm=\"x\"", "");
  auto request = Get();
  EXPECT_EQ(ErrorCodeOf([&] { SendEitherWay(MakePipeline({}), request, {}); }), errors::ScopesUnknown.Name());
  transport_->ThenAnswer(200);
  auto change = Put("x");
  EXPECT_EQ(ErrorCodeOf([&] { SendEitherWay(MakePipeline({}), change, {}); }), errors::ScopesUnknown.Name());
}

TEST_F(BoundCallPolicyTest, PassesAnAnswerOnThatNeedsNoToken) {
  auto request = Get();
  EXPECT_EQ(SendEitherWay(MakePipeline({}), request, {})->StatusCode, 200);
  EXPECT_THAT(credential_->Asked(), IsEmpty());
}

TEST_F(BoundCallPolicyTest, AsksAnOriginOnlyOnceHoweverManyWait) {
  transport_->Then([](auto const&) { return MakeResponse(401, "WWW-Authenticate", KeyVaultChallenge, ""); });
  auto const pipeline = MakePipeline({});
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      auto request = Get();
      EXPECT_EQ(SendEitherWay(pipeline, request, {})->StatusCode, 200);
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_THAT(transport_->Sent(), SizeIs(9));
}

TEST_F(BoundCallPolicyTest, NeverAsksForATokenForAnotherResource) {
  transport_->ThenAnswer(401, "WWW-Authenticate", R"(Bearer resource="https://graph.microsoft.com")", "");
  auto request = Get();
  EXPECT_EQ(ErrorCodeOf([&] { SendEitherWay(MakePipeline({}), request, {}); }), errors::ChallengeRejected.Name());
  EXPECT_THAT(credential_->Asked(), IsEmpty());
}

class AttackChallengeTest : public BoundCallPolicyTest {};

/// RFC 1034 section 3.1: the dot behind it says that the name is whole.
TEST_F(AttackChallengeTest, AHostWithAFinalDotIsTheSameResource) {
  transport_->ThenAnswer(401, "WWW-Authenticate", KeyVaultChallenge, "");
  transport_->ThenAnswer(200);
  auto request = Get("https://myvault.vault.azure.net./secrets/a");
  EXPECT_EQ(SendEitherWay(MakePipeline({}), request, {})->StatusCode, 200);
  EXPECT_THAT(transport_->Sent(), SizeIs(2));
}

/// What is compared with the host is what is sent: a reader of URLs drops some of these, and the token service does not.
TEST_F(AttackChallengeTest, TextThatCouldBeReadInTwoWaysIsNoScopeAndNoTenant) {
  std::string const good = "https://vault.azure.net/.default";
  std::string const authority = "https://login.example/tenant";
  struct Row {
    std::string Scope;
    std::string Authority;
  };
  for (auto const& row :
       {Row{good + "# https://management.azure.com/.default", authority}, Row{good + "?x", authority},
        Row{good + " https://management.azure.com/.default", authority},
        Row{"https://vault.azure.net/../.default", authority},
        Row{"https://vault.azure.net\\@evil.example/", authority}, Row{"https://vault%2eazure.net/.default", authority},
        Row{good, authority + "#x"}, Row{good, authority + "?x"}, Row{good, "https://login.example/../other"},
        Row{good, "https://login.example/a b"}, Row{good, "http://login.example/tenant"},
        Row{good, "https://login.example/..."}}) {
    transport_->ThenAnswer(
        401, "WWW-Authenticate", "Bearer authorization=\"" + row.Authority + "\", scope=\"" + row.Scope + "\"", "");
    auto request = Get();
    EXPECT_EQ(ErrorCodeOf([&] { SendEitherWay(MakePipeline({}), request, {}); }), "challenge_rejected")
        << row.Scope << ' ' << row.Authority;
  }
  EXPECT_THAT(credential_->Asked(), IsEmpty());
  transport_->ThenAnswer(
      401, "WWW-Authenticate", "Bearer authorization=\"" + authority + "\", scope=\"" + good + "\"", "");
  auto request = Get();
  EXPECT_EQ(SendEitherWay(MakePipeline({}), request, {})->StatusCode, 200);
}

TEST_F(BoundCallPolicyTest, FollowsAChangeOfTenantOnce) {
  transport_->ThenAnswer(401, "WWW-Authenticate", KeyVaultChallenge, "");
  transport_->ThenAnswer(200);
  auto const moved = R"(Bearer authorization="https://login.windows.net/other", resource="https://vault.azure.net")";
  transport_->ThenAnswer(401, "WWW-Authenticate", moved, "");
  transport_->ThenAnswer(401, "WWW-Authenticate", moved, "");
  auto const pipeline = MakePipeline({});
  auto first = Get();
  SendEitherWay(pipeline, first, {});
  auto second = Get();
  EXPECT_EQ(SendEitherWay(pipeline, second, {})->StatusCode, 401);
  EXPECT_EQ(credential_->Asked().back().TenantId, "other");
  EXPECT_THAT(transport_->Sent(), SizeIs(4));
}

TEST_F(BoundCallPolicyTest, AnswersAClaimsChallengeOnceWithTheBodyAgain) {
  auto const challenge = R"(Bearer error="insufficient_claims", claims="eyJhIjoxfQ==")";
  transport_->ThenAnswer(401, "WWW-Authenticate", challenge, "");
  transport_->ThenAnswer(401, "WWW-Authenticate", challenge, "still");
  auto request = Put("the value");
  auto const response = SendEitherWay(MakePipeline(WithScopes()), request, {});
  EXPECT_EQ(response->StatusCode, 401);
  EXPECT_EQ(ReadToEnd(*response->Body, 100, {}), "still");
  ASSERT_THAT(credential_->Asked(), SizeIs(2));
  EXPECT_EQ(credential_->Asked()[1].Claims, R"({"a":1})");
  ASSERT_THAT(transport_->Sent(), SizeIs(2));
  EXPECT_EQ(transport_->Sent()[1].Body, "the value");
}

TEST_F(BoundCallPolicyTest, ReplacesABindingThatTheResourceNoLongerTakes) {
  transport_->ThenAnswer(401, R"({"error":{"code":"CertificateValidationFailedTlsCertMismatch"}})");
  credential_->Answer = [this](auto const&) {
    return credential_->Refusals().empty() ? MakeBoundToken("old", MakeNamedBinding("old-key"))
                                           : MakeBoundToken("new", MakeNamedBinding("new-key"));
  };
  auto request = Put("the value");
  EXPECT_EQ(SendEitherWay(MakePipeline(WithScopes()), request, {})->StatusCode, 200);
  ASSERT_THAT(credential_->Refusals(), SizeIs(1));
  EXPECT_EQ(credential_->Refusals()[0].first.Binding->X5tS256(), "old-key");
  EXPECT_EQ(credential_->Refusals()[0].second, RefusalReason::BindingNoLongerGood);
  EXPECT_EQ(transport_->Sent()[1].Binding->X5tS256(), "new-key");
  EXPECT_EQ(transport_->Sent()[1].Fields.Get("Authorization"), "mtls_pop new");
  EXPECT_EQ(transport_->Sent()[1].Body, "the value");
}

/// A credential of somebody else's that knows no better than to give the same again.
TEST_F(BoundCallPolicyTest, NeverSendsARefusedTokenAgain) {
  std::string const body = R"({"error":{"code":"CertificateValidationFailedTlsCertMismatch"}})";
  transport_->ThenAnswer(401, body);
  auto request = Get();
  auto const response = SendEitherWay(MakePipeline(WithScopes()), request, {});
  EXPECT_EQ(response->StatusCode, 401);
  EXPECT_EQ(ReadToEnd(*response->Body, 1000, {}), body);
  EXPECT_THAT(transport_->Sent(), SizeIs(1));
}

/// Wire contract, section 7: 403 means authenticated; the identity lacks the grant. Not a binding fault.
TEST_F(BoundCallPolicyTest, ForbiddenIsNoFaultOfTheBinding) {
  transport_->ThenAnswer(
      403, R"({"error":{"code":"Forbidden","message":"CertificateValidationFailedTlsCertMismatch"}})");
  auto request = Get();
  EXPECT_EQ(SendEitherWay(MakePipeline(WithScopes()), request, {})->StatusCode, 403);
  EXPECT_THAT(transport_->Sent(), SizeIs(1));
  EXPECT_THAT(credential_->Asked(), SizeIs(1));
  EXPECT_THAT(credential_->Refusals(), IsEmpty());
}

/// The credential's word reaches the caller.
TEST_F(BoundCallPolicyTest, SurfacesThatABindingCannotBeReplaced) {
  transport_->ThenAnswer(401, R"({"error":{"code":"CertificateValidationFailedTlsCertMismatch"}})");
  credential_->Answer = [this](auto const&) {
    if (credential_->Refusals().empty()) return MakeBoundToken("token", MakeNamedBinding("key-1"));
    throw Error{{errors::BindingRejected, "refused again", "look at the resource"}};
  };
  auto request = Get();
  EXPECT_EQ(
      ErrorCodeOf([&] { SendEitherWay(MakePipeline(WithScopes()), request, {}); }), errors::BindingRejected.Name());
  EXPECT_THAT(transport_->Sent(), SizeIs(1));
}

TEST_F(BoundCallPolicyTest, SaysWhereBoundTokensAreNotTaken) {
  transport_->ThenAnswer(401, R"({"error":{"code":"MtlsClientPopTokenNotSupportedByResource"}})");
  auto request = Get();
  EXPECT_EQ(
      ErrorCodeOf([&] { SendEitherWay(MakePipeline(WithScopes()), request, {}); }),
      errors::ResourceDoesNotSupportBoundTokens.Name());
}

/// As a credential that prefers binding: bound unless the request says that a bearer token will do.
AccessToken BoundUnlessTold(TokenRequest const& asked) {
  return asked.Binding == TokenBinding::None ? MakeBearerToken("bearer-token")
                                             : MakeBoundToken("bound-token", MakeNamedBinding("key-1"));
}

/// Wire contract, section 5: bearer only where the caller chose "preferred".
TEST_F(BoundCallPolicyTest, FallsBackToBearerWhereBindingIsOnlyPreferred) {
  credential_->Answer = BoundUnlessTold;
  transport_->ThenAnswer(401, R"({"error":{"code":"MtlsClientPopTokenNotSupportedByResource"}})");
  auto options = WithScopes();
  options.Binding = TokenBinding::Preferred;
  auto const pipeline = MakePipeline(std::move(options));
  auto request = Put("the value");
  EXPECT_EQ(SendEitherWay(pipeline, request, {})->StatusCode, 200);
  ASSERT_THAT(transport_->Sent(), SizeIs(2));
  auto const sent = transport_->Sent()[1];
  EXPECT_EQ(sent.Fields.Get("Authorization"), "Bearer bearer-token");
  EXPECT_FALSE(sent.Fields.Contains("x-ms-tokenboundauth"));
  EXPECT_FALSE(sent.Binding);
  EXPECT_EQ(sent.Body, "the value");
  // The origin is not asked again, others are.
  auto next = Get();
  SendEitherWay(pipeline, next, {});
  auto other = Get("https://another.vault.azure.net/secrets/a");
  SendEitherWay(pipeline, other, {});
  EXPECT_FALSE(transport_->Sent()[2].Binding);
  EXPECT_TRUE(transport_->Sent()[3].Binding);
}

TEST_F(BoundCallPolicyTest, NeverFallsBackToBearerWhereBindingIsRequired) {
  credential_->Answer = BoundUnlessTold;
  transport_->ThenAnswer(401, R"({"error":{"code":"MtlsClientPopTokenNotSupportedByResource"}})");
  auto options = WithScopes();
  options.Binding = TokenBinding::Required;
  auto request = Get();
  EXPECT_EQ(
      ErrorCodeOf([&] { SendEitherWay(MakePipeline(std::move(options)), request, {}); }),
      errors::ResourceDoesNotSupportBoundTokens.Name());
  EXPECT_THAT(credential_->Asked(), SizeIs(1));
}

TEST_F(BoundCallPolicyTest, LeavesAMissingCertificateToTheCallerAndLogsIt) {
  std::string lines;
  auto options = WithScopes();
  options.Observer = MakeLog([&](Severity, std::string_view line) { lines += line; }, Severity::Debug);
  std::string const body = R"({"error":{"code":"MissingClientCertificate"}})";
  transport_->ThenAnswer(401, body);
  auto request = Get();
  auto const response = SendEitherWay(MakePipeline(std::move(options)), request, {});
  EXPECT_EQ(response->StatusCode, 401);
  EXPECT_EQ(ReadToEnd(*response->Body, 1000, {}), body);
  EXPECT_THAT(lines, HasSubstr("request.certificate_did_not_arrive"));
  EXPECT_THAT(lines, HasSubstr("myvault.vault.azure.net"));
}

TEST_F(BoundCallPolicyTest, SharesWhatItLearnedWithItsClones) {
  transport_->ThenAnswer(401, "WWW-Authenticate", KeyVaultChallenge, "");
  auto const pipeline = MakePipeline({});
  HttpPipeline const copy{pipeline};
  auto first = Get();
  SendEitherWay(pipeline, first, {});
  auto second = Get();
  SendEitherWay(copy, second, {});
  EXPECT_THAT(transport_->Sent(), SizeIs(3));
}

Error const Lost{{errors::ConnectionLost, "lost", "try", 0, {}, {}, 1, false, true}};
Error const NotConnected{{errors::ConnectFailed, "refused", "try", 0, {}, {}, 0, true, true}};

// A body that can be read once.
class OnceBody final : public BodyStream {
 public:
  std::size_t Read(gsl::span<std::uint8_t>, Context const&) override { return 0; }
};

class BoundCallRetries : public BoundCallPolicyTest {
 protected:
  BoundCallRetries() {
    options_.Scopes = {"https://resource.example/.default"};
    options_.Retry.Random = [] { return 0.5; };
  }

  std::unique_ptr<Response> Send(PipelineRequest& request, Context const& context = {}) {
    return SendEitherWay(MakePipeline(options_), request, context);
  }

  std::unique_ptr<Response> Send(std::string const& method, Context const& context = {}) {
    PipelineRequest request{{method, Url::Parse("https://resource.example/a")}, nullptr};
    return Send(request, context);
  }

  BoundCallOptions options_;
};

TEST_F(BoundCallRetries, BacksOffExponentially) {
  for (int i = 0; i < 3; ++i) transport_->ThenAnswer(500);
  EXPECT_EQ(Send("GET")->StatusCode, 200);
  EXPECT_THAT(clock_->Slept(), ElementsAre(800ms, 1600ms, 3200ms));
}

TEST_F(BoundCallRetries, VariesTheWaitByAFifthAndCapsIt) {
  options_.Retry.MaximumDelay = 1s;
  double random = 0.0;
  options_.Retry.Random = [&random] { return std::exchange(random, 0.999999); };
  transport_->ThenAnswer(500);
  transport_->ThenAnswer(500);
  Send("GET");
  EXPECT_THAT(clock_->Slept(), ElementsAre(640ms, 999ms));
}

/// Whoever waits for long waits the longest time, and so would all others.
TEST_F(BoundCallRetries, VariesTheLongestWaitToo) {
  options_.Retry.MaximumDelay = 100ms;
  double random = 0.0;
  options_.Retry.Random = [&random] { return std::exchange(random, 0.5); };
  transport_->ThenAnswer(500);
  transport_->ThenAnswer(500);
  Send("GET");
  EXPECT_THAT(clock_->Slept(), ElementsAre(80ms, 90ms));
}

TEST_F(BoundCallRetries, GivesTheLastAnswerBackWhenItsRetriesAreUsedUp) {
  for (int i = 0; i < 5; ++i) transport_->ThenAnswer(503, "unwell");
  auto const response = Send("GET");
  EXPECT_EQ(response->StatusCode, 503);
  EXPECT_EQ(ReadToEnd(*response->Body, 100, {}), "unwell");
  EXPECT_THAT(transport_->Sent(), SizeIs(4));
}

/// Others were told the same time: never before it, and not all at it.
TEST_F(BoundCallRetries, WaitsAsLongAsTheOtherSideAsksAndUpToAQuarterMoreAtRandom) {
  double random = 0.0;
  options_.Retry.Random = [&random] { return std::exchange(random, 0.5); };
  transport_->ThenAnswer(429, "Retry-After", "7", "");
  transport_->ThenAnswer(429, "x-ms-retry-after-ms", "150", "");
  Send("GET");
  EXPECT_THAT(clock_->Slept(), ElementsAre(7s, 168ms));
}

TEST_F(BoundCallRetries, ReturnsTheAnswerWhereItIsAskedToWaitTooLong) {
  transport_->ThenAnswer(429, "Retry-After", "3600", "");
  EXPECT_EQ(Send("GET")->StatusCode, 429);
  EXPECT_THAT(clock_->Slept(), IsEmpty());
}

TEST_F(BoundCallRetries, ReturnsTheAnswerWhereTheDeadlineComesFirst) {
  transport_->ThenAnswer(429, "Retry-After", "60", "");
  EXPECT_EQ(Send("GET", Context{}.WithTimeout(30s))->StatusCode, 429);
  EXPECT_THAT(clock_->Slept(), IsEmpty());
}

class BoundCallNotIdempotent : public BoundCallRetries,
                               public testing::WithParamInterface<std::pair<int, std::size_t>> {};

TEST_P(BoundCallNotIdempotent, IsSentAgainOnlyWhereNothingWasDone) {
  transport_->ThenAnswer(GetParam().first);
  Send("POST");
  EXPECT_THAT(transport_->Sent(), SizeIs(GetParam().second));
}

INSTANTIATE_TEST_SUITE_P(
    Statuses,
    BoundCallNotIdempotent,
    testing::Values(
        std::pair{408, 2},
        std::pair{429, 2},
        std::pair{503, 2},
        std::pair{500, 1},
        std::pair{502, 1},
        std::pair{504, 1},
        std::pair{400, 1}));

TEST_F(BoundCallRetries, SendsAgainWhatNeverReachedTheOtherSide) {
  transport_->ThenThrow(NotConnected);
  EXPECT_EQ(Send("POST")->StatusCode, 200);
  transport_->ThenThrow(Lost);
  EXPECT_EQ(ErrorCodeOf([&] { Send("POST"); }), errors::ConnectionLost.Name());
  transport_->ThenThrow(Lost);
  EXPECT_EQ(Send("DELETE")->StatusCode, 200);
}

TEST_F(BoundCallRetries, DoesNotRepeatWhatCannotGetBetter) {
  transport_->ThenThrow(Error{{errors::ServerCertificateRejected, "untrusted", "check"}});
  EXPECT_EQ(ErrorCodeOf([&] { Send("GET"); }), errors::ServerCertificateRejected.Name());
  EXPECT_THAT(transport_->Sent(), SizeIs(1));
}

/// The token service's is as good as a refusal of the certificate (contract, section 5); any other host's says nothing of it.
TEST_F(BoundCallRetries, HandshakeThatEndsWithoutAWordCostsNoCertificate) {
  transport_->ThenThrow(Error{{errors::TlsHandshakeFailed, "no common version", "check"}});
  EXPECT_EQ(ErrorCodeOf([&] { Send("GET"); }), errors::TlsHandshakeFailed.Name());
  transport_->ThenThrow(Error{{errors::ConnectionLost, "reset in the handshake", "try", 0, {}, {}, 1, true, true}});
  EXPECT_EQ(Send("GET")->StatusCode, 200);
  EXPECT_THAT(credential_->Refusals(), IsEmpty());
}

TEST_F(BoundCallRetries, SaysHowOftenItTried) {
  for (int i = 0; i < 4; ++i) transport_->ThenThrow(NotConnected);
  auto const error = ErrorOf([&] { Send("GET"); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Details().Attempts, 4);
  EXPECT_THAT(error->what(), HasSubstr("4 attempts"));
}

TEST_F(BoundCallRetries, NestsNoErrorInACopyOfItself) {
  auto const failing = [](auto const&) -> std::unique_ptr<Response> {
    try {
      throw std::runtime_error{"the cause"};
    } catch (std::exception const&) {
      std::throw_with_nested(NotConnected);
    }
  };
  for (int i = 0; i < 4; ++i) transport_->Then(failing);
  try {
    Send("GET");
    FAIL() << "nothing thrown";
  } catch (Error const& error) {
    EXPECT_EQ(
        DescribeWithCauses(error), "connect_failed: refused (4 attempts). try. [attempts=4]; caused by: the cause");
  }
}

/// The layers' retries do not multiply: what the credential has tried again, nobody else tries again.
TEST_F(BoundCallRetries, LeaveATokenServiceThatIsDownToTheCredential) {
  credential_->Answer = [](auto const&) -> AccessToken { throw NotConnected; };
  EXPECT_EQ(ErrorCodeOf([&] { Send("GET"); }), errors::ConnectFailed.Name());
  EXPECT_THAT(credential_->Asked(), SizeIs(1));
  EXPECT_THAT(clock_->Slept(), IsEmpty());
}

TEST_F(BoundCallRetries, AskForNoTokenBeforeTheTokenServiceMayBeAsked) {
  credential_->Answer = [this](auto const&) {
    if (credential_->Asked().size() > 1) return MakeBoundToken("token", MakeNamedBinding("key-1"));
    auto details = NotConnected.Details();
    details.NotBefore = clock_->Now() + 7s;
    throw Error{std::move(details)};
  };
  EXPECT_EQ(Send("GET")->StatusCode, 200);
  EXPECT_THAT(clock_->Slept(), ElementsAre(7875ms)) << "up to a quarter later, at random";
}

TEST_F(BoundCallRetries, DoNotWaitForATokenPastTheDeadline) {
  credential_->Answer = [this](auto const&) -> AccessToken {
    auto details = NotConnected.Details();
    details.NotBefore = clock_->Now() + 60s;
    throw Error{std::move(details)};
  };
  EXPECT_EQ(ErrorCodeOf([&] { Send("GET", Context{}.WithTimeout(30s)); }), errors::ConnectFailed.Name());
  EXPECT_THAT(clock_->Slept(), IsEmpty());
}

class AttackLongestTimeTest : public BoundCallRetries {};

/// It means "however long the service asks for", and not a time in the past.
TEST_F(AttackLongestTimeTest, OfRetriesAllowsEveryWait) {
  for (auto* const time : {&options_.Retry.InitialDelay, &options_.Retry.MaximumDelay}) {
    *time = std::chrono::milliseconds::max();
  }
  options_.Retry.MaximumRetryAfter = std::chrono::milliseconds::max();
  credential_->Answer = [this](auto const&) {
    if (credential_->Asked().size() > 1) return MakeBoundToken("token", MakeNamedBinding("x5t-1"));
    auto details = NotConnected.Details();
    details.NotBefore = clock_->Now() + 400s;
    throw Error{std::move(details)};
  };
  transport_->ThenAnswer(429, "Retry-After", "300", "");
  EXPECT_EQ(Send("GET")->StatusCode, 200);
  EXPECT_THAT(clock_->Slept(), ElementsAre(450s, 337500ms));
  transport_->ThenAnswer(500);
  EXPECT_EQ(Send("GET", Context{}.WithTimeout(30s))->StatusCode, 500) << "the wait goes past the deadline";
}

TEST_F(BoundCallRetries, SendsTheWholeBodyAgain) {
  transport_->ThenAnswer(503);
  PipelineRequest request{{"PUT", Url::Parse("https://resource.example/a")}, nullptr};
  request.Message.SetBody("the body");
  Send(request);
  EXPECT_EQ(transport_->Sent()[1].Body, "the body");
}

TEST_F(BoundCallRetries, NeverSendsABodyAgainThatCannotBeRewound) {
  transport_->ThenAnswer(503);
  PipelineRequest request{{"PUT", Url::Parse("https://resource.example/a")}, nullptr};
  request.Message.Body = std::make_shared<OnceBody>();
  EXPECT_EQ(Send(request)->StatusCode, 503);
  EXPECT_THAT(transport_->Sent(), SizeIs(1));
}

TEST_F(BoundCallRetries, StopsWhenItIsCancelled) {
  auto const context = Context{}.WithCancellation();
  transport_->Then([&](auto const&) {
    context.Cancel();
    return MakeResponse(503);
  });
  EXPECT_EQ(ErrorCodeOf([&] { Send("GET", context); }), errors::Cancelled.Name());
}

TEST_F(BoundCallRetries, RepeatsAFailedBindingCheckStayingBound) {
  transport_->ThenAnswer(401, R"({"error":{"message":"[MtlsCnfClaimRequestDataValidationFailed] try again"}})");
  EXPECT_EQ(Send("POST")->StatusCode, 200);
  ASSERT_THAT(transport_->Sent(), SizeIs(2));
  EXPECT_TRUE(transport_->Sent()[1].Binding);
}

TEST_F(BoundCallRetries, RepeatsAFailedBindingCheckNotForever) {
  std::string const body = R"({"error":{"message":"[MtlsCnfClaimRequestDataValidationFailed] try again"}})";
  for (int i = 0; i < 9; ++i) transport_->ThenAnswer(401, body);
  auto const response = Send("GET");
  EXPECT_EQ(response->StatusCode, 401);
  EXPECT_EQ(ReadToEnd(*response->Body, 1000, {}), body);
  EXPECT_THAT(transport_->Sent(), SizeIs(4));
}

TEST_F(BoundCallRetries, LeavesEveryOther401Alone) {
  transport_->ThenAnswer(401, R"({"error":{"code":"MissingClientCertificate"}})");
  EXPECT_EQ(Send("GET")->StatusCode, 401);
  EXPECT_THAT(transport_->Sent(), SizeIs(1));
}

TEST_F(BoundCallRetries, RefusesOptionsThatMakeNoSense) {
  options_.Retry.MaximumRetries = -1;
  EXPECT_EQ(ErrorCodeOf([&] { BoundCallSettings{options_}; }), errors::InvalidArgument.Name());
}

}  // namespace
}  // namespace mtlspop
