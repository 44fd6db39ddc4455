#include "mtlspop/policies/token_authorization_policy.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "fakes.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/policies/errors.hpp"
#include "support/error_code_of.hpp"

namespace mtlspop {
namespace {

using namespace mtlspop::test;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr char const* KeyVaultChallenge =
    R"(Bearer authorization="https://login.windows.net/my-tenant", resource="https://vault.azure.net")";

class TokenAuthorizationPolicyTest : public testing::Test {
 protected:
  static TokenAuthorizationOptions WithScopes() {
    TokenAuthorizationOptions options;
    options.Scopes = {"https://vault.azure.net/.default"};
    return options;
  }

  HttpPipeline MakePipeline(TokenAuthorizationOptions options) {
    std::vector<std::unique_ptr<HttpPolicy>> policies;
    policies.push_back(std::make_unique<TokenAuthorizationPolicy>(credential_, std::move(options)));
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
};

TEST_F(TokenAuthorizationPolicyTest, SetsHeadersAndBindingTogether) {
  auto request = Get();
  MakePipeline(WithScopes()).Send(request, {});
  ASSERT_THAT(transport_->Sent(), SizeIs(1));
  auto const sent = transport_->Sent()[0];
  EXPECT_EQ(sent.Fields.Get("Authorization"), "mtls_pop bound-token");
  EXPECT_EQ(sent.Fields.Get("x-ms-tokenboundauth"), "true");
  ASSERT_TRUE(sent.Binding);
  EXPECT_EQ(sent.Binding->X5tS256(), "key-1");
  EXPECT_THAT(credential_->Asked()[0].Scopes, ElementsAre("https://vault.azure.net/.default"));
}

TEST_F(TokenAuthorizationPolicyTest, TakesBothAwayOnAnAttemptWithABearerToken) {
  auto const pipeline = MakePipeline(WithScopes());
  auto request = Get();
  pipeline.Send(request, {});
  credential_->Answer = [](auto const&) { return MakeBearerToken("bearer-token"); };
  pipeline.Send(request, {});
  auto const sent = transport_->Sent()[1];
  EXPECT_THAT(sent.Fields.GetAll("Authorization"), ElementsAre("Bearer bearer-token"));
  EXPECT_FALSE(sent.Fields.Contains("x-ms-tokenboundauth"));
  EXPECT_FALSE(sent.Binding);
}

TEST_F(TokenAuthorizationPolicyTest, RefusesPlainHttpBeforeAskingForAToken) {
  auto request = Get("http://myvault.vault.azure.net/secrets/a");
  EXPECT_EQ(
      ErrorCodeOf([&] { MakePipeline(WithScopes()).Send(request, {}); }), errors::AuthorizationRequiresHttps.Name());
  EXPECT_THAT(credential_->Asked(), IsEmpty());
  EXPECT_THAT(transport_->Sent(), IsEmpty());
}

TEST_F(TokenAuthorizationPolicyTest, RefusesABoundTokenWithoutItsBinding) {
  credential_->Answer = [](auto const&) { return MakeBoundToken("bound-token", nullptr); };
  auto request = Get();
  EXPECT_EQ(
      ErrorCodeOf([&] { MakePipeline(WithScopes()).Send(request, {}); }), errors::BoundTokenWithoutBinding.Name());
  EXPECT_THAT(transport_->Sent(), IsEmpty());
}

TEST_F(TokenAuthorizationPolicyTest, NeverSendsATokenThatAFailedOneLeftBehind) {
  auto const pipeline = MakePipeline(WithScopes());
  auto request = Get();
  pipeline.Send(request, {});
  credential_->Answer = [](auto const&) -> AccessToken { throw Error{{errors::TokenRequestRefused, "no", "ask"}}; };
  EXPECT_EQ(ErrorCodeOf([&] { pipeline.Send(request, {}); }), errors::TokenRequestRefused.Name());
  EXPECT_FALSE(request.Binding);
  EXPECT_FALSE(request.Message.Fields.Contains("Authorization"));
}

class Redirects : public TokenAuthorizationPolicyTest, public testing::WithParamInterface<int> {};

TEST_P(Redirects, AreRefusedForABoundRequest) {
  transport_->ThenAnswer(GetParam(), "Location", "https://elsewhere.example/", "");
  auto request = Get();
  EXPECT_EQ(ErrorCodeOf([&] { MakePipeline(WithScopes()).Send(request, {}); }), errors::RedirectRefused.Name());
  EXPECT_THAT(transport_->Sent(), SizeIs(1));
}

TEST_P(Redirects, AreLeftToTheCallerForABearerToken) {
  credential_->Answer = [](auto const&) { return MakeBearerToken("bearer-token"); };
  transport_->ThenAnswer(GetParam(), "Location", "https://elsewhere.example/", "");
  auto request = Get();
  EXPECT_EQ(MakePipeline(WithScopes()).Send(request, {})->StatusCode, GetParam());
}

INSTANTIATE_TEST_SUITE_P(Statuses, Redirects, testing::Values(301, 302, 303, 307, 308));

TEST_F(TokenAuthorizationPolicyTest, LearnsScopeAndTenantFromTheChallengeOnce) {
  transport_->ThenAnswer(401, "WWW-Authenticate", KeyVaultChallenge, "");
  auto const pipeline = MakePipeline({});
  auto first = Get();
  EXPECT_EQ(pipeline.Send(first, {})->StatusCode, 200);
  auto second = Get();
  pipeline.Send(second, {});
  auto const sent = transport_->Sent();
  ASSERT_THAT(sent, SizeIs(3));
  EXPECT_FALSE(sent[0].Fields.Contains("Authorization"));
  EXPECT_FALSE(sent[0].Binding);
  EXPECT_TRUE(sent[1].Binding);
  EXPECT_TRUE(sent[2].Binding);
  EXPECT_THAT(credential_->Asked()[0].Scopes, ElementsAre("https://vault.azure.net/.default"));
  EXPECT_EQ(credential_->Asked()[0].TenantId, "my-tenant");
}

TEST_F(TokenAuthorizationPolicyTest, AsksWithoutTheBodyWhatIsWanted) {
  transport_->ThenAnswer(401, "WWW-Authenticate", KeyVaultChallenge, "");
  auto request = Put("the value");
  request.Message.Fields.Set("Content-Type", "application/json");
  MakePipeline({}).Send(request, {});
  auto const sent = transport_->Sent();
  ASSERT_THAT(sent, SizeIs(2));
  EXPECT_EQ(sent[0].Method, "GET");
  EXPECT_EQ(sent[0].Body, "");
  EXPECT_FALSE(sent[0].Fields.Contains("Content-Type"));
  EXPECT_EQ(sent[1].Method, "PUT");
  EXPECT_EQ(sent[1].Body, "the value");
}

TEST_F(TokenAuthorizationPolicyTest, SaysSoWhereNobodyKnowsTheScopes) {
  transport_->ThenAnswer(401, "WWW-Authenticate", "Basic realm=\"x\"", "");
  auto request = Get();
  EXPECT_EQ(ErrorCodeOf([&] { MakePipeline({}).Send(request, {}); }), errors::ScopesUnknown.Name());
  transport_->ThenAnswer(200);
  auto change = Put("x");
  EXPECT_EQ(ErrorCodeOf([&] { MakePipeline({}).Send(change, {}); }), errors::ScopesUnknown.Name());
}

TEST_F(TokenAuthorizationPolicyTest, PassesAnAnswerOnThatNeedsNoToken) {
  auto request = Get();
  EXPECT_EQ(MakePipeline({}).Send(request, {})->StatusCode, 200);
  EXPECT_THAT(credential_->Asked(), IsEmpty());
}

TEST_F(TokenAuthorizationPolicyTest, AsksAnOriginOnlyOnceHoweverManyWait) {
  transport_->Then([](auto const&) { return MakeResponse(401, "WWW-Authenticate", KeyVaultChallenge, ""); });
  auto const pipeline = MakePipeline({});
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      auto request = Get();
      EXPECT_EQ(pipeline.Send(request, {})->StatusCode, 200);
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_THAT(transport_->Sent(), SizeIs(9));
}

TEST_F(TokenAuthorizationPolicyTest, NeverAsksForATokenForAnotherResource) {
  transport_->ThenAnswer(401, "WWW-Authenticate", R"(Bearer resource="https://graph.microsoft.com")", "");
  auto request = Get();
  EXPECT_EQ(ErrorCodeOf([&] { MakePipeline({}).Send(request, {}); }), errors::ChallengeRejected.Name());
  EXPECT_THAT(credential_->Asked(), IsEmpty());
}

TEST_F(TokenAuthorizationPolicyTest, FollowsAChangeOfTenantOnce) {
  transport_->ThenAnswer(401, "WWW-Authenticate", KeyVaultChallenge, "");
  transport_->ThenAnswer(200);
  auto const moved = R"(Bearer authorization="https://login.windows.net/other", resource="https://vault.azure.net")";
  transport_->ThenAnswer(401, "WWW-Authenticate", moved, "");
  transport_->ThenAnswer(401, "WWW-Authenticate", moved, "");
  auto const pipeline = MakePipeline({});
  auto first = Get();
  pipeline.Send(first, {});
  auto second = Get();
  EXPECT_EQ(pipeline.Send(second, {})->StatusCode, 401);
  EXPECT_EQ(credential_->Asked().back().TenantId, "other");
  EXPECT_THAT(transport_->Sent(), SizeIs(4));
}

TEST_F(TokenAuthorizationPolicyTest, AnswersAClaimsChallengeOnceWithTheBodyAgain) {
  auto const challenge = R"(Bearer error="insufficient_claims", claims="eyJhIjoxfQ==")";
  transport_->ThenAnswer(401, "WWW-Authenticate", challenge, "");
  transport_->ThenAnswer(401, "WWW-Authenticate", challenge, "still");
  auto request = Put("the value");
  auto const response = MakePipeline(WithScopes()).Send(request, {});
  EXPECT_EQ(response->StatusCode, 401);
  EXPECT_EQ(ReadToEnd(*response->Body, 100, {}), "still");
  ASSERT_THAT(credential_->Asked(), SizeIs(2));
  EXPECT_EQ(credential_->Asked()[1].Claims, R"({"a":1})");
  ASSERT_THAT(transport_->Sent(), SizeIs(2));
  EXPECT_EQ(transport_->Sent()[1].Body, "the value");
}

TEST_F(TokenAuthorizationPolicyTest, ReplacesABindingThatTheResourceNoLongerTakes) {
  transport_->ThenAnswer(401, R"({"error":{"code":"CertificateValidationFailedTlsCertMismatch"}})");
  credential_->Answer = [this](TokenRequest const&) {
    return credential_->Refusals().empty() ? MakeBoundToken("old", MakeNamedBinding("old-key"))
                                           : MakeBoundToken("new", MakeNamedBinding("new-key"));
  };
  auto request = Get();
  EXPECT_EQ(MakePipeline(WithScopes()).Send(request, {})->StatusCode, 200);
  ASSERT_THAT(credential_->Refusals(), SizeIs(1));
  EXPECT_EQ(credential_->Refusals()[0].first.Binding->X5tS256(), "old-key");
  EXPECT_EQ(credential_->Refusals()[0].second, RefusalReason::BindingNoLongerGood);
  EXPECT_EQ(transport_->Sent()[1].Binding->X5tS256(), "new-key");
  EXPECT_EQ(transport_->Sent()[1].Fields.Get("Authorization"), "mtls_pop new");
}

TEST_F(TokenAuthorizationPolicyTest, ReplacesABindingThatTheHandshakeRefusesOnce) {
  Error const refused{{errors::BindingCertificateRejected, "the server refused", "get another"}};
  transport_->ThenThrow(refused);
  credential_->Answer = [this](TokenRequest const&) {
    return MakeBoundToken("token-" + std::to_string(credential_->Refusals().size()), MakeNamedBinding("key-1"));
  };
  auto request = Put("the value");
  EXPECT_EQ(MakePipeline(WithScopes()).Send(request, {})->StatusCode, 200);
  EXPECT_EQ(credential_->Refusals().at(0).first.Binding->X5tS256(), "key-1");
  EXPECT_EQ(transport_->Sent()[1].Body, "the value");

  transport_->ThenThrow(refused);
  transport_->ThenThrow(refused);
  auto again = Get();
  EXPECT_EQ(
      ErrorCodeOf([&] { MakePipeline(WithScopes()).Send(again, {}); }), errors::BindingCertificateRejected.Name());
}

/// Wire contract, section 7: 403 means authenticated; the identity lacks the grant. Not a binding fault.
TEST_F(TokenAuthorizationPolicyTest, ForbiddenIsNoFaultOfTheBinding) {
  transport_->ThenAnswer(
      403, R"({"error":{"code":"Forbidden","message":"CertificateValidationFailedTlsCertMismatch"}})");
  auto request = Get();
  EXPECT_EQ(MakePipeline(WithScopes()).Send(request, {})->StatusCode, 403);
  EXPECT_THAT(transport_->Sent(), SizeIs(1));
  ASSERT_THAT(credential_->Asked(), SizeIs(1));
  EXPECT_THAT(credential_->Refusals(), SizeIs(0));
}

/// A resource that refuses every binding: the credential replaces it once in a while, and gives the same after that.
TEST_F(TokenAuthorizationPolicyTest, SurfacesThatABindingIsNotReplacedAgain) {
  auto const body = R"({"error":{"code":"CertificateValidationFailedTlsCertMismatch"}})";
  credential_->Answer = [this](TokenRequest const&) {
    return credential_->Refusals().empty() ? MakeBoundToken("first", MakeNamedBinding("key-1"))
                                           : MakeBoundToken("second", MakeNamedBinding("key-2"));
  };
  transport_->ThenAnswer(401, body);
  transport_->ThenAnswer(401, body);
  auto first = Get();
  EXPECT_EQ(MakePipeline(WithScopes()).Send(first, {})->StatusCode, 401);
  transport_->ThenAnswer(401, body);
  auto second = Get();
  EXPECT_EQ(ErrorCodeOf([&] { MakePipeline(WithScopes()).Send(second, {}); }), errors::BindingRejected.Name());
  EXPECT_THAT(transport_->Sent(), SizeIs(3));
}

TEST_F(TokenAuthorizationPolicyTest, SaysWhereBoundTokensAreNotTaken) {
  transport_->ThenAnswer(401, R"({"error":{"code":"MtlsClientPopTokenNotSupportedByResource"}})");
  auto request = Get();
  EXPECT_EQ(
      ErrorCodeOf([&] { MakePipeline(WithScopes()).Send(request, {}); }),
      errors::ResourceDoesNotSupportBoundTokens.Name());
}

/// As the credentials of this library: bound unless the request says that a bearer token will do.
AccessToken BoundUnlessTold(TokenRequest const& asked) {
  return asked.Binding == TokenBinding::None ? MakeBearerToken("bearer-token")
                                             : MakeBoundToken("bound-token", MakeNamedBinding("key-1"));
}

/// Wire contract, section 5: bearer only where the caller chose "preferred".
TEST_F(TokenAuthorizationPolicyTest, FallsBackToBearerWhereBindingIsOnlyPreferred) {
  credential_->Answer = BoundUnlessTold;
  transport_->ThenAnswer(401, R"({"error":{"code":"MtlsClientPopTokenNotSupportedByResource"}})");
  auto options = WithScopes();
  options.Binding = TokenBinding::Preferred;
  auto const pipeline = MakePipeline(std::move(options));
  auto request = Put("the value");
  EXPECT_EQ(pipeline.Send(request, {})->StatusCode, 200);
  ASSERT_THAT(transport_->Sent(), SizeIs(2));
  auto const sent = transport_->Sent()[1];
  EXPECT_EQ(sent.Fields.Get("Authorization"), "Bearer bearer-token");
  EXPECT_FALSE(sent.Fields.Contains("x-ms-tokenboundauth"));
  EXPECT_FALSE(sent.Binding);
  EXPECT_EQ(sent.Body, "the value");
  // The origin is not asked again, others are.
  auto next = Get();
  pipeline.Send(next, {});
  auto other = Get("https://another.vault.azure.net/secrets/a");
  pipeline.Send(other, {});
  EXPECT_FALSE(transport_->Sent()[2].Binding);
  EXPECT_TRUE(transport_->Sent()[3].Binding);
}

TEST_F(TokenAuthorizationPolicyTest, NeverFallsBackToBearerWhereBindingIsRequired) {
  credential_->Answer = BoundUnlessTold;
  transport_->ThenAnswer(401, R"({"error":{"code":"MtlsClientPopTokenNotSupportedByResource"}})");
  auto options = WithScopes();
  options.Binding = TokenBinding::Required;
  auto request = Get();
  EXPECT_EQ(
      ErrorCodeOf([&] { MakePipeline(std::move(options)).Send(request, {}); }),
      errors::ResourceDoesNotSupportBoundTokens.Name());
  EXPECT_THAT(credential_->Asked(), SizeIs(1));
}

TEST_F(TokenAuthorizationPolicyTest, LeavesAMissingCertificateToTheCallerAndLogsIt) {
  std::string lines;
  auto options = WithScopes();
  options.Log = Logger{[&](LogLevel, std::string_view line) { lines += line; }, LogLevel::Debug};
  std::string const body = R"({"error":{"code":"MissingClientCertificate"}})";
  transport_->ThenAnswer(401, body);
  auto request = Get();
  auto const response = MakePipeline(std::move(options)).Send(request, {});
  EXPECT_EQ(response->StatusCode, 401);
  EXPECT_EQ(ReadToEnd(*response->Body, 1000, {}), body);
  EXPECT_THAT(lines, HasSubstr("client_certificate_did_not_arrive"));
  EXPECT_THAT(lines, HasSubstr("myvault.vault.azure.net"));
}

TEST_F(TokenAuthorizationPolicyTest, SharesWhatItLearnedWithItsClones) {
  transport_->ThenAnswer(401, "WWW-Authenticate", KeyVaultChallenge, "");
  auto const pipeline = MakePipeline({});
  HttpPipeline const copy{pipeline};
  auto first = Get();
  pipeline.Send(first, {});
  auto second = Get();
  copy.Send(second, {});
  EXPECT_THAT(transport_->Sent(), SizeIs(3));
}

}  // namespace
}  // namespace mtlspop
