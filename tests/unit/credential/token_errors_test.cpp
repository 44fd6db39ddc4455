// Section 5 of the wire contract: what the token service says since late 2026, and what it is told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_cloud.hpp"
#include "mtlspop/credential/client_certificate_credential.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/transport/openssl.hpp"
#include "mtlspop/version.hpp"
#include "support/either_way.hpp"
#include "support/error_code_of.hpp"
#include "support/test_certificate_authority.hpp"

namespace mtlspop::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::HasSubstr;

constexpr char const* TokenPath = "/oauth2/v2.0/token";
constexpr char const* BearerPath = "/metadata/identity/oauth2/token";

Answer ErrorWithCodes(json const& codes, int status = 400) {
  return JsonAnswer(
      {{"error", "invalid_request"}, {"error_description", "AADSTS3921996: Not here."}, {"error_codes", codes}},
      status);
}

void AnswerBound(FakeCloud& cloud, Answer answer) {
  cloud.Intercept = [answer](Arrived const& arrived) -> std::optional<Answer> {
    auto const type = arrived.Form.find("token_type");
    if (type == arrived.Form.end() || type->second != "mtls_pop") return std::nullopt;
    return answer;
  };
}

TEST(TenantNotEligible, IsMatchedByTheOnlyNumber) {
  struct Row {
    json Codes;
    std::string Code;
  };
  for (auto const& row :
       {Row{{3921996}, "tenant_not_eligible_for_bound_tokens"}, Row{{3921996, 50000}, "token_request_refused"},
        Row{{50000, 3921996}, "token_request_refused"}, Row{json::array(), "token_request_refused"},
        Row{{"3921996"}, "token_request_refused"}}) {
    ManagedIdentityWorld world;
    AnswerBound(*world.Cloud, ErrorWithCodes(row.Codes));
    EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), row.Code) << row.Codes;
    EXPECT_EQ(world.Cloud->Count(TokenPath), 1);
  }
}

TEST(TenantNotEligible, RequiredFailsWithIt) {
  ManagedIdentityWorld world;
  AnswerBound(*world.Cloud, ErrorWithCodes({3921996}));
  EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "tenant_not_eligible_for_bound_tokens");
  EXPECT_EQ(world.Cloud->Count(BearerPath), 0);
  // It is asked again each time: somebody may have the feature enabled just now.
  world.Cloud->Intercept = nullptr;
  EXPECT_EQ(world.Get().Type, TokenType::MtlsPop);
}

TEST(TenantNotEligible, PreferredFallsBackAndRemembersTheTenant) {
  ManagedIdentityWorld world;
  world.Options.Binding = TokenBinding::Preferred;
  world.Options.BearerOverMtls = false;
  world.Options.AdditionallyAllowedTenants = {"other"};
  AnswerBound(*world.Cloud, ErrorWithCodes({3921996}));
  EXPECT_EQ(world.Get().Source, TokenSource::Fallback);
  // Another resource, and the token service is not asked again.
  EXPECT_EQ(world.Get(world.Request("https://storage.azure.com/.default")).Source, TokenSource::Fallback);
  EXPECT_EQ(world.Cloud->Count(TokenPath), 1);
  // Another tenant is another matter.
  auto other = world.Request();
  other.TenantId = "other";
  EXPECT_EQ(world.Get(other).Source, TokenSource::Fallback);
  EXPECT_EQ(world.Cloud->Count(TokenPath), 2);
  // Later it is asked again.
  world.Cloud->Intercept = nullptr;
  world.Time->Advance(1h);
  EXPECT_EQ(world.Get(world.Request("https://management.azure.com/.default")).Type, TokenType::MtlsPop);
}

TEST(TenantNotEligible, IsBelievedUpToAQuarterLongerAtRandom) {
  ManagedIdentityWorld world;
  world.Options.Binding = TokenBinding::Preferred;
  world.Options.BearerOverMtls = false;
  world.Options.Random = [] { return 0.5; };
  AnswerBound(*world.Cloud, ErrorWithCodes({3921996}));
  EXPECT_EQ(world.Get().Source, TokenSource::Fallback);
  world.Cloud->Intercept = nullptr;
  world.Time->Advance(67min);
  EXPECT_EQ(world.Get(world.Request("https://storage.azure.com/.default")).Source, TokenSource::Fallback);
  EXPECT_EQ(world.Cloud->Count(TokenPath), 1);
  world.Time->Advance(30s);
  EXPECT_EQ(world.Get(world.Request("https://management.azure.com/.default")).Type, TokenType::MtlsPop);
}

