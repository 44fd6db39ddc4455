// Section 2 of the wire contract.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_cloud.hpp"
#include "mtlspop/credential/errors.hpp"
#include "support/error_code_of.hpp"

namespace mtlspop::test {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::function<std::optional<Answer>(Arrived const&)> Replace(std::string path, Answer answer) {
  return [path, answer](Arrived const& arrived) {
    return arrived.Path.find(path) != std::string::npos ? std::make_optional(answer) : std::nullopt;
  };
}

std::vector<std::int64_t> SleptSeconds(ManualClock const& clock) {
  std::vector<std::int64_t> result;
  for (auto const slept : clock.Slept()) result.push_back(std::chrono::duration_cast<seconds>(slept).count());
  return result;
}

TEST(Imds, BothCallsGoToTheContractsAddressWithItsHeadersAndNeverThroughAProxy) {
  ManagedIdentityWorld world;
  world.Get();
  for (std::string const path : {"/metadata/identity/getplatformmetadata", "/metadata/identity/issuecredential"}) {
    auto const arrived = world.Cloud->All(path);
    ASSERT_EQ(arrived.size(), 1U) << path;
    EXPECT_EQ(arrived[0].Scheme, "http");
    EXPECT_EQ(arrived[0].Host, "169.254.169.254");
    EXPECT_EQ(arrived[0].Query, "cred-api-version=2.0");
    EXPECT_EQ(arrived[0].Fields.Get("Metadata"), "true");
    EXPECT_EQ(arrived[0].Fields.Get("x-ms-client-request-id").size(), 36U);
    EXPECT_TRUE(arrived[0].NeverProxied);
    EXPECT_EQ(arrived[0].X5tS256, "");
  }
  EXPECT_EQ(world.Cloud->All("/getplatformmetadata")[0].Method, "GET");
  EXPECT_EQ(world.Cloud->All("/issuecredential")[0].Method, "POST");
}

TEST(Imds, AuthorityHostOfTheEnvironmentReplacesTheAddress) {
  ManagedIdentityWorld world;
  world.Environment["AZURE_POD_IDENTITY_AUTHORITY_HOST"] = "http://127.0.0.1:4711/";
  world.Get();
  EXPECT_EQ(world.Cloud->All("/metadata/identity/getplatformmetadata").at(0).Host, "127.0.0.1");
}

/// At once, and with what is wrong: the first request would look for a host that is none for seconds.
TEST(Imds, AnAuthorityHostOfAnotherFormIsRefusedByName) {
  for (char const* const value :
       {"169.254.169.254", "localhost:8080", "http://127.0.0.1:1/metadata", "ftp://127.0.0.1", "http://",
        "http://a?b"}) {
    ManagedIdentityWorld world;
    world.Environment["AZURE_POD_IDENTITY_AUTHORITY_HOST"] = value;
    auto const error = ErrorOf([&] { world.Get(); });
    ASSERT_TRUE(error) << value;
    EXPECT_EQ(error->Code(), errors::InvalidArgument) << value;
    EXPECT_THAT(error->what(), HasSubstr("AZURE_POD_IDENTITY_AUTHORITY_HOST"));
    EXPECT_THAT(error->what(), HasSubstr(value));
    EXPECT_TRUE(world.Cloud->All("/").empty()) << value;
  }
}

TEST(Imds, UserAssignedIdentitySendsExactlyOneSelector) {
  struct Row {
    ManagedIdentityId Id;
    std::string Query;
  };
  for (auto const& row : {
           Row{ManagedIdentityId::FromClientId("abc"), "cred-api-version=2.0&client_id=abc"},
           Row{ManagedIdentityId::FromObjectId("def"), "cred-api-version=2.0&object_id=def"},
           Row{ManagedIdentityId::FromResourceId("/s/r"), "cred-api-version=2.0&mi_res_id=%2Fs%2Fr"},
       }) {
    ManagedIdentityWorld world;
    world.Options.Identity = row.Id;
    world.Get();
    EXPECT_EQ(world.Cloud->All("/getplatformmetadata").at(0).Query, row.Query);
    EXPECT_EQ(world.Cloud->All("/issuecredential").at(0).Query, row.Query);
  }
}

/// What the service answers where the name is another one.
Interceptor::Function Refuse(std::string const& name) {
  return [name](Arrived const& arrived) -> std::optional<Answer> {
    if (arrived.Query.find("&" + name + "=") == std::string::npos) return std::nullopt;
    return TokenError("invalid_request", "Unsupported query variables");
  };
}

TEST(Imds, OtherNameOfTheResourceIdIsTriedOnceAndRemembered) {
  ManagedIdentityWorld world;
  world.Options.Identity = ManagedIdentityId::FromResourceId("/s/r");
  world.Cloud->Intercept = Refuse("mi_res_id");
  world.Get();
  auto const metadata = world.Cloud->All("/getplatformmetadata");
  ASSERT_EQ(metadata.size(), 2U);
  EXPECT_EQ(metadata[1].Query, "cred-api-version=2.0&msi_res_id=%2Fs%2Fr");
  EXPECT_EQ(world.Cloud->Count("/issuecredential"), 1);
  // A credential that is made later knows it too.
  ManagedIdentityCredential{world.Options}.GetToken(world.Request(), {});
  EXPECT_EQ(world.Cloud->Count("/getplatformmetadata"), 3);
}

TEST(Imds, NeitherNameOfTheResourceIdIsAnErrorWithTheFirstAnswer) {
  ManagedIdentityWorld world;
  world.Options.Identity = ManagedIdentityId::FromResourceId("/s/r");
  world.Cloud->Intercept = Refuse("mi_res_id");
  world.Cloud->Intercept = [](Arrived const& arrived) -> std::optional<Answer> {
    if (arrived.Query.find("_id=") == std::string::npos) return std::nullopt;
    return TokenError("invalid_request", arrived.Query.find("msi_res_id") == std::string::npos ? "first" : "second");
  };
  auto const error = ErrorOf([&] { world.Get(); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code(), errors::ImdsRefused);
  EXPECT_THAT(error->what(), HasSubstr("first"));
  EXPECT_EQ(error->Details().Attempts, 2);
  EXPECT_EQ(world.Cloud->Count("/getplatformmetadata"), 2);
}

TEST(ImdsV1, ResourceIdKeepsItsOldName) {
  ManagedIdentityWorld world;
  world.Options.Binding = TokenBinding::None;
  world.Options.Identity = ManagedIdentityId::FromResourceId("/s/r");
  world.Get();
  EXPECT_THAT(world.Cloud->All("/metadata/identity/oauth2/token").at(0).Query, HasSubstr("&msi_res_id=%2Fs%2Fr"));
}

TEST(Imds, IdentityWithoutANameIsRefused) {
  EXPECT_EQ(ErrorCodeOf([] { ManagedIdentityId::FromClientId(""); }), "invalid_argument");
  EXPECT_EQ(ErrorCodeOf([] { ManagedIdentityId::FromResourceId("a\nb"); }), "invalid_argument");
}

TEST(Imds, EachFieldOfPlatformMetadataIsRequired) {
  for (std::string const field : {"clientId", "tenantId", "cuId", "attestationEndpoint"}) {
    ManagedIdentityWorld world;
    auto metadata = world.Cloud->MetadataAnswer();
    metadata.erase(field);
    world.Cloud->Intercept = Replace("getplatformmetadata", JsonAnswer(metadata));
    auto const error = ErrorOf([&] { world.Get(); });
    ASSERT_TRUE(error) << field;
    EXPECT_EQ(error->Code(), errors::ImdsResponseMalformed);
    EXPECT_THAT(error->what(), HasSubstr(field));
    EXPECT_EQ(error->Details().CorrelationId.size(), 36U);
  }
}

TEST(Imds, CuIdWithoutAnyIdIsRefused) {
  ManagedIdentityWorld world;
  auto metadata = world.Cloud->MetadataAnswer();
  metadata["cuId"] = json::object();
  world.Cloud->Intercept = Replace("getplatformmetadata", JsonAnswer(metadata));
  EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "imds_response_malformed");
}

TEST(Imds, EachFieldOfIssueCredentialIsRequired) {
  for (std::string const field :
       {"certificate", "client_id", "tenant_id", "identity_type", "mtls_authentication_endpoint"}) {
    ManagedIdentityWorld world;
    auto const cloud = world.Cloud.get();
    world.Cloud->Intercept = [cloud, field](Arrived const& arrived) -> std::optional<Answer> {
      if (arrived.Path.find("issuecredential") == std::string::npos) return std::nullopt;
      auto answer = cloud->IssueAnswer(arrived.Body);
      answer.erase(field);
      return JsonAnswer(answer);
    };
    auto const error = ErrorOf([&] { world.Get(); });
    ASSERT_TRUE(error) << field;
    EXPECT_EQ(error->Code(), errors::ImdsResponseMalformed);
    EXPECT_THAT(error->what(), HasSubstr(field));
  }
}

TEST(Imds, AnswerThatIsNoJsonIsRefusedWithoutShowingIt) {
  for (std::string const path : {"getplatformmetadata", "issuecredential"}) {
    ManagedIdentityWorld world;
    world.Cloud->Intercept = Replace(path, {200, "<html>surprise</html>", {{"Server", "IMDS/1"}}});
    auto const error = ErrorOf([&] { world.Get(); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->Code(), errors::ImdsResponseMalformed);
    EXPECT_THAT(error->what(), Not(HasSubstr("surprise")));
  }
}

TEST(Imds, ServerHeaderMustNameImdsInAnyCase) {
  for (std::string const path : {"getplatformmetadata", "issuecredential"}) {
    for (std::string const server : {"nginx", ""}) {
      ManagedIdentityWorld world;
      auto const cloud = world.Cloud.get();
      world.Cloud->Intercept = [cloud, path, server](Arrived const& arrived) -> std::optional<Answer> {
        if (arrived.Path.find(path) == std::string::npos) return std::nullopt;
        auto answer = cloud->DefaultAnswer(arrived);
        answer.Fields = {{"Server", server}};
        return answer;
      };
      EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "not_imds") << path << " " << server;
    }
  }
  ManagedIdentityWorld world;
  auto const cloud = world.Cloud.get();
  world.Cloud->Intercept = [cloud](Arrived const& arrived) -> std::optional<Answer> {
    auto answer = cloud->DefaultAnswer(arrived);
    answer.Fields = {{"server", "imds/150"}};
    return answer;
  };
  EXPECT_EQ(world.Get().Type, TokenType::MtlsPop);
}

/// Answers in place of the service, but not to the question which version it is.
Interceptor::Function ReplaceAfterProbe(std::string const& path, Answer answer) {
  return [path, answer](Arrived const& arrived) -> std::optional<Answer> {
    if (IsProbe(arrived) || arrived.Path.find(path) == std::string::npos) return std::nullopt;
    return answer;
  };
}

TEST(Imds, NotFoundMeansVersion1OnlyAtOnce) {
  ManagedIdentityWorld world;
  world.Cloud->Intercept = Replace("getplatformmetadata", JsonAnswer(json::object(), 404));
  auto const error = ErrorOf([&] { world.Get(); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code(), errors::MtlsPopNotSupportedInImdsV1);
  EXPECT_EQ(error->Details().HttpStatus, 404);
  EXPECT_EQ(error->Details().Attempts, 1);
  EXPECT_THAT(world.Time->Slept(), IsEmpty());
}

TEST(Imds, NotFoundAfterItsRetriesMeansVersion1OnlyThoughTheProbeSaidOtherwise) {
  ManagedIdentityWorld world;
  world.Cloud->Intercept = ReplaceAfterProbe("getplatformmetadata", JsonAnswer(json::object(), 404));
  auto const error = ErrorOf([&] { world.Get(); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code(), errors::MtlsPopNotSupportedInImdsV1);
  EXPECT_EQ(error->Details().HttpStatus, 404);
  EXPECT_EQ(error->Details().Attempts, 4);
  EXPECT_THAT(SleptSeconds(*world.Time), ElementsAre(1, 2, 4));
}

/// NET, docs/imds_retry_based_on_errors.md.
TEST(Imds, RetriesAreThoseOfTheTable) {
  struct Row {
    int Status;
    std::vector<std::int64_t> Waits;
  };
  for (auto const& row : {
           Row{404, {1, 2, 4}},
           Row{408, {1, 2, 4}},
           Row{429, {1, 2, 4}},
           Row{500, {1, 2, 4}},
           Row{503, {1, 2, 4}},
           Row{599, {1, 2, 4}},
           Row{410, {10, 10, 10, 10, 10, 10, 10}},
           Row{400, {}},
           Row{401, {}},
           Row{403, {}},
       }) {
    for (std::string const path : {"getplatformmetadata", "issuecredential"}) {
      ManagedIdentityWorld world;
      world.Cloud->Intercept = ReplaceAfterProbe(path, JsonAnswer(json::object(), row.Status));
      auto const error = ErrorOf([&] { world.Get(); });
      ASSERT_TRUE(error);
      EXPECT_EQ(SleptSeconds(*world.Time), row.Waits) << path << " " << row.Status;
      EXPECT_EQ(error->Details().Attempts, static_cast<int>(row.Waits.size()) + 1) << path << " " << row.Status;
      EXPECT_EQ(error->Details().HttpStatus, row.Status);
    }
  }
}

/// Machines that a deployment has started together meet the same fault together.
TEST(Imds, RetriesComeUpToAQuarterLaterAtRandom) {
  for (std::string const path : {"getplatformmetadata", "issuecredential"}) {
    ManagedIdentityWorld world;
    world.Options.Random = [] { return 0.5; };
    world.Cloud->Intercept = ReplaceAfterProbe(path, JsonAnswer(json::object(), 503));
    EXPECT_TRUE(ErrorOf([&] { world.Get(); }));
    EXPECT_THAT(world.Time->Slept(), ElementsAre(milliseconds{1125}, milliseconds{2250}, milliseconds{4500})) << path;
  }
}

/// Each rule has its own count: a machine that is being serviced (410) and then starts its service (503), for example.
TEST(Imds, RetriesOfBothKindsAreCountedApart) {
  ManagedIdentityWorld world;
  std::atomic<int> calls{0};
  world.Cloud->Intercept = [&](Arrived const& arrived) -> std::optional<Answer> {
    if (IsProbe(arrived)) return std::nullopt;
    return JsonAnswer(json::object(), calls++ < 4 ? 410 : 503);
  };
  auto const error = ErrorOf([&] { world.Get(); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Details().HttpStatus, 503);
  EXPECT_EQ(error->Details().Attempts, 8);
  EXPECT_THAT(SleptSeconds(*world.Time), ElementsAre(10, 10, 10, 10, 1, 2, 4));
}

TEST(Imds, ARetryThatSucceedsIsNoError) {
  ManagedIdentityWorld world;
  std::atomic<int> calls{0};
  world.Cloud->Intercept = [&](Arrived const& arrived) -> std::optional<Answer> {
    if (arrived.Path.find("issuecredential") == std::string::npos || calls++ > 1) return std::nullopt;
    return JsonAnswer(json::object(), 503);
  };
  EXPECT_EQ(world.Get().Type, TokenType::MtlsPop);
  EXPECT_THAT(SleptSeconds(*world.Time), ElementsAre(1, 2));
}

TEST(Imds, UnreachableServiceIsItsOwnErrorWithItsCause) {
  ManagedIdentityWorld world;
  world.Cloud->Intercept = [](Arrived const&) -> std::optional<Answer> {
    throw Error{{errors::ConnectFailed, "No connection", "Check"}};
  };
  try {
    world.Get();
    FAIL();
  } catch (Error const& error) {
    EXPECT_EQ(error.Code(), errors::ImdsNotReachable);
    EXPECT_THAT(DescribeWithCauses(error), HasSubstr("caused by: connect_failed"));
  }
  EXPECT_THAT(world.Time->Slept(), IsEmpty());
}

TEST(Imds, ServiceThatIsLostAfterRetriesSaysHowManyThereWere) {
  ManagedIdentityWorld world;
  std::atomic<int> calls{0};
  world.Cloud->Intercept = [&](Arrived const& arrived) -> std::optional<Answer> {
    if (IsProbe(arrived)) return std::nullopt;
    if (calls++ < 2) return JsonAnswer(json::object(), 503);
    throw Error{{errors::ConnectFailed, "No connection", "Check"}};
  };
  auto const error = ErrorOf([&] { world.Get(); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code(), errors::ImdsNotReachable);
  EXPECT_EQ(error->Details().Attempts, 3);
}

/// Section 3: the service refuses a weaker key.
TEST(Imds, RefusalOfASoftwareKeySaysThatTheKeyIsTheLikelyReason) {
  ManagedIdentityWorld world;
  world.Cloud->Intercept = Replace("issuecredential", TokenError("invalid_request", "not a KeyGuard key"));
  auto const error = ErrorOf([&] { world.Get(); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code(), errors::MtlsPopRequiresKeyGuard);
  EXPECT_THAT(error->what(), HasSubstr("KeyGuard"));
}

TEST(Imds, RefusalOfAKeyGuardKeyIsNotBlamedOnTheKey) {
  ManagedIdentityWorld world;
  world.Options.Keys = std::make_shared<ReadyKeys>(KeyStrength::KeyGuard);
  world.Cloud->Intercept = Replace("issuecredential", TokenError("invalid_request", "no"));
  EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "imds_refused");
}

/// Bearer tokens of version 1.
TEST(ImdsV1, BearerTokenIsAskedForWithTheResourceAndTheSelector) {
  ManagedIdentityWorld world;
  world.Options.Binding = TokenBinding::None;
  world.Options.Identity = ManagedIdentityId::FromClientId("abc");
  auto const token = world.Get();
  auto const arrived = world.Cloud->All("/metadata/identity/oauth2/token").at(0);
  EXPECT_EQ(arrived.Query, "api-version=2018-02-01&client_id=abc&resource=https%3A%2F%2Fvault.azure.net");
  EXPECT_EQ(arrived.Fields.Get("Metadata"), "true");
  EXPECT_TRUE(arrived.NeverProxied);
  EXPECT_EQ(token.Type, TokenType::Bearer);
  EXPECT_EQ(token.Binding, nullptr);
  EXPECT_EQ(token.AuthorizationHeader().substr(0, 7), "Bearer ");
  EXPECT_EQ(world.Cloud->Count("getplatformmetadata"), 0);
}

TEST(ImdsV1, ExpiryIsReadFromEitherFieldAsNumberOrText) {
  ManagedIdentityWorld probe;
  auto const end = std::chrono::duration_cast<seconds>(probe.Time->Now().time_since_epoch()).count() + 3600;
  for (json const& expiry :
       {json{{"expires_in", 3600}}, json{{"expires_in", "3600"}}, json{{"expires_on", end}},
        json{{"expires_on", std::to_string(end)}}}) {
    ManagedIdentityWorld world;
    world.Options.Binding = TokenBinding::None;
    auto body = expiry;
    body["access_token"] = "opaque";
    world.Cloud->Intercept = Replace("oauth2/token", JsonAnswer(body));
    auto const life = world.Get().ExpiresOn - world.Time->Now();
    EXPECT_NEAR(static_cast<double>(std::chrono::duration_cast<seconds>(life).count()), 3600, 2) << expiry;
  }
}

TEST(ImdsV1, AnswerWithoutTokenOrExpiryIsRefused) {
  for (json const& body : {json{{"expires_in", 3600}}, json{{"access_token", "a"}}, json{{"access_token", ""}}}) {
    ManagedIdentityWorld world;
    world.Options.Binding = TokenBinding::None;
    world.Cloud->Intercept = Replace("oauth2/token", JsonAnswer(body));
    EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "imds_response_malformed") << body;
  }
}

TEST(Capabilities, Version2IsSeenWithoutGettingAnything) {
  ManagedIdentityWorld world;
  world.Options.Keys = std::make_shared<ReadyKeys>(KeyStrength::KeyGuard);
  auto const capabilities = GetManagedIdentityCapabilities(world.Options, {});
  EXPECT_EQ(capabilities.Source, ManagedIdentitySource::ImdsV2);
  EXPECT_EQ(capabilities.HighestStrength, KeyStrength::KeyGuard);
  EXPECT_EQ(capabilities.BindingSupported, BindingSupport::Yes);
  EXPECT_EQ(capabilities.WhyNot, "");
  EXPECT_EQ(world.Cloud->Count(""), 0);
  EXPECT_EQ(world.Cloud->Probes(), 1);
}

TEST(Capabilities, ProbeDoesNotRetryNotFound) {
  ManagedIdentityWorld world;
  world.Cloud->Intercept = Replace("getplatformmetadata", JsonAnswer(json::object(), 404));
  auto const capabilities = GetManagedIdentityCapabilities(world.Options, {});
  EXPECT_EQ(capabilities.Source, ManagedIdentitySource::ImdsV1);
  EXPECT_EQ(capabilities.BindingSupported, BindingSupport::No);
  EXPECT_NE(capabilities.WhyNot, "");
  EXPECT_EQ(world.Cloud->Probes(), 1);
}

TEST(Capabilities, NoServiceIsAnAnswer) {
  ManagedIdentityWorld world;
  world.Cloud->Intercept = [](Arrived const&) -> std::optional<Answer> {
    throw Error{{errors::ConnectFailed, "No connection", "Check"}};
  };
  auto const capabilities = GetManagedIdentityCapabilities(world.Options, {});
  EXPECT_EQ(capabilities.Source, ManagedIdentitySource::None);
  EXPECT_EQ(capabilities.BindingSupported, BindingSupport::No);
}

/// Section 2: a probe gives up after a second, and a request that means it does not.
TEST(Capabilities, ProbeGivesUpAfterASecond) {
  class Hurried final : public HttpTransport {
   public:
    std::unique_ptr<Response> Send(
        Request&, std::shared_ptr<BindingCertificate const> const&, Context const& context) override {
      Allowed = context.Deadline() - Context::Clock::now();
      ErrorDetails details{errors::DeadlineExceeded, "No connection", "Look"};
      details.NothingSent = true;
      throw Error{std::move(details)};
    }
    mtlspop::PoolStatistics PoolStatistics() const override { return {}; }
    Context::Clock::duration Allowed{};
  };
  ManagedIdentityWorld world;
  auto const transport = std::make_shared<Hurried>();
  world.Options.Transport = transport;
  EXPECT_EQ(GetManagedIdentityCapabilities(world.Options, {}).Source, ManagedIdentitySource::None);
  EXPECT_LE(transport->Allowed, seconds{1});
  // A credential asks the same first, whatever it is asked for.
  for (auto const binding : {TokenBinding::Required, TokenBinding::Preferred, TokenBinding::None}) {
    world.Drop();
    world.Options.Binding = binding;
    EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "imds_not_reachable");
    EXPECT_LE(transport->Allowed, seconds{1});
  }
  EXPECT_THAT(world.Time->Slept(), IsEmpty());
}

/// Section 9.
TEST(Capabilities, TurnedOffByTheEnvironmentIsReported) {
  ManagedIdentityWorld world;
  world.Environment["MSAL_MI_DISABLE_IMDS_V2"] = "1";
  auto const capabilities = GetManagedIdentityCapabilities(world.Options, {});
  EXPECT_EQ(capabilities.BindingSupported, BindingSupport::No);
  EXPECT_THAT(capabilities.WhyNot, HasSubstr("MSAL_MI_DISABLE_IMDS_V2"));
}

TEST(Capabilities, KeyBelowTheMinimumStrengthIsReported) {
  ManagedIdentityWorld world;
  world.Options.MinimumStrength = KeyStrength::Hardware;
  auto const capabilities = GetManagedIdentityCapabilities(world.Options, {});
  EXPECT_EQ(capabilities.BindingSupported, BindingSupport::No);
  EXPECT_THAT(capabilities.WhyNot, HasSubstr("hardware"));
}

}  // namespace
}  // namespace mtlspop::test
