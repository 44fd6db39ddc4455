// Section 5 of the wire contract: the token request, its answer, and what failures mean.
#include "token_service.hpp"

#include <mutex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_cloud.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/credential/verify_binding.hpp"
#include "mtlspop/transport/log.hpp"
#include "support/error_code_of.hpp"

namespace mtlspop::test {
namespace {

using nlohmann::json;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr char const* TokenPath = "/oauth2/v2.0/token";

/// Answers the first `count` token requests so.
void FailTokens(FakeCloud& cloud, int count, Answer answer) {
  auto const left = std::make_shared<std::atomic<int>>(count);
  cloud.Intercept = [left, answer](Arrived const& arrived) -> std::optional<Answer> {
    if (arrived.Path.find(TokenPath) == std::string::npos || (*left)-- <= 0) return std::nullopt;
    return answer;
  };
}

void ChangeTokenAnswer(FakeCloud& cloud, std::function<void(json&)> change) {
  cloud.Intercept = [&cloud, change](Arrived const& arrived) -> std::optional<Answer> {
    if (arrived.Path.find(TokenPath) == std::string::npos) return std::nullopt;
    auto answer = cloud.TokenAnswer(arrived);
    change(answer);
    return JsonAnswer(answer);
  };
}

TEST(TokenRequestOnTheWire, IsTheContractsFormOverMutualTls) {
  ManagedIdentityWorld world;
  auto const token = world.Get();
  auto const arrived = world.Cloud->All(TokenPath).at(0);
  EXPECT_EQ(arrived.Method, "POST");
  EXPECT_EQ(arrived.Scheme, "https");
  EXPECT_EQ(arrived.Host, "region.mtlsauth.microsoft.com");
  EXPECT_EQ(arrived.Path, "/" + FakeCloud::TenantId + TokenPath);
  EXPECT_EQ(arrived.Fields.Get("Content-Type"), "application/x-www-form-urlencoded");
  EXPECT_EQ(arrived.X5tS256, token.Binding->X5tS256());
  std::map<std::string, std::string> const expected{
      {"grant_type", "client_credentials"},
      {"client_id", FakeCloud::ClientId},
      {"scope", "https://vault.azure.net/.default"},
      {"token_type", "mtls_pop"}};
  EXPECT_EQ(arrived.Form, expected);
}

TEST(TokenRequestOnTheWire, TokenEndpointOfTheAnswerWins) {
  ManagedIdentityWorld world;
  auto const cloud = world.Cloud.get();
  world.Cloud->Intercept = [cloud](Arrived const& arrived) -> std::optional<Answer> {
    if (arrived.Path.find("issuecredential") == std::string::npos) return std::nullopt;
    auto answer = cloud->IssueAnswer(arrived.Body);
    answer["token_endpoint"] = "https://other.example/here/oauth2/v2.0/token";
    return JsonAnswer(answer);
  };
  world.Get();
  EXPECT_EQ(world.Cloud->All(TokenPath).at(0).Host, "other.example");
  EXPECT_EQ(world.Cloud->All(TokenPath).at(0).Path, "/here/oauth2/v2.0/token");
}

TEST(TokenRequestOnTheWire, ScopeIsMadeFromResources) {
  EXPECT_EQ(ToScope("https://vault.azure.net"), "https://vault.azure.net/.default");
  EXPECT_EQ(ToScope("https://vault.azure.net/"), "https://vault.azure.net/.default");
  EXPECT_EQ(ToScope("https://vault.azure.net/.default"), "https://vault.azure.net/.default");
  EXPECT_EQ(ToScope("https://database.windows.net//.default"), "https://database.windows.net//.default");
  EXPECT_EQ(ToScope("api://AzureADTokenExchange"), "api://AzureADTokenExchange/.default");
}

TEST(TokenRequestOnTheWire, ExactlyOneScope) {
  ManagedIdentityWorld world;
  TokenRequest none;
  TokenRequest two;
  two.Scopes = {"a/.default", "b/.default"};
  EXPECT_EQ(ErrorCodeOf([&] { world.Get(none); }), "invalid_argument");
  EXPECT_EQ(ErrorCodeOf([&] { world.Get(two); }), "invalid_argument");
  EXPECT_EQ(world.Cloud->Count(""), 0);
}

TEST(TokenRequestOnTheWire, TenantOfTheCredentialAndOfTheRequest) {
  ManagedIdentityWorld world;
  world.Options.AdditionallyAllowedTenants = {"of-the-request"};
  world.Options.TenantId = "of-the-credential";
  world.Get();
  auto request = world.Request();
  request.TenantId = "of-the-request";
  world.Get(request);
  EXPECT_EQ(world.Cloud->All(TokenPath).at(0).Path, "/of-the-credential/oauth2/v2.0/token");
  EXPECT_EQ(world.Cloud->All(TokenPath).at(1).Path, "/of-the-request/oauth2/v2.0/token");
}

TEST(TokenRequestOnTheWire, ClaimsGoUnchangedAndSkipTheCache) {
  ManagedIdentityWorld world;
  world.Get();
  auto request = world.Request();
  request.Claims = R"({"access_token":{"nbf":{"essential":true,"value":"1"}}})";
  auto const token = world.Get(request);
  EXPECT_EQ(token.Source, TokenSource::Service);
  ASSERT_EQ(world.Cloud->Count(TokenPath), 2);
  EXPECT_EQ(json::parse(world.Cloud->All(TokenPath)[1].Form.at("claims")), json::parse(request.Claims));
  // The token that satisfies the claims takes the other one's place.
  EXPECT_EQ(world.Get().Token, token.Token);
}

TEST(TokenRequestOnTheWire, ClientCapabilitiesMergeIntoClaims) {
  EXPECT_EQ(MergeClaims("", {"cp1"}), R"({"access_token":{"xms_cc":{"values":["cp1"]}}})");
  EXPECT_EQ(
      json::parse(MergeClaims(R"({"access_token":{"nbf":1},"x":2})", {"cp1"})),
      json::parse(R"({"access_token":{"nbf":1,"xms_cc":{"values":["cp1"]}},"x":2})"));
  EXPECT_EQ(MergeClaims("", {}), "");
  EXPECT_EQ(ErrorCodeOf([] { MergeClaims("[1]", {}); }), "invalid_argument");
  EXPECT_EQ(ErrorCodeOf([] { MergeClaims("{", {}); }), "invalid_argument");

  ManagedIdentityWorld world;
  world.Options.ClientCapabilities = {"cp1"};
  world.Get();
  EXPECT_EQ(world.Cloud->All(TokenPath).at(0).Form.at("claims"), R"({"access_token":{"xms_cc":{"values":["cp1"]}}})");
}

TEST(TokenRequestOnTheWire, RefusedTokenIsNotGivenAgainAndItsBindingIs) {
  ManagedIdentityWorld world;
  auto const first = world.Get();
  auto const second = world.GetInsteadOf(first, RefusalReason::TokenRejected);
  EXPECT_NE(first.Token, second.Token);
  EXPECT_EQ(first.Binding->X5tS256(), second.Binding->X5tS256());
  // Said again, by a request that was slow: the new one stays.
  EXPECT_EQ(world.GetInsteadOf(first, RefusalReason::TokenRejected).Token, second.Token);
  EXPECT_EQ(world.Get().Token, second.Token);
  EXPECT_EQ(world.Cloud->Count(TokenPath), 2);
  EXPECT_EQ(world.Cloud->Count("/issuecredential"), 1);
}

TEST(TokenAnswer, HasTheTokenWithItsBinding) {
  ManagedIdentityWorld world;
  auto const token = world.Get();
  EXPECT_EQ(token.Type, TokenType::MtlsPop);
  EXPECT_EQ(token.AuthorizationHeader(), "mtls_pop " + std::string{token.Token.Reveal()});
  EXPECT_EQ(token.Strength(), KeyStrength::Software);
  EXPECT_FALSE(token.Attested);
  EXPECT_EQ(token.Source, TokenSource::Service);
  ASSERT_TRUE(token.CorrelationId);
  EXPECT_EQ(*token.CorrelationId, world.Cloud->All(TokenPath).at(0).Fields.Get("client-request-id"));
  EXPECT_NO_THROW(VerifyBinding(token.Token, *token.Binding));
  EXPECT_EQ(token.ExpiresOn, world.Time->Now() + std::chrono::hours{24});

  auto const again = world.Get();
  EXPECT_EQ(again.Source, TokenSource::Cache);
  EXPECT_EQ(again.Token, token.Token);
  EXPECT_EQ(again.Binding->X5tS256(), token.Binding->X5tS256());
  EXPECT_EQ(*again.CorrelationId, *token.CorrelationId);
}

TEST(TokenAnswer, TypeIsComparedInAnyCase) {
  ManagedIdentityWorld world;
  ChangeTokenAnswer(*world.Cloud, [](json& answer) { answer["token_type"] = "MTLS_PoP"; });
  EXPECT_EQ(world.Get().Type, TokenType::MtlsPop);
}

struct BadAnswer {
  std::string Name;
  std::string Code;
  std::function<void(json&)> Spoil;
};

class TokenAnswerTest : public testing::TestWithParam<BadAnswer> {};

TEST_P(TokenAnswerTest, IsRefused) {
  ManagedIdentityWorld world;
  ChangeTokenAnswer(*world.Cloud, GetParam().Spoil);
  auto const error = ErrorOf([&] { world.Get(); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code().Name(), GetParam().Code) << error->what();
  EXPECT_EQ(error->Details().CorrelationId.size(), 36U);
  EXPECT_EQ(error->Details().HttpStatus, 200);
  // Nothing of it was kept.
  EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), GetParam().Code);
}

INSTANTIATE_TEST_SUITE_P(
    Section5,
    TokenAnswerTest,
    testing::Values(
        BadAnswer{"OfTypeBearer", "token_type_mismatch", [](json& a) { a["token_type"] = "Bearer"; }},
        BadAnswer{"WithoutType", "token_type_mismatch", [](json& a) { a.erase("token_type"); }},
        BadAnswer{
            "BoundToAnotherCertificate", "token_binding_mismatch",
            [](json& a) {
              a["access_token"] = MakeJwt({{"cnf", {{"x5t#S256", "another"}}}});
            }},
        BadAnswer{
            "WithoutCnf", "token_binding_mismatch",
            [](json& a) {
              a["access_token"] = MakeJwt({{"aud", "x"}});
            }},
        BadAnswer{
            "WithCnfOfAnotherKind", "token_binding_mismatch",
            [](json& a) {
              a["access_token"] = MakeJwt({{"cnf", {{"kid", "another"}}}});
            }},
        BadAnswer{"ThatIsNoJwt", "token_malformed", [](json& a) { a["access_token"] = "opaque"; }},
        BadAnswer{"OfTwoParts", "token_malformed", [](json& a) { a["access_token"] = "eyJ.e30"; }},
        BadAnswer{"OfFourParts", "token_malformed", [](json& a) { a["access_token"] = "a.e30.b.c"; }},
        BadAnswer{"WithAnEmptySignature", "token_malformed", [](json& a) { a["access_token"] = "eyJ.e30."; }},
        BadAnswer{"WithoutToken", "token_response_malformed", [](json& a) { a.erase("access_token"); }},
        BadAnswer{"WithoutExpiry", "token_response_malformed", [](json& a) { a.erase("expires_in"); }}),
    [](auto const& row) { return row.param.Name; });

TEST(TokenAnswer, ThatIsNoJsonIsRefused) {
  ManagedIdentityWorld world;
  FailTokens(*world.Cloud, 9, {200, "<html>", {}});
  EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "token_response_malformed");
}