TEST(TenantNotEligible, PreferredFallsBackWithACertificateOfOnesOwn) {
  TestCertificateAuthority authority;
  auto const time = std::make_shared<ManualClock>();
  auto const cloud = std::make_shared<FakeCloud>(time);
  auto const certificate = authority.IssueForClient("app", KeyKind::Rsa2048);
  ClientCertificateCredentialOptions options;
  options.TenantId = "t";
  options.ClientId = "app";
  options.Certificate = ToBinding(certificate);
  options.Binding = TokenBinding::Preferred;
  options.Transport = cloud;
  options.Time = std::shared_ptr<Clock>{time};
  AnswerBound(*cloud, ErrorWithCodes({3921996}));
  ClientCertificateCredential credential{options};
  EXPECT_EQ(GetEitherWay(credential, ManagedIdentityWorld::Request(), {}).Source, TokenSource::Fallback);
  EXPECT_EQ(
      GetEitherWay(credential, ManagedIdentityWorld::Request("https://b/.default"), {}).Source, TokenSource::Fallback);
  EXPECT_EQ(cloud->Count(TokenPath), 3);
}

class CountingAttestation final : public AttestationProvider {
 public:
  bool IsAvailable() const noexcept override { return true; }
  Secret Attest(AttestationRequest const&, Context const&) override {
    auto const end = std::chrono::system_clock::now() + 8h;
    auto const seconds = std::chrono::duration_cast<std::chrono::seconds>(end.time_since_epoch()).count();
    return Secret{MakeJwt({{"exp", seconds}, {"n", ++Calls}})};
  }
  std::atomic<int> Calls{0};
};

/// One that gives the same key whatever is asked for, so that an attestation that is kept would be used again.
class OneKey final : public KeyProvider {
 public:
  KeyStrength HighestStrength() const noexcept override { return KeyStrength::KeyGuard; }
  gsl::not_null<std::shared_ptr<BindingKey const>> GetOrCreateKey(KeyRequest const&, Context const&) override {
    return key_;
  }

 private:
  gsl::not_null<std::shared_ptr<BindingKey const>> key_ = ReadyKeys{KeyStrength::KeyGuard}.GetOrCreateKey({}, {});
};

TEST(RefusedAttestation, IsMadeAnewWithTheBindingOnce) {
  for (std::string const code : {"AADSTS1000610", "AADSTS1000611", "AADSTS1000612", "AADSTS1000613", "AADSTS1000614"}) {
    for (int const failures : {1, 9}) {
      ManagedIdentityWorld world;
      auto const attestation = std::make_shared<CountingAttestation>();
      world.Options.Attest = true;
      world.Options.Attestation = attestation;
      world.Options.Keys = std::make_shared<OneKey>();
      auto const left = std::make_shared<std::atomic<int>>(failures);
      world.Cloud->Intercept = [left, code](Arrived const& arrived) -> std::optional<Answer> {
        if (arrived.Path.find(TokenPath) == std::string::npos || (*left)-- <= 0) return std::nullopt;
        return TokenError("invalid_client", code + ": the attestation was refused", 401);
      };
      if (failures == 1) {
        EXPECT_EQ(world.Get().Type, TokenType::MtlsPop);
      } else {
        EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "binding_rejected");
      }
      EXPECT_EQ(attestation->Calls, 2) << code;
      EXPECT_EQ(world.Cloud->Count("/issuecredential"), 2);
      EXPECT_EQ(world.Cloud->Count(TokenPath), 2);
    }
  }
}

