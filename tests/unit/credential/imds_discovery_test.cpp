// Section 2 of the wire contract: which version is there, if any, and what a lost connection means.
#include <atomic>
#include <chrono>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_cloud.hpp"
#include "mtlspop/credential/errors.hpp"
#include "support/error_code_of.hpp"

namespace mtlspop::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// Answers probes, and nothing else.
Interceptor::Function AnswerProbes(Answer answer) {
  return [answer](Arrived const& arrived) { return IsProbe(arrived) ? std::make_optional(answer) : std::nullopt; };
}

Error Transport(ErrorCode code) {
  ErrorDetails details{code, "It failed", "Look"};
  details.Transient = true;
  return Error{std::move(details)};
}

/// Whatever is asked fails so, the first `count` times.
Interceptor::Function FailWith(ErrorCode code, int count) {
  auto const left = std::make_shared<std::atomic<int>>(count);
  return [code, left](Arrived const&) -> std::optional<Answer> {
    if ((*left)-- > 0) throw Transport(code);
    return std::nullopt;
  };
}

TEST(ImdsDiscovery, IsOneRequestWithoutTheHeaderForTheProcess) {
  ManagedIdentityWorld world;
  std::atomic<bool> hasHeader{true};
  std::atomic<bool> isProxied{true};
  world.Cloud->Intercept = [&](Arrived const& arrived) -> std::optional<Answer> {
    if (!IsProbe(arrived)) return std::nullopt;
    hasHeader = arrived.Fields.Contains("Metadata");
    isProxied = !arrived.NeverProxied;
    return std::nullopt;
  };
  world.Get();
  world.Get(ManagedIdentityWorld::Request("https://storage.azure.com/.default"));
  ManagedIdentityCredential{world.Options}.GetToken(world.Request(), {});
  GetManagedIdentityCapabilities(world.Options, {});
  EXPECT_EQ(world.Cloud->Probes(), 1);
  EXPECT_FALSE(hasHeader);
  EXPECT_FALSE(isProxied);
  // What answers at another address is another service.
  world.Options.ImdsEndpoint = "http://127.0.0.1:4711";
  ManagedIdentityCredential{world.Options}.GetToken(world.Request(), {});
  EXPECT_EQ(world.Cloud->Probes(), 2);
}

TEST(ImdsDiscovery, EachAnswerHasItsMeaning) {
  std::vector<Headers::Field> const imds{{"Server", "IMDS/150"}};
  struct Row {
    Answer Said;
    ManagedIdentitySource Source;
    std::string WhyNot;
  };
  std::string const page = "<html><head><title>Please log in</title></head></html>";
  for (auto const& row :
       {Row{{400, "{}", imds}, ManagedIdentitySource::ImdsV2, ""},
        Row{{400, R"({"error":"invalid_request"})", {}}, ManagedIdentitySource::ImdsV2, ""},
        Row{{404, "{}", imds}, ManagedIdentitySource::ImdsV1, "version 1"},
        Row{{404, "404 page not found", {}}, ManagedIdentitySource::ImdsV1, "version 1"},
        Row{{429, "{}", imds}, ManagedIdentitySource::ImdsV1, "too busy"},
        Row{{503, "{}", imds}, ManagedIdentitySource::ImdsV1, "too busy"},
        Row{{403, "{}", imds}, ManagedIdentitySource::ImdsV1, "status 403"},
        Row{{200, page, {}}, ManagedIdentitySource::None, "a page for people"},
        Row{{404, page, {}}, ManagedIdentitySource::None, "Please log in"},
        Row{{503, page, {}}, ManagedIdentitySource::None, "Please log in"},
        Row{{400, "bad request", {}}, ManagedIdentitySource::None, "bad request"},
        Row{{302, "", {{"Location", "https://elsewhere.example/"}}}, ManagedIdentitySource::None, "status 302"}}) {
    ManagedIdentityWorld world;
    world.Cloud->Intercept = AnswerProbes(row.Said);
    auto const found = GetManagedIdentityCapabilities(world.Options, {});
    EXPECT_EQ(found.Source, row.Source) << row.Said.Status << " " << row.Said.Body;
    EXPECT_THAT(found.WhyNot, HasSubstr(row.WhyNot));
    EXPECT_EQ(found.BindingSupported, row.WhyNot.empty());
    EXPECT_EQ(world.Cloud->Probes(), 1);
  }
}