TEST(TokenAnswer, RedirectIsNotFollowed) {
  ManagedIdentityWorld world;
  FailTokens(*world.Cloud, 9, {302, "", {{"Location", "https://elsewhere.example/"}}});
  EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "token_request_refused");
  EXPECT_EQ(world.Cloud->Count(TokenPath), 1);
}

TEST(BearerOverMtls, SameRequestWithTypeBearerAndResultWithoutBinding) {
  ManagedIdentityWorld world;
  world.Options.Binding = TokenBinding::None;
  world.Options.BearerOverMtls = true;
  auto const token = world.Get();
  auto const arrived = world.Cloud->All(TokenPath).at(0);
  EXPECT_EQ(arrived.Form.at("token_type"), "bearer");
  EXPECT_EQ(arrived.Form.count("client_assertion"), 0U);
  EXPECT_NE(arrived.X5tS256, "");
  EXPECT_EQ(token.Type, TokenType::Bearer);
  EXPECT_EQ(token.Binding, nullptr);
  EXPECT_EQ(token.Strength(), KeyStrength::None);
  EXPECT_EQ(world.Cloud->Count("/metadata/identity/oauth2/token"), 0);
}

/// Each step leaves a line at info, with the correlation id by which the services' owners find it.
TEST(Steps, AreLoggedAtInfoInTheirOrder) {
  ManagedIdentityWorld world;
  std::mutex mutex;
  std::string lines;
  world.Options.Observer = MakeLog(
      [&](Severity, std::string_view line) {
        std::lock_guard<std::mutex> const lock{mutex};
        lines.append(line).append(1, '\n');
      },
      Severity::Info);
  auto const token = world.Get();
  std::lock_guard<std::mutex> const lock{mutex};
  std::size_t position = 0;
  for (char const* const step :
       {"get_platform_metadata", "key.made", "key.signed_certificate_request", "issue_credential", "binding.issued",
        "request_token", "token.obtained"}) {
    position = lines.find(step, position);
    ASSERT_NE(position, std::string::npos) << step << " in " << lines;
    auto const line = lines.substr(position, lines.find('\n', position) - position);
    EXPECT_THAT(line, HasSubstr(*token.CorrelationId));
  }
}

