// Sections 4 and 9 of the wire contract: attestation, and who asked for what.
#include <future>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attestation_cache.hpp"
#include "fake_cloud.hpp"
#include "mtlspop/credential/client_assertion_credential.hpp"
#include "mtlspop/credential/client_certificate_credential.hpp"
#include "mtlspop/credential/errors.hpp"
#include "support/error_code_of.hpp"
#include "support/event.hpp"
#include "support/secret_search.hpp"

namespace mtlspop::test {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr char const* BearerPath = "/metadata/identity/oauth2/token";

std::function<std::optional<Answer>(Arrived const&)> Fail(std::string path, Answer answer) {
  return [path, answer](Arrived const& arrived) {
    return arrived.Path.find(path) != std::string::npos ? std::make_optional(answer) : std::nullopt;
  };
}

/// Making the credential is the wish for bound tokens.
TEST(WhoAsked, NobodyMeansRequired) {
  EXPECT_EQ(ManagedIdentityCredentialOptions{}.Binding, TokenBinding::Required);
  EXPECT_EQ(ClientCertificateCredentialOptions{}.Binding, TokenBinding::Required);
  EXPECT_EQ(ClientAssertionCredentialOptions{}.Binding, TokenBinding::Required);
}

TEST(WhoAsked, NoneMeansBearerOfVersion1) {
  ManagedIdentityWorld world;
  world.Options.Binding = TokenBinding::None;
  EXPECT_EQ(world.Get().Type, TokenType::Bearer);
  EXPECT_EQ(world.Cloud->Count("/getplatformmetadata"), 0);
}

TEST(WhoAsked, EnvironmentSaysBearerOrPreferred) {
  for (std::string const value : {"true", "1", "TRUE"}) {
    EXPECT_EQ(AsEnvironmentSays([&](char const*) { return value; }), TokenBinding::Preferred) << value;
  }
  for (std::string const value : {"", "false", "0", "yes"}) {
    EXPECT_EQ(AsEnvironmentSays([&](char const*) { return value; }), TokenBinding::None) << value;
  }
  EXPECT_EQ(AsEnvironmentSays(nullptr), TokenBinding::None);
  std::string asked;
  AsEnvironmentSays([&](char const* name) { return asked = name, std::string{}; });
  EXPECT_EQ(asked, "MSAL_ENABLE_MSI_V2");
}

TEST(WhoAsked, EnvironmentHasNoSayUnasked) {
  ManagedIdentityWorld world;
  world.Options.Binding = TokenBinding::None;
  world.Environment["MSAL_ENABLE_MSI_V2"] = "true";
  EXPECT_EQ(world.Get().Type, TokenType::Bearer);
}

TEST(WhoAsked, PreferredFallsBackAndSaysSo) {
  for (auto const& answer : {JsonAnswer(json::object(), 404), JsonAnswer(json::object(), 500)}) {
    ManagedIdentityWorld world;
    world.Options.Binding = TokenBinding::Preferred;
    world.Cloud->Intercept = Fail("getplatformmetadata", answer);
    auto const token = world.Get();
    EXPECT_EQ(token.Type, TokenType::Bearer);
    EXPECT_EQ(token.Source, TokenSource::Fallback);
    EXPECT_THAT(world.Lines->Text(), HasSubstr("token.fell_back_to_bearer"));
    // Not asked again at each call.
    auto const asked = world.Cloud->Count("/getplatformmetadata");
    EXPECT_EQ(world.Get().Token, token.Token);
    EXPECT_EQ(world.Cloud->Count("/getplatformmetadata"), asked);
  }
}

TEST(WhoAsked, PreferredFindsItsWayBackToBinding) {
  ManagedIdentityWorld world;
  world.Options.Binding = TokenBinding::Preferred;
  world.Cloud->Intercept = Fail("issuecredential", JsonAnswer(json::object(), 503));
  EXPECT_EQ(world.Get().Type, TokenType::Bearer);
  world.Cloud->Intercept = nullptr;
  world.Time->Advance(6min);
  EXPECT_TRUE(Eventually([&] { return world.Get().Type == TokenType::MtlsPop; }));
  EXPECT_EQ(world.Cloud->Count("/oauth2/v2.0/token"), 1);
  EXPECT_EQ(world.Get().Type, TokenType::MtlsPop);
}

TEST(WhoAsked, PreferredFallsBackForAResourceThatCannot) {
  ManagedIdentityWorld world;
  world.Options.Binding = TokenBinding::Preferred;
  world.Cloud->Intercept = Fail("/oauth2/v2.0/token", TokenError("invalid_request", "AADSTS392196: no"));
  EXPECT_EQ(world.Get().Source, TokenSource::Fallback);
}

// Section 5: what the resource refuses a request must do without, where the caller only preferred it.
TEST(WhoAsked, PreferredGivesABearerTokenForAResourceThatTakesNoOther) {
  ManagedIdentityWorld world;
  world.Options.Binding = TokenBinding::Preferred;
  EXPECT_EQ(world.Get().Type, TokenType::MtlsPop);
  auto refused = world.Request();
  refused.Binding = TokenBinding::None;
  EXPECT_EQ(world.Get(refused).Type, TokenType::Bearer);
  EXPECT_EQ(world.Get().Type, TokenType::MtlsPop);
  refused.Binding = TokenBinding::Required;
  EXPECT_EQ(world.Get(refused).Type, TokenType::MtlsPop);
}

TEST(WhoAsked, RequiredNeverFallsBack) {
  ManagedIdentityWorld world;
  world.Options.Binding = TokenBinding::Required;
  world.Cloud->Intercept = Fail("getplatformmetadata", JsonAnswer(json::object(), 404));
  EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "mtls_pop_not_supported_in_imds_v1");
  EXPECT_EQ(world.Cloud->Count(BearerPath), 0);
}

