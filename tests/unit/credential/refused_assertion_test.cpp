// Section 5 of the wire contract, "the binding is no longer good", where the binding is another credential's: what leg 2
// keeps of it, and what leg 1 is told.
#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_cloud.hpp"
#include "mtlspop/credential/client_assertion_credential.hpp"
#include "mtlspop/credential/errors.hpp"
#include "support/either_way.hpp"
#include "support/error_code_of.hpp"
#include "support/event.hpp"

namespace mtlspop::test {
namespace {

constexpr char const* OtherScope = "https://storage.azure.com/.default";

/// A managed identity behind something that can be told to do otherwise.
class FirstLeg final : public TokenCredential {
 public:
  using Function = std::function<std::optional<AccessToken>(TokenRequest const&)>;

  explicit FirstLeg(std::shared_ptr<TokenCredential> credential) : credential_(std::move(credential)) {}
  AccessToken GetToken(TokenRequest const& request, Context const& context) override {
    if (auto token = Intercept ? Intercept(request) : std::nullopt) return *token;
    return GetEitherWay(*credential_, request, context);
  }
  void ReportRefusal(TokenRequest const& request, AccessToken const& refused, RefusalReason reason) noexcept override {
    credential_->ReportRefusal(request, refused, reason);
  }
  std::string_view Name() const noexcept override { return "FirstLeg"; }

  Function Intercept;

 private:
  std::shared_ptr<TokenCredential> credential_;
};

struct AssertionWorld {
  AssertionWorld() {
    Options.TenantId = FakeCloud::TenantId;
    Options.ClientId = "33333333-3333-3333-3333-333333333333";
    Options.Assertion = Leg1;
    Options.Transport = Identity.Cloud;
    Options.Time = std::shared_ptr<Clock>{Identity.Time};
  }
  AccessToken Get(TokenRequest const& request = ManagedIdentityWorld::Request()) {
    if (!credential_) credential_ = std::make_unique<ClientAssertionCredential>(Options);
    return GetEitherWay(*credential_, request, {});
  }
  AccessToken GetAfterRefusalOf(AccessToken const& token) {
    Get();
    return GetInsteadOf(*credential_, token, ManagedIdentityWorld::Request());
  }

  ManagedIdentityWorld Identity;
  std::shared_ptr<FirstLeg> Leg1 =
      std::make_shared<FirstLeg>(std::make_shared<ManagedIdentityCredential>(Identity.Options));
  ClientAssertionCredentialOptions Options;

 private:
  std::unique_ptr<ClientAssertionCredential> credential_;
};

TEST(RefusedAssertion, TokenThatIsUnderWayWithTheRefusedBindingIsNotKept) {
  Event sent;
  Event mayAnswer;
  std::atomic<bool> holds{true};
  AssertionWorld world;
  auto const first = world.Get();
  world.Identity.Cloud->Intercept = [&](Arrived const& arrived) -> std::optional<Answer> {
    auto const scope = arrived.Form.find("scope");
    if (scope != arrived.Form.end() && scope->second == OtherScope && holds.exchange(false)) {
      sent.Set();
      (void)mayAnswer.Wait();
    }
    return std::nullopt;
  };
  auto const other = ManagedIdentityWorld::Request(OtherScope);
  auto underWay = std::async(std::launch::async, [&] { return world.Get(other); });
  EXPECT_TRUE(sent.Wait());
  auto const second = world.GetAfterRefusalOf(first);
  EXPECT_NE(second.Binding->X5tS256(), first.Binding->X5tS256());
  mayAnswer.Set();
  EXPECT_EQ(underWay.get().Binding->X5tS256(), second.Binding->X5tS256());
  EXPECT_EQ(world.Get(other).Binding->X5tS256(), second.Binding->X5tS256());
}

TEST(RefusedAssertion, FirstLegThatFailsAfterItWasToldGivesAnotherBindingLater) {
  AssertionWorld world;
  auto const first = world.Get();
  std::atomic<bool> fails{true};
  world.Leg1->Intercept = [&](TokenRequest const&) -> std::optional<AccessToken> {
    if (!fails.exchange(false)) return std::nullopt;
    throw Error{{errors::ConnectFailed, "Nobody is there", "Try later"}};
  };
  EXPECT_EQ(ErrorCodeOf([&] { world.GetAfterRefusalOf(first); }), errors::ConnectFailed.Name());
  EXPECT_NE(world.Get().Binding->X5tS256(), first.Binding->X5tS256());
}

TEST(RefusedAssertion, FirstLegThatKeepsItsBindingCostsOneTokenAndNotOnePerCall) {
  AssertionWorld world;
  auto const assertion = GetEitherWay(*world.Leg1, ManagedIdentityWorld::Request(), {});
  world.Leg1->Intercept = [&](TokenRequest const&) { return assertion; };
  auto const first = world.Get();
  auto const second = world.GetAfterRefusalOf(first);
  EXPECT_NE(second.Token, first.Token);
  EXPECT_EQ(second.Binding->X5tS256(), first.Binding->X5tS256());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(world.Get().Token, second.Token);
}

/// What a tenant knows of this application is no matter of other tenants' tokens.
TEST(RefusedAssertion, OfOneTenantCostsOthersNoToken) {
  AssertionWorld world;
  world.Options.AdditionallyAllowedTenants = {"other"};
  auto const first = world.Get();
  world.Identity.Cloud->Intercept = [](Arrived const& arrived) -> std::optional<Answer> {
    if (arrived.Path != "/other/oauth2/v2.0/token") return std::nullopt;
    return TokenError("invalid_client", "AADSTS7000215: no");
  };
  auto request = ManagedIdentityWorld::Request();
  request.TenantId = "other";
  EXPECT_EQ(ErrorCodeOf([&] { world.Get(request); }), "binding_rejected");
  EXPECT_EQ(world.Get().Token, first.Token);
}

}  // namespace
}  // namespace mtlspop::test