/// Retries of the token service.
TEST(TokenServiceRetries, ServerErrorsAndTimeoutsOnceOthersNever) {
  struct Row {
    int Status;
    bool RetryAfter;
    std::size_t Waits;
  };
  for (auto const& row :
       {Row{500, false, 1}, Row{503, false, 1}, Row{504, false, 1}, Row{408, false, 1}, Row{503, true, 0},
        Row{400, false, 0}, Row{403, false, 0}, Row{404, false, 0}, Row{429, false, 0}}) {
    ManagedIdentityWorld world;
    auto answer = TokenError("x", "y", row.Status);
    if (row.RetryAfter) answer.Fields.emplace_back("Retry-After", "7");
    FailTokens(*world.Cloud, 9, answer);
    EXPECT_TRUE(ErrorOf([&] { world.Get(); }));
    EXPECT_THAT(world.Time->Slept(), SizeIs(row.Waits)) << row.Status;
    EXPECT_EQ(world.Cloud->Count(TokenPath), static_cast<int>(row.Waits) + 1) << row.Status;
  }
}

TEST(TokenServiceRetries, ComeUpToAQuarterLaterAtRandom) {
  ManagedIdentityWorld world;
  world.Options.Random = [] { return 0.5; };
  FailTokens(*world.Cloud, 9, TokenError("x", "y", 503));
  EXPECT_TRUE(ErrorOf([&] { world.Get(); }));
  EXPECT_THAT(world.Time->Slept(), testing::ElementsAre(std::chrono::milliseconds{1125}));
}