TEST(WhoAsked, RequestMayBeStricterAndNeverLaxerThanRequired) {
  ManagedIdentityWorld world;
  world.Options.Binding = TokenBinding::Preferred;
  world.Cloud->Intercept = Fail("getplatformmetadata", JsonAnswer(json::object(), 404));
  auto stricter = world.Request();
  stricter.Binding = TokenBinding::Required;
  EXPECT_EQ(ErrorCodeOf([&] { world.Get(stricter); }), "mtls_pop_not_supported_in_imds_v1");

  ManagedIdentityWorld strict;
  auto laxer = strict.Request();
  laxer.Binding = TokenBinding::None;
  EXPECT_EQ(strict.Get(laxer).Type, TokenType::MtlsPop);
}

TEST(WhoAsked, TurnedOffMakesRequiredFailAndPreferredBearer) {
  for (std::string const value : {"true", "1"}) {
    ManagedIdentityWorld world;
    world.Environment["MSAL_MI_DISABLE_IMDS_V2"] = value;
    EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "mtls_pop_disabled");
    EXPECT_EQ(world.Cloud->Count(""), 0);

    ManagedIdentityWorld preferred;
    preferred.Options.Binding = TokenBinding::Preferred;
    preferred.Environment["MSAL_MI_DISABLE_IMDS_V2"] = value;
    EXPECT_EQ(preferred.Get().Source, TokenSource::Fallback);
    EXPECT_EQ(preferred.Cloud->Count("/getplatformmetadata"), 0);
  }
}

TEST(WhoAsked, EnvironmentIsReadOnceWhenTheCredentialIsMade) {
  ManagedIdentityWorld world;
  world.Credential();
  world.Environment["MSAL_MI_DISABLE_IMDS_V2"] = "1";
  EXPECT_EQ(world.Get().Type, TokenType::MtlsPop);
}

