// Section 5 of the wire contract, "the binding is no longer good": what is refused goes from every cache, and who refuses
// without end has nobody ask for certificates without end.
#include <atomic>
#include <functional>
#include <future>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "binding_life.hpp"
#include "cached_tokens.hpp"
#include "fake_cloud.hpp"
#include "mtlspop/credential/client_assertion_credential.hpp"
#include "mtlspop/credential/client_certificate_credential.hpp"
#include "mtlspop/credential/errors.hpp"
#include "support/either_way.hpp"
#include "support/error_code_of.hpp"
#include "support/event.hpp"
#include "support/temporary_directory.hpp"
#include "support/test_certificate_authority.hpp"

namespace mtlspop::test {
namespace {

using namespace std::chrono_literals;

constexpr char const* TokenPath = "/oauth2/v2.0/token";

/// Calls a function when it is asked for the time.
class TellTaleClock final : public Clock {
 public:
  SystemTime Now() const override {
    if (auto const function = std::exchange(OnNow, nullptr)) function();
    return std::chrono::system_clock::now();
  }
  SteadyTime SteadyNow() const override { return std::chrono::steady_clock::now(); }
  void Sleep(std::chrono::nanoseconds, Context const&) override {}

  mutable std::function<void()> OnNow;
};

/// Section 8: no token comes back with a binding that does not live. The refusal arrives at the one moment between the
/// look at what is refused and the way into the cache, where the cache asks for the time.
TEST(RefusedBinding, LeavesNoTokenThatIsJustBeingCached) {
  ManagedIdentityWorld world;
  auto const bound = world.Get();
  auto const clock = std::make_shared<TellTaleClock>();
  std::atomic<int> fetched{0};
  std::function<void()> refuse;
  TokenCache cache{[] { return 0.0; }};
  BindingLife life{
      {BindingSupply::Renewable, *clock, SystemRandomNumbers(), EventSink{}, [](std::string const&) {}}, cache};
  CachedTokens tokens{
      std::shared_ptr<Clock>{clock}, EventSink{}, cache, life, [&](auto const&, auto, bool, auto const&) {
        if (fetched++ == 0) clock->OnNow = refuse;
        return bound;
      }};
  refuse = [&] { life.Hear(bound, RefusalReason::BindingNoLongerGood); };

  tokens.Get(ManagedIdentityWorld::Request(), TokenRoute::Bound, {});

  ASSERT_TRUE(life.IsRefused(bound.Binding->X5tS256()));
  AccessToken found;
  EXPECT_FALSE(tokens.TryGet(ManagedIdentityWorld::Request(), TokenRoute::Bound, found));
}

/// A resource that says of every binding that it is no longer good.
TEST(RefusedBinding, ResourceThatRefusesEachCostsOneCertificateInAWhile) {
  ManagedIdentityWorld world;
  auto token = world.Get();
  auto const other = world.Get(ManagedIdentityWorld::Request("https://storage.azure.com/.default"));
  ASSERT_EQ(world.Cloud->Count("/issuecredential"), 1);
  token = world.GetInsteadOf(token);
  ASSERT_EQ(world.Cloud->Count("/issuecredential"), 2);

  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(world.GetInsteadOf(world.Get()).Token, token.Token);
    world.Time->Advance(5s);
  }

