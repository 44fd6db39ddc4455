// Contract, section 6: apps with a certificate of their own, and the two-leg exchange.
#include <gtest/gtest.h>

#include "emulated_app.hpp"

namespace emulator_test {
namespace {

using nlohmann::json;

constexpr char const AppId[] = "11111111-1111-4111-8111-111111111111";
constexpr char const JwtPop[] = "urn:ietf:params:oauth:client-assertion-type:jwt-pop";

class AppCertificate : public testing::Test {
 protected:
  AppCertificate() : _own(MakeSelfSigned("contoso-app")) {}

  void Register(json const& more = json::object()) {
    json app = {
        {"client_id", AppId}, {"tenant_id", _app.TenantId()}, {"certificate_pem", ToPem(_own.Certificate.get())}};
    app.update(more);
    _emulator.Control("POST", "/emulator/apps", app);
  }

  std::string Form(std::string const& extra = {}) const {
    return std::string("grant_type=client_credentials&client_id=") + AppId + "&scope=" + VaultScope +
           "&token_type=mtls_pop" + extra;
  }

  std::string Assertion(std::string const& token, std::string const& type = JwtPop) const {
    return Form("&client_assertion=" + token + "&client_assertion_type=" + type);
  }

  CallAnswer Request(Credentials const& credentials, std::string const& form) {
    TestConnection connection(_emulator.Authority("sts"), _app.Tls(&credentials));
    return connection.Call(FormCall(_app.TokenTarget(), form));
  }

  EmulatorProcess _emulator;
  EmulatedApp _app{_emulator};
  Credentials const _own;
};

TEST_F(AppCertificate, RegisteredAppGetsATokenBoundToItsCertificate) {
  Register();
  auto const answer = Request(_own, Form());
  ASSERT_EQ(answer.Status, 200U) << answer.Body;
  auto const token = json::parse(answer.Body).at("access_token").get<std::string>();
  EXPECT_EQ(ClaimsOf(token).at("cnf").at("x5t#S256"), X5tS256Of(_own.Certificate.get()));
  TestConnection vault(_emulator.Authority("vault"), _app.Tls(&_own));
  EXPECT_EQ(vault.Call(BoundCall("GET", "/secrets/boundsecret?api-version=7.4", token)).Status, 200U);
}

TEST_F(AppCertificate, RenewedCertificateIsAddedToTheApp) {
  Register();
  auto const renewed = MakeSelfSigned("contoso-app");
  Register({{"certificate_pem", ToPem(renewed.Certificate.get())}});
  EXPECT_EQ(Request(_own, Form()).Status, 200U);
  EXPECT_EQ(Request(renewed, Form()).Status, 200U);
}

TEST_F(AppCertificate, CertificateOfAManagedIdentityIsNotTheApps) {
  Register();
  EXPECT_EQ(Request(_app.Bind(), Form()).Status, 401U);
}

TEST_F(AppCertificate, AppWithoutMutualTls) {
  Register({{"mtls_enabled", false}});
  EXPECT_NE(ErrorText(Request(_own, Form())).find("AADSTS51000"), std::string::npos);
}

TEST_F(AppCertificate, SecondLegTakesTheFirstLegsTokenOverItsCertificate) {
  Register({{"federated", true}});
  auto const& binding = _app.Bind();
  auto const first = _app.Token("api://AzureADTokenExchange/.default");
  auto const answer = Request(binding, Assertion(first));
  ASSERT_EQ(answer.Status, 200U) << answer.Body;
  auto const claims = ClaimsOf(json::parse(answer.Body).at("access_token"));
  EXPECT_EQ(claims.at("appid"), AppId);
  EXPECT_EQ(claims.at("cnf").at("x5t#S256"), X5tS256Of(binding.Certificate.get()));
}

TEST_F(AppCertificate, SecondLegRefusals) {
  Register({{"federated", true}});
  auto const& binding = _app.Bind();
  auto const first = _app.Token("api://AzureADTokenExchange/.default");
  EXPECT_NE(ErrorText(Request(_own, Assertion(first))).find("AADSTS500181"), std::string::npos);
  EXPECT_NE(ErrorText(Request(binding, Assertion(_app.Token()))).find("AADSTS700212"), std::string::npos);
  EXPECT_NE(ErrorText(Request(binding, Assertion("x.y.z"))).find("AADSTS50013"), std::string::npos);
  auto const bearerType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
  EXPECT_EQ(Request(binding, Assertion(first, bearerType)).Status, 400U);
  Register({{"federated", false}});
  EXPECT_NE(ErrorText(Request(binding, Assertion(first))).find("AADSTS70021"), std::string::npos);
}

}  // namespace
}  // namespace emulator_test