/// Attests with what it is told to say, and counts.
class ScriptedAttestation final : public AttestationProvider {
 public:
  bool IsAvailable() const noexcept override { return Available; }
  Secret Attest(AttestationRequest const& request, Context const&) override {
    ++Calls;
    LastEndpoint = request.Endpoint;
    LastClientId = request.ClientId;
    return Secret{Say()};
  }
  bool Available = true;
  std::atomic<int> Calls{0};
  std::string LastEndpoint;
  std::string LastClientId;
  std::function<std::string()> Say;
};

struct AttestedWorld : ManagedIdentityWorld {
  AttestedWorld() {
    Options.Attest = true;
    Options.Attestation = Provider;
    Provider->Say = [this] {
      auto const end = std::chrono::duration_cast<std::chrono::seconds>((Time->Now() + Life).time_since_epoch());
      return MakeJwt({{"exp", end.count()}, {"kind", "attestation"}});
    };
  }
  std::chrono::seconds Life = 8h;
  std::shared_ptr<ScriptedAttestation> Provider = std::make_shared<ScriptedAttestation>();
};

struct CacheWorld {
  AttestationCache Make() {
    return AttestationCache{
        {gsl::make_not_null(std::shared_ptr<AttestationProvider>{Provider}),
         gsl::make_not_null(std::shared_ptr<Clock>{Time}),
         {},
         true}};
  }
  std::shared_ptr<ManualClock> Time = std::make_shared<ManualClock>();
  std::shared_ptr<ScriptedAttestation> Provider = std::make_shared<ScriptedAttestation>();
  std::shared_ptr<BindingKey const> Key = ReadyKeys{}.GetOrCreateKey({}, {});
  std::string JwtFor(std::chrono::seconds life) const {
    return MakeJwt(
        {{"exp", std::chrono::duration_cast<std::chrono::seconds>((Time->Now() + life).time_since_epoch()).count()}});
  }
};

TEST(Attestation, JwtGoesIntoTheRequestForTheCertificate) {
  AttestedWorld world;
  auto const token = world.Get();
  EXPECT_TRUE(token.Attested);
  EXPECT_EQ(world.Provider->LastEndpoint, "https://attestation.example/");
  EXPECT_EQ(world.Provider->LastClientId, FakeCloud::ClientId);
  auto const body = json::parse(world.Cloud->All("/issuecredential").at(0).Body);
  EXPECT_THAT(body.at("attestation_token").get<std::string>(), testing::StartsWith("eyJ"));
}

TEST(Attestation, ThatFailsIsAnErrorAndNothingUnattestedIsSent) {
  for (auto const& say : std::vector<std::function<std::string()>>{
           [] { return std::string{}; }, [] { return std::string{" \n"}; },
           []() -> std::string { throw std::runtime_error("library"); },
           []() -> std::string {
             throw Error{{errors::ConnectFailed, "No", "Look"}};
           }}) {
    for (auto const binding : {TokenBinding::Required, TokenBinding::Preferred}) {
      AttestedWorld world;
      world.Options.Binding = binding;
      world.Provider->Say = say;
      EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "attestation_failed");
      EXPECT_EQ(world.Cloud->Count("/issuecredential"), 0);
      EXPECT_EQ(world.Cloud->Count(BearerPath), 0);
    }
  }
}

TEST(Attestation, FailureKeepsItsCause) {
  AttestedWorld world;
  world.Provider->Say = []() -> std::string { throw std::runtime_error("the library is not there"); };
  try {
    world.Get();
    FAIL();
  } catch (Error const& error) {
    EXPECT_EQ(error.Code(), errors::AttestationFailed);
    EXPECT_THAT(DescribeWithCauses(error), HasSubstr("the library is not there"));
  }
}

TEST(Attestation, CancellationIsNoFailureOfIt) {
  CacheWorld world;
  world.Provider->Say = []() -> std::string { throw Error{{errors::Cancelled, "Cancelled", "Nothing"}}; };
  auto cache = world.Make();
  EXPECT_EQ(ErrorCodeOf([&] { cache.Attest({"https://a.example", "client", world.Key}, {}); }), "cancelled");
}