TEST(TokenServiceRetries, LostConnectionIsTriedOnceMore) {
  ManagedIdentityWorld world;
  std::atomic<int> calls{0};
  world.Cloud->Intercept = [&](Arrived const& arrived) -> std::optional<Answer> {
    if (arrived.Path.find(TokenPath) == std::string::npos || calls++ > 0) return std::nullopt;
    ErrorDetails details{errors::ConnectionLost, "Lost", "Look"};
    details.Transient = true;
    throw Error{details};
  };
  EXPECT_EQ(world.Get().Type, TokenType::MtlsPop);
}

/// "What the service says" -> "do", row by row.
struct BadBinding {
  std::string Name;
  std::string Error;
  std::string Description;
};

class BadBindingTest : public testing::TestWithParam<BadBinding> {};

TEST_P(BadBindingTest, IsDroppedAndMadeAnewOnce) {
  ManagedIdentityWorld world;
  FailTokens(*world.Cloud, 1, TokenError(GetParam().Error, GetParam().Description));
  auto const token = world.Get();
  EXPECT_EQ(world.Cloud->Count("/issuecredential"), 2);
  EXPECT_EQ(world.Cloud->Count(TokenPath), 2);
  auto const first = world.Cloud->All(TokenPath)[0].X5tS256;
  EXPECT_NE(token.Binding->X5tS256(), first);
  EXPECT_THAT(world.Cloud->Dropped(), testing::Contains(first));
  // The refused key is not used again.
  EXPECT_EQ(world.Keys->Made(), 2);
  EXPECT_TRUE(world.Keys->Requests.back().ForceNew);
  // The first of the keys that are ready.
  EXPECT_EQ(world.Keys->Requests.back().Refused, ReadyKeys{}.GetOrCreateKey({}, {})->SubjectPublicKeyInfo());
}