/// Silence, refusal and loss are told apart, with the address, the step, and who named the address.
TEST(ImdsDiscovery, EachFailureHasItsSentence) {
  struct Row {
    ErrorCode Failure;
    std::string Code;
    std::string Says;
  };
  for (auto const& row :
       {Row{errors::DeadlineExceeded, "imds_not_reachable", "Nobody answers"},
        Row{errors::ConnectFailed, "imds_not_reachable", "Nobody answers"},
        Row{errors::NameResolutionFailed, "imds_not_reachable", "Nobody answers"},
        Row{errors::ConnectionLost, "imds_unavailable", "took the connection"}}) {
    for (auto const binding : {TokenBinding::Required, TokenBinding::Preferred, TokenBinding::None}) {
      ManagedIdentityWorld world;
      world.Options.Binding = binding;
      world.Environment["AZURE_POD_IDENTITY_AUTHORITY_HOST"] = "http://10.0.0.1:4711";
      world.Cloud->Intercept = FailWith(row.Failure, 1000);
      auto const error = ErrorOf([&] { world.Get(); });
      ASSERT_TRUE(error);
      EXPECT_EQ(error->Code().Name(), row.Code);
      EXPECT_THAT(error->what(), HasSubstr(row.Says));
      EXPECT_THAT(error->what(), HasSubstr("http://10.0.0.1:4711"));
      EXPECT_THAT(error->what(), HasSubstr("probe"));
      EXPECT_THAT(error->what(), HasSubstr("environment variable AZURE_POD_IDENTITY_AUTHORITY_HOST"));
      EXPECT_EQ(error->Details().CorrelationId.size(), 36U);
      EXPECT_GE(error->Details().Attempts, 1);
    }
  }
}

TEST(ImdsDiscovery, SilenceIsFinalAtOnce) {
  ManagedIdentityWorld world;
  world.Options.Binding = TokenBinding::Preferred;
  world.Cloud->Intercept = FailWith(errors::DeadlineExceeded, 1000);
  EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "imds_not_reachable");
  EXPECT_EQ(world.Cloud->Probes(), 1);
  EXPECT_THAT(world.Time->Slept(), IsEmpty());
}

TEST(ImdsDiscovery, NoKeyIsMadeWhereNoCertificateCanBeHad) {
  ManagedIdentityWorld version1;
  version1.Cloud->Intercept = AnswerProbes(JsonAnswer(json::object(), 404));
  EXPECT_EQ(ErrorCodeOf([&] { version1.Get(); }), "mtls_pop_not_supported_in_imds_v1");
  EXPECT_EQ(version1.Keys->Made(), 0);
  ManagedIdentityWorld nobody;
  nobody.Cloud->Intercept = FailWith(errors::ConnectFailed, 1000);
  EXPECT_EQ(ErrorCodeOf([&] { nobody.Get(); }), "imds_not_reachable");
  EXPECT_EQ(nobody.Keys->Made(), 0);
}

TEST(ImdsDiscovery, ConnectionThatIsLostIsTriedAgain) {
  ManagedIdentityWorld world;
  world.Cloud->Intercept = FailWith(errors::ConnectionLost, 2);
  EXPECT_EQ(world.Get().Type, TokenType::MtlsPop);
  EXPECT_EQ(world.Cloud->Probes(), 3);
  EXPECT_THAT(world.Time->Slept(), ElementsAre(1s, 2s));
}

TEST(ImdsDiscovery, IsAskedAgainAfterAFailure) {
  ManagedIdentityWorld world;
  world.Cloud->Intercept = FailWith(errors::ConnectFailed, 1);
  EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "imds_not_reachable");
  EXPECT_EQ(world.Get().Type, TokenType::MtlsPop);
  EXPECT_EQ(world.Cloud->Probes(), 2);
}

TEST(ImdsDiscovery, Version1IsAskedAgainAfterAnHour) {
  ManagedIdentityWorld world;
  world.Cloud->Intercept = AnswerProbes(JsonAnswer(json::object(), 404));
  EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "mtls_pop_not_supported_in_imds_v1");
  EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "mtls_pop_not_supported_in_imds_v1");
  EXPECT_EQ(world.Cloud->Probes(), 1);
  world.Cloud->Intercept = nullptr;
  world.Time->Advance(1h);
  EXPECT_EQ(world.Get().Type, TokenType::MtlsPop);
}