TEST(AttestationCache, KeysAreKeptApart) {
  CacheWorld world;
  world.Provider->Say = [&] { return world.JwtFor(8h); };
  auto cache = world.Make();
  ReadyKeys keys;
  cache.Attest({"https://a.example", "client", keys.GetOrCreateKey({}, {}).get()}, {});
  cache.Attest({"https://a.example", "client", keys.GetOrCreateKey({}, {}).get()}, {});
  EXPECT_EQ(world.Provider->Calls, 2);
}

TEST(Attestation, WithoutAnyProviderFailsAtOnceBeforeAnyRequest) {
  AttestedWorld world;
  world.Options.Attestation = nullptr;
  EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "attestation_failed");
  EXPECT_EQ(world.Cloud->Count(""), 0);
  AttestedWorld unavailable;
  unavailable.Provider->Available = false;
  EXPECT_EQ(ErrorCodeOf([&] { unavailable.Get(); }), "attestation_failed");
  EXPECT_EQ(unavailable.Cloud->Count(""), 0);
}

TEST(Attestation, WithoutBindingIsItsOwnError) {
  AttestedWorld world;
  world.Options.Binding = TokenBinding::None;
  EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "attestation_requires_pop");
  EXPECT_EQ(world.Cloud->Count(""), 0);
}

TEST(Attestation, JwtServesRotationsUntilItIsTooOld) {
  AttestedWorld world;
  world.Life = 9h;
  auto const first = world.Get();
  world.Time->Advance(4h + 1s);
  EXPECT_TRUE(Eventually([&] { return world.Get().Token != first.Token; }));
  EXPECT_EQ(world.Provider->Calls, 1);
  auto const second = world.Get();
  world.Time->Advance(4h + 10min);
  EXPECT_TRUE(Eventually([&] { return world.Get().Token != second.Token; }));
  EXPECT_EQ(world.Provider->Calls, 2);
}

TEST(Attestation, EnvironmentTurnsTheCacheOff) {
  AttestedWorld world;
  world.Environment["MSAL_MSI_V2_ATTESTATION_CACHE"] = "0";
  auto const first = world.Get();
  world.Time->Advance(4h + 1s);
  EXPECT_TRUE(Eventually([&] { return world.Get().Token != first.Token; }));
  EXPECT_EQ(world.Provider->Calls, 2);
}

TEST(Attestation, AttestedAndUnattestedShareNoBinding) {
  AttestedWorld world;
  world.Options.Store = MakeMemoryBindingStore().get();
  auto const attested = world.Get();
  world.Options.Attest = false;
  world.Drop();
  auto const unattested = world.Get();
  EXPECT_FALSE(unattested.Attested);
  EXPECT_NE(unattested.Binding->X5tS256(), attested.Binding->X5tS256());
}

/// Less than five minutes or a tenth of its life, whichever comes first.
TEST(AttestationCache, RenewsAtTheContractsTime) {
  struct Row {
    std::chrono::seconds Life;
    std::chrono::seconds Good;
  };
  for (auto const& row : {Row{10h, 9h}, Row{20min, 15min}}) {
    CacheWorld world;
    world.Provider->Say = [&] { return world.JwtFor(row.Life); };
    auto cache = world.Make();
    AttestationRequest const request{"https://a.example", "client", world.Key};
    cache.Attest(request, {});
    world.Time->Advance(row.Good - 5s);
    cache.Attest(request, {});
    EXPECT_EQ(world.Provider->Calls, 1);
    world.Time->Advance(10s);
    cache.Attest(request, {});
    EXPECT_EQ(world.Provider->Calls, 2);
  }
}

TEST(AttestationCache, EndpointCountsInLowerCaseWithoutTrailingSlash) {
  CacheWorld world;
  world.Provider->Say = [&] { return world.JwtFor(8h); };
  auto cache = world.Make();
  cache.Attest({"https://Shared.Attest.example/", "client", world.Key}, {});
  cache.Attest({"https://shared.attest.example", "client", world.Key}, {});
  EXPECT_EQ(world.Provider->Calls, 1);
  cache.Attest({"https://other.attest.example", "client", world.Key}, {});
  EXPECT_EQ(world.Provider->Calls, 2);
}