TEST_P(BadBindingTest, IsAnErrorTheSecondTime) {
  ManagedIdentityWorld world;
  FailTokens(*world.Cloud, 9, TokenError(GetParam().Error, GetParam().Description));
  auto const error = ErrorOf([&] { world.Get(); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code(), errors::BindingRejected);
  EXPECT_EQ(error->Details().HttpStatus, 400);
  EXPECT_THAT(error->Details().Action, testing::HasSubstr("this machine"));
  EXPECT_EQ(world.Cloud->Count("/issuecredential"), 2);
  EXPECT_EQ(world.Cloud->Count(TokenPath), 2);
}

INSTANTIATE_TEST_SUITE_P(
    Section5,
    BadBindingTest,
    testing::Values(
        BadBinding{"InvalidClient", "invalid_client", "AADSTS700027: no"},
        BadBinding{"TokenNotAfterHasPassed", "invalid_request", "AADSTS1000901: token_not_after"},
        BadBinding{"TokenAndCertificateDiffer", "invalid_request", "AADSTS500181: mismatch"},
        BadBinding{"TokenAndCertificateDifferByName", "invalid_request", "CertificateValidationFailedTlsCertMismatch"}),
    [](auto const& row) { return row.param.Name; });

TEST(BadBinding, TlsHandshakeThatFailsOnTheCertificateIsOne) {
  for (auto const code : {errors::BindingCertificateRejected, errors::PrivateKeyUnusable}) {
    ManagedIdentityWorld world;
    std::atomic<int> calls{0};
    world.Cloud->Intercept = [&](Arrived const& arrived) -> std::optional<Answer> {
      if (arrived.Path.find(TokenPath) == std::string::npos || calls++ > 0) return std::nullopt;
      throw Error{{code, "Refused", "Look"}};
    };
    EXPECT_EQ(world.Get().Type, TokenType::MtlsPop);
    EXPECT_EQ(world.Cloud->Count("/issuecredential"), 2);
  }
}

TEST(BadBinding, CallerWhoWasRefusedElsewhereGetsANewOne) {
  ManagedIdentityWorld world;
  auto const first = world.Get();
  auto const second = world.GetInsteadOf(first);
  EXPECT_NE(second.Binding->X5tS256(), first.Binding->X5tS256());
  EXPECT_THAT(world.Cloud->Dropped(), testing::Contains(first.Binding->X5tS256()));
  // Said again, by a request that was slow: the new one stays.
  EXPECT_EQ(world.GetInsteadOf(first).Token, second.Token);
  EXPECT_EQ(world.Cloud->Count("/issuecredential"), 2);
}

TEST(TokenServiceErrors, ResourceThatCannotTakeBoundTokens) {
  for (auto const& answer :
       {TokenError("invalid_request", "AADSTS392196: no bound tokens"),
        TokenError("MtlsClientPopTokenNotSupportedByResource", "no")}) {
    ManagedIdentityWorld world;
    FailTokens(*world.Cloud, 9, answer);
    auto const error = ErrorOf([&] { world.Get(); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->Code(), errors::ResourceDoesNotSupportBoundTokens);
    EXPECT_EQ(world.Cloud->Count(TokenPath), 1);
    EXPECT_EQ(world.Cloud->Count("/metadata/identity/oauth2/token"), 0);
  }
}

TEST(TokenServiceErrors, AppWithoutMtlsIsNotRetried) {
  ManagedIdentityWorld world;
  FailTokens(*world.Cloud, 9, TokenError("invalid_client", "AADSTS51000: not enabled"));
  auto const error = ErrorOf([&] { world.Get(); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code(), errors::MtlsNotEnabledForApp);
  EXPECT_EQ(error->Details().ServiceErrorCode, "AADSTS51000");
  EXPECT_EQ(world.Cloud->Count(TokenPath), 1);
  EXPECT_EQ(world.Cloud->Count("/issuecredential"), 1);
}

TEST(TokenServiceErrors, SayCodeCorrelationIdAndAttempts) {
  ManagedIdentityWorld world;
  FailTokens(*world.Cloud, 9, TokenError("unauthorized_client", "AADSTS700016: unknown app.\r\nTrace ID: 1", 500));
  auto const error = ErrorOf([&] { world.Get(); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code(), errors::TokenServiceUnavailable);
  EXPECT_EQ(error->Details().ServiceErrorCode, "AADSTS700016");
  EXPECT_EQ(error->Details().HttpStatus, 500);
  EXPECT_EQ(error->Details().Attempts, 2);
  EXPECT_EQ(error->Details().CorrelationId, world.Cloud->All(TokenPath)[0].Fields.Get("client-request-id"));
  EXPECT_THAT(error->what(), HasSubstr("unknown app"));
  EXPECT_THAT(error->what(), Not(HasSubstr("Trace ID")));
}

TEST(TokenServiceErrors, CodeIsTakenFromTheListWhereTheTextHasNone) {
  ManagedIdentityWorld world;
  FailTokens(*world.Cloud, 9, JsonAnswer({{"error", "x"}, {"error_codes", {50034}}}, 400));
  EXPECT_EQ(ErrorOf([&] { world.Get(); })->Details().ServiceErrorCode, "AADSTS50034");
}

TEST(TokenServiceErrors, UnreachableServiceKeepsItsCause) {
  ManagedIdentityWorld world;
  world.Cloud->Intercept = [&](Arrived const& arrived) -> std::optional<Answer> {
    if (arrived.Path.find(TokenPath) == std::string::npos) return std::nullopt;
    throw Error{{errors::ServerCertificateRejected, "Not trusted", "Trust it"}};
  };
  try {
    world.Get();
    FAIL();
  } catch (Error const& error) {
    EXPECT_EQ(error.Code(), errors::TokenServiceUnavailable);
    EXPECT_THAT(DescribeWithCauses(error), HasSubstr("caused by: server_certificate_rejected"));
  }
  EXPECT_THAT(world.Time->Slept(), IsEmpty());
}

}  // namespace
}  // namespace mtlspop::test