/// The numbers on either side: the client was refused, and its attestation was not.
TEST(RefusedAttestation, IsNotMeantByOtherNumbers) {
  for (std::string const code : {"AADSTS1000609", "AADSTS1000615", "AADSTS10006100", "AADSTS100061"}) {
    for (std::string const error : {"invalid_client", "invalid_request"}) {
      ManagedIdentityWorld world;
      auto const attestation = std::make_shared<CountingAttestation>();
      world.Options.Attest = true;
      world.Options.Attestation = attestation;
      world.Options.Keys = std::make_shared<OneKey>();
      world.Cloud->Intercept = [&](Arrived const& arrived) -> std::optional<Answer> {
        if (arrived.Path.find(TokenPath) == std::string::npos) return std::nullopt;
        return TokenError(error, code + ": refused for another reason", 401);
      };
      auto const isClient = error == "invalid_client";
      EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), isClient ? "binding_rejected" : "token_request_refused") << code;
      EXPECT_EQ(attestation->Calls, 1) << code;
      EXPECT_EQ(world.Cloud->Count("/issuecredential"), isClient ? 2 : 1) << code;
    }
  }
}

TEST(BadBinding, HandshakeThatEndsRawIsOne) {
  for (auto const code : {errors::TlsHandshakeFailed, errors::ConnectionLost}) {
    ManagedIdentityWorld world;
    std::atomic<int> calls{0};
    world.Cloud->Intercept = [&](Arrived const& arrived) -> std::optional<Answer> {
      if (arrived.Path.find(TokenPath) == std::string::npos || calls++ > 0) return std::nullopt;
      ErrorDetails details{code, "The connection was lost during the TLS handshake", "Look"};
      details.NothingSent = true;
      details.Transient = true;
      throw Error{details};
    };
    EXPECT_EQ(world.Get().Type, TokenType::MtlsPop);
    EXPECT_EQ(world.Cloud->Count("/issuecredential"), 2);
    EXPECT_EQ(world.Cloud->Count(TokenPath), 2);
  }
}

TEST(AttackTokenServiceErrors, WithoutAnAadstsCodeSomethingElseSeemsToAnswer) {
  struct Row {
    Answer Said;
    std::string Shows;
  };
  for (auto const& row :
       {Row{{400, "<html><title>400 No required SSL certificate was sent</title></html>", {{"Server", "nginx"}}},
            "400 No required SSL certificate was sent"},
        Row{{403, "Blocked by policy 17", {}}, "Blocked by policy 17"},
        Row{JsonAnswer({{"error", {{"code", "AuthFailed"}, {"message", "Ask the gateway"}}}}, 400),
            "AuthFailed, Ask the gateway"}}) {
    ManagedIdentityWorld world;
    AnswerBound(*world.Cloud, row.Said);
    auto const error = ErrorOf([&] { world.Get(); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->Code(), errors::TokenRequestRefused);
    EXPECT_THAT(error->what(), HasSubstr(row.Shows));
    EXPECT_THAT(error->what(), HasSubstr("something else than the token service seems to answer"));
  }
}

TEST(ClientHeaders, GoToTheTokenServiceAndInPartToImdsV1) {
  ManagedIdentityWorld world;
  world.Get();
  auto const fields = world.Cloud->All(TokenPath).at(0).Fields;
  EXPECT_EQ(fields.Get("x-client-SKU"), "mtlspop");
  EXPECT_EQ(fields.Get("x-client-Ver"), Version);
  EXPECT_EQ(fields.Get("x-client-OS"), "Linux");
  EXPECT_EQ(fields.Get("x-ms-lib-capability"), "retry-after");
  EXPECT_EQ(fields.Get("client-request-id").size(), 36U);

  ManagedIdentityWorld bearer;
  bearer.Options.Binding = TokenBinding::None;
  bearer.Get();
  auto const plain = bearer.Cloud->All(BearerPath).at(0).Fields;
  EXPECT_EQ(plain.Get("x-client-SKU"), "mtlspop");
  EXPECT_EQ(plain.Get("x-client-Ver"), Version);
  EXPECT_FALSE(plain.Contains("x-client-OS"));
}

TEST(Version, IsTheProjects) {
  auto const expected = std::to_string(MTLSPOP_VERSION_MAJOR) + "." + std::to_string(MTLSPOP_VERSION_MINOR) + "." +
                        std::to_string(MTLSPOP_VERSION_PATCH);
  EXPECT_EQ(std::string{Version}, expected);
}

}  // namespace
}  // namespace mtlspop::test