/// Machines that were started together do not ask together again.
TEST(ImdsDiscovery, Version1IsBelievedUpToAQuarterLongerAtRandom) {
  ManagedIdentityWorld world;
  world.Options.Random = [] { return 0.5; };
  world.Cloud->Intercept = AnswerProbes(JsonAnswer(json::object(), 404));
  EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "mtls_pop_not_supported_in_imds_v1");
  world.Cloud->Intercept = nullptr;
  world.Time->Advance(67min);
  EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "mtls_pop_not_supported_in_imds_v1");
  EXPECT_EQ(world.Cloud->Probes(), 1);
  world.Time->Advance(30s);
  EXPECT_EQ(world.Get().Type, TokenType::MtlsPop);
}

/// Of the real clock: the budget is a time limit of the context.
TEST(ImdsDiscovery, BudgetCoversAllOfIt) {
  ManagedIdentityWorld world;
  world.Options.Time = SystemClock();
  world.Options.CapabilityDiscoveryTimeout = 50ms;
  world.Cloud->Intercept = FailWith(errors::ConnectionLost, 1000);
  auto const begun = std::chrono::steady_clock::now();
  auto const error = ErrorOf([&] { world.Get(); });
  ASSERT_TRUE(error);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 1s);
  EXPECT_THAT(error->what(), HasSubstr("took the connection"));
}

TEST(AttackImdsRetries, OneLostConnectionIsNotTheEnd) {
  for (std::string const path : {"getplatformmetadata", "issuecredential"}) {
    ManagedIdentityWorld world;
    std::atomic<int> calls{0};
    world.Cloud->Intercept = [&](Arrived const& arrived) -> std::optional<Answer> {
      if (IsProbe(arrived) || arrived.Path.find(path) == std::string::npos || calls++ > 0) return std::nullopt;
      throw Transport(errors::ConnectionLost);
    };
    EXPECT_EQ(world.Get().Type, TokenType::MtlsPop);
    EXPECT_THAT(world.Time->Slept(), ElementsAre(1s)) << path;
  }
}

TEST(AttackImdsRetries, LostConnectionsEndWithASentenceOfTheirOwn) {
  ManagedIdentityWorld world;
  world.Cloud->Intercept = [](Arrived const& arrived) -> std::optional<Answer> {
    if (IsProbe(arrived)) return std::nullopt;
    throw Transport(errors::ConnectionLost);
  };
  auto const error = ErrorOf([&] { world.Get(); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code(), errors::ImdsUnavailable);
  EXPECT_TRUE(error->Details().Transient);
  EXPECT_EQ(error->Details().Attempts, 4);
  EXPECT_THAT(error->what(), HasSubstr("took the connection for get_platform_metadata"));
  EXPECT_THAT(error->what(), HasSubstr("the default address"));
  EXPECT_THAT(world.Time->Slept(), ElementsAre(1s, 2s, 4s));
}

TEST(Capabilities, StrengthThatWasRefusedIsNeverCalledSupported) {
  ManagedIdentityWorld world;
  EXPECT_TRUE(GetManagedIdentityCapabilities(world.Options, {}).BindingSupported);
  world.Cloud->Intercept = [](Arrived const& arrived) -> std::optional<Answer> {
    if (arrived.Path.find("issuecredential") == std::string::npos) return std::nullopt;
    return TokenError("invalid_request", "not a KeyGuard key");
  };
  EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "mtls_pop_requires_keyguard");
  auto const found = GetManagedIdentityCapabilities(world.Options, {});
  EXPECT_FALSE(found.BindingSupported);
  EXPECT_THAT(found.WhyNot, HasSubstr("has refused a key of strength software"));
  // A better one may do.
  auto options = world.Options;
  options.Keys = std::make_shared<ReadyKeys>(KeyStrength::KeyGuard);
  EXPECT_TRUE(GetManagedIdentityCapabilities(options, {}).BindingSupported);
  // The service has changed its mind.
  world.Cloud->Intercept = nullptr;
  world.Get();
  EXPECT_TRUE(GetManagedIdentityCapabilities(world.Options, {}).BindingSupported);
}

}  // namespace
}  // namespace mtlspop::test