TEST(AttestationCache, JwtThatDoesNotSayWhenItEndsIsNotKept) {
  CacheWorld world;
  world.Provider->Say = [] { return MakeJwt({{"a", 1}}); };
  auto cache = world.Make();
  AttestationRequest const request{"https://a.example", "client", world.Key};
  cache.Attest(request, {});
  cache.Attest(request, {});
  EXPECT_EQ(world.Provider->Calls, 2);
}

TEST(AttestationCache, OneCallInFlightPerKey) {
  CacheWorld world;
  Event release;
  world.Provider->Say = [&] {
    EXPECT_TRUE(release.Wait());
    return world.JwtFor(8h);
  };
  auto cache = world.Make();
  std::vector<std::future<Secret>> calls;
  for (int i = 0; i < 8; ++i) {
    calls.push_back(std::async(std::launch::async, [&] {
      return cache.Attest({"https://a.example", "client", world.Key}, {});
    }));
  }
  release.Set();
  for (auto& call : calls) EXPECT_FALSE(call.get().Empty());
  EXPECT_EQ(world.Provider->Calls, 1);
}

/// Never a token, JWT, key or certificate request in what is written, at the most talkative level, with everything on and
/// everything failing at some point.
TEST(Secrets, NothingThatWentOverTheWireIsInLogsOrExceptions) {
  AttestedWorld world;
  world.Options.ClientCapabilities = {"cp1"};
  std::mutex mutex;
  std::vector<std::string> secrets;
  // A library of somebody else's may say anything in its exceptions.
  world.Provider->Say = [&, jwt = world.Provider->Say] {
    auto const secret = jwt();
    std::lock_guard<std::mutex> const lock{mutex};
    secrets.push_back(secret);
    if (secrets.size() == 1) throw std::runtime_error("bad token " + secret);
    return secret;
  };
  std::atomic<int> calls{0};
  auto const cloud = world.Cloud.get();
  world.Cloud->Intercept = [&](Arrived const& arrived) -> std::optional<Answer> {
    auto answer = cloud->DefaultAnswer(arrived);
    std::lock_guard<std::mutex> const lock{mutex};
    auto const body = json::parse(arrived.Body, nullptr, false);
    for (char const* const name : {"csr", "attestation_token"}) {
      if (body.is_object() && body.contains(name)) secrets.push_back(body.at(name));
    }
    auto const said = json::parse(answer.Body, nullptr, false);
    if (said.is_object() && said.contains("access_token")) secrets.push_back(said.at("access_token"));
    // Every other answer fails, and repeats in its text what it was sent and should not say.
    if (calls++ % 2 == 1) return std::nullopt;
    auto const secret = secrets.empty() ? std::string{} : secrets.back();
    return TokenError("invalid_client", "AADSTS700027: bad " + secret + " and " + arrived.Body, 400);
  };
  std::string written;
  AccessToken token;
  for (int round = 0; round < 12; ++round) {
    try {
      token = world.GetInsteadOf(token, RefusalReason::TokenRejected);
      secrets.emplace_back(token.Token.Reveal());
    } catch (Error const& error) {
      written += DescribeWithCauses(error) + "\n";
    }
  }
  written += world.Lines->Text();
  ASSERT_GT(secrets.size(), 8U);
  EXPECT_THAT(written, HasSubstr("AADSTS700027"));
  EXPECT_THAT(written, HasSubstr("attestation_failed"));
  SecretSearch search;
  for (auto const& secret : secrets) search.Add("secret", secret);
  EXPECT_THAT(search.KindsIn(written), testing::IsEmpty());
  EXPECT_THAT(search.KindsIn(secrets.back()), testing::SizeIs(1));
}

}  // namespace
}  // namespace mtlspop::test