  EXPECT_EQ(world.Cloud->Count("/issuecredential"), 2);
  EXPECT_EQ(world.Cloud->Count(TokenPath), 3);
  // What others have stays.
  EXPECT_EQ(world.Get().Token, token.Token);
  EXPECT_THAT(world.Cloud->Dropped(), testing::SizeIs(1));
  EXPECT_THAT(world.Lines->Text(), testing::HasSubstr("binding.refused_again"));
}

TEST(RefusedBinding, IsReplacedAgainAfterAWhile) {
  ManagedIdentityWorld world;
  auto const second = world.GetInsteadOf(world.Get());
  EXPECT_EQ(world.GetInsteadOf(second).Token, second.Token);
  world.Time->Advance(BindingLife::Interval);
  EXPECT_NE(world.GetInsteadOf(second).Binding->X5tS256(), second.Binding->X5tS256());
}

/// Many requests were under way with the old certificate, and all come back refused, some of them late.
TEST(RefusedBinding, RefusalsOfTheOneBeforeAreNoNewOnes) {
  ManagedIdentityWorld world;
  auto const first = world.Get();
  std::vector<std::future<AccessToken>> calls;
  for (int i = 0; i < 16; ++i) {
    calls.push_back(std::async(std::launch::async, [&] { return world.GetInsteadOf(first); }));
  }
  for (auto& call : calls) EXPECT_NE(call.get().Binding->X5tS256(), first.Binding->X5tS256());
  world.Time->Advance(1min);
  EXPECT_NE(world.GetInsteadOf(first).Binding->X5tS256(), first.Binding->X5tS256());
  EXPECT_EQ(world.Cloud->Count("/issuecredential"), 2);
}

/// The rule that bindings heal by themselves holds for the token service as often as it helps.
TEST(RefusedBinding, TokenServiceMayHaveOneReplacedForAsLongAsThatHelps) {
  ManagedIdentityWorld world;
  std::atomic<bool> refuse{false};
  world.Cloud->Intercept = [&](Arrived const& arrived) -> std::optional<Answer> {
    if (arrived.Path.find(TokenPath) == std::string::npos || !refuse.exchange(false)) return std::nullopt;
    return TokenError("invalid_client", "AADSTS700027: no");
  };
  AccessToken token;
  for (int i = 0; i < 3; ++i) {
    refuse = true;
    world.Credential().ReportRefusal(world.Request(), token, RefusalReason::TokenRejected);
    token = world.Get();
    EXPECT_EQ(token.Type, TokenType::MtlsPop);
  }
  EXPECT_EQ(world.Cloud->Count("/issuecredential"), 4);
}

/// IMDS throttles: an identity that the token service knows no more must not have a certificate made for each call.
TEST(RefusedBinding, TokenServiceThatRefusesNewOnesTooCostsNoCertificateForEachCall) {
  ManagedIdentityWorld world;
  std::atomic<bool> refuse{true};
  world.Cloud->Intercept = [&](Arrived const& arrived) -> std::optional<Answer> {
    if (arrived.Path.find(TokenPath) == std::string::npos || !refuse) return std::nullopt;
    return TokenError("invalid_client", "AADSTS700027: no");
  };
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "binding_rejected");
    world.Time->Advance(5s);
  }
  EXPECT_EQ(world.Cloud->Count("/issuecredential"), 2);
  EXPECT_EQ(world.Cloud->Count(TokenPath), 21);
  world.Time->Advance(BindingLife::Interval);
  EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "binding_rejected");
  EXPECT_EQ(world.Cloud->Count("/issuecredential"), 3);
  refuse = false;
  EXPECT_EQ(world.Get().Type, TokenType::MtlsPop);
}

/// Answers token requests of a tenant so.
void RefuseTenant(FakeCloud& cloud, std::string const& tenant, Answer const& answer) {
  cloud.Intercept = [tenant, answer](Arrived const& arrived) -> std::optional<Answer> {
    return arrived.Path == "/" + tenant + TokenPath ? std::make_optional(answer) : std::nullopt;
  };
}

TokenRequest RequestOfTenant(std::string tenant) {
  auto request = ManagedIdentityWorld::Request();
  request.TenantId = std::move(tenant);
  return request;
}

/// `invalid_client` can be about what a tenant knows of the application: others keep their tokens, until they have new
/// ones.
TEST(RefusedBinding, OfOneTenantCostsOthersNoToken) {
  ManagedIdentityWorld world;
  world.Options.AdditionallyAllowedTenants = {"*"};
  auto const first = world.Get();
  RefuseTenant(*world.Cloud, "other", TokenError("invalid_client", "AADSTS7000215: no"));
  EXPECT_EQ(ErrorCodeOf([&] { world.Get(RequestOfTenant("other")); }), "binding_rejected");
  EXPECT_EQ(world.Get().Token, first.Token);
  EXPECT_TRUE(Eventually([&] { return world.Get().Binding->X5tS256() != first.Binding->X5tS256(); }));
  EXPECT_EQ(world.Cloud->Count("/issuecredential"), 2);
  EXPECT_TRUE(Eventually([&] { return !world.Cloud->Dropped().empty(); }));
  EXPECT_THAT(world.Cloud->Dropped(), testing::ElementsAre(first.Binding->X5tS256()));
}

TEST(RefusedBinding, OfOneTenantIsReplacedThoughThatWasFutileForAnother) {
  ManagedIdentityWorld world;
  world.Options.AdditionallyAllowedTenants = {"*"};
  RefuseTenant(*world.Cloud, "other", TokenError("invalid_client", "AADSTS7000215: no"));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(ErrorCodeOf([&] { world.Get(RequestOfTenant("other")); }), "binding_rejected");
  }
  EXPECT_EQ(world.Cloud->Count("/issuecredential"), 2);
  std::atomic<bool> refuse{true};
  world.Cloud->Intercept = [&](Arrived const& arrived) -> std::optional<Answer> {
    if (arrived.Path.find(TokenPath) == std::string::npos || !refuse.exchange(false)) return std::nullopt;
    return TokenError("invalid_client", "AADSTS700027: no");
  };
  EXPECT_EQ(world.Get().Type, TokenType::MtlsPop);
  EXPECT_EQ(world.Cloud->Count("/issuecredential"), 3);
}

/// Each costs a certificate of a service that throttles.
TEST(RefusedBinding, OfVeryManyTenantsIsReplacedForAFew) {
  ManagedIdentityWorld world;
  world.Options.AdditionallyAllowedTenants = {"*"};
  world.Cloud->Intercept = [](Arrived const& arrived) -> std::optional<Answer> {
    if (arrived.Path.find("/other") == std::string::npos) return std::nullopt;
    return TokenError("invalid_client", "AADSTS7000215: no");
  };
  for (int i = 0; i < 20; ++i) {
    auto const request = RequestOfTenant("other" + std::to_string(i));
    EXPECT_EQ(ErrorCodeOf([&] { world.Get(request); }), "binding_rejected");
  }
  EXPECT_EQ(world.Cloud->Count("/issuecredential"), 1 + static_cast<int>(BindingLife::MostFutileTenants));
  EXPECT_EQ(world.Get().Type, TokenType::MtlsPop);
}

/// What is about the certificate itself concerns all, whoever says it.
TEST(RefusedBinding, WhoseEndHasPassedIsDroppedForAllTenants) {
  ManagedIdentityWorld world;
  world.Options.AdditionallyAllowedTenants = {"*"};
  auto const first = world.Get();
  RefuseTenant(*world.Cloud, "other", TokenError("invalid_client", "AADSTS1000901: token_not_after"));
  EXPECT_EQ(ErrorCodeOf([&] { world.Get(RequestOfTenant("other")); }), "binding_rejected");
  EXPECT_NE(world.Get().Binding->X5tS256(), first.Binding->X5tS256());
}

/// Section 6: an app's own certificate stays what it is, so that a refusal costs a token.
TEST(RefusedBinding, OfAnAppCostsOneTokenInAWhile) {
  auto const time = std::make_shared<ManualClock>();
  auto const cloud = std::make_shared<FakeCloud>(time);
  TemporaryDirectory directory;
  TestCertificateAuthority authority;
  auto const certificate = authority.IssueForClient("app");
  ClientCertificateCredentialOptions options;
  options.TenantId = FakeCloud::TenantId;
  options.ClientId = FakeCloud::ClientId;
  options.CertificatePath = directory.WriteFile("app.pem", certificate.CertificatePem + certificate.PrivateKeyPem);
  options.Transport = cloud;
  options.Time = std::shared_ptr<Clock>{time};
  options.Random = [] { return 0.0; };
  ClientCertificateCredential credential{options};
  auto const request = ManagedIdentityWorld::Request();
  auto const first = GetEitherWay(credential, request, {});
  auto const second = GetInsteadOf(credential, first, request);
  EXPECT_NE(second.Token, first.Token);
  // A request that was under way takes what there is.
  EXPECT_EQ(GetInsteadOf(credential, first, request).Token, second.Token);
  time->Advance(BindingLife::Grace);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(GetInsteadOf(credential, second, request).Token, second.Token);
  }
  EXPECT_EQ(GetEitherWay(credential, ManagedIdentityWorld::Request(), {}).Token, second.Token);
  EXPECT_EQ(cloud->Count(TokenPath), 2);

  // A renewed certificate is looked for at once, and is another binding.
  time->Advance(BindingLife::Interval);
  auto const renewed = authority.IssueForClient("app");
  directory.WriteFile("app.pem", renewed.CertificatePem + renewed.PrivateKeyPem);
  EXPECT_EQ(GetInsteadOf(credential, second, request).Binding->X5tS256(), renewed.X5tS256);
}

TEST(RefusedBinding, OfAFederatedIdentityCostsOneCertificateInAWhile) {
  ManagedIdentityWorld identity;
  identity.Credential();
  ClientAssertionCredentialOptions options;
  options.TenantId = FakeCloud::TenantId;
  options.ClientId = "33333333-3333-3333-3333-333333333333";
  options.Transport = identity.Cloud;
  options.Time = std::shared_ptr<Clock>{identity.Time};
  options.Assertion = std::make_shared<ManagedIdentityCredential>(identity.Options);
  ClientAssertionCredential credential{options};
  auto token = GetEitherWay(credential, ManagedIdentityWorld::Request(), {});
  token = GetInsteadOf(credential, token, ManagedIdentityWorld::Request());
  EXPECT_EQ(identity.Cloud->Count("/issuecredential"), 2);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(GetInsteadOf(credential, token, ManagedIdentityWorld::Request()).Token, token.Token);
  }
  EXPECT_EQ(GetEitherWay(credential, ManagedIdentityWorld::Request(), {}).Token, token.Token);
  EXPECT_EQ(identity.Cloud->Count("/issuecredential"), 2);
  EXPECT_EQ(identity.Cloud->Count(TokenPath), 4);
}

}  // namespace
}  // namespace mtlspop::test
