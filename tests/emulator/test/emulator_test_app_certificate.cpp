// Contract, section 6: apps with a certificate of their own, and the two-leg exchange.
#include <gtest/gtest.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <ctime>
#include <functional>

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

// A JWT as an app signs it (RFC 7523), wrong in one way at a time.
struct AssertionShape {
  std::string Algorithm = "PS256";
  std::string ClientId = AppId;
  std::string Audience;
  std::time_t Expires = std::time(nullptr) + 600;
  bool HasJti = true;
};

std::string Base64Url(std::string const& bytes) {
  auto text = ToBase64(bytes);
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  text.erase(std::find(text.begin(), text.end(), '='), text.end());
  return text;
}

std::string SignedBy(EVP_PKEY* key, std::string const& text, bool pss) {
  DigestContextPtr const context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* settings = nullptr;
  EVP_DigestSignInit(context.get(), &settings, EVP_sha256(), nullptr, key);
  if (pss) {
    EVP_PKEY_CTX_set_rsa_padding(settings, RSA_PKCS1_PSS_PADDING);
    EVP_PKEY_CTX_set_rsa_pss_saltlen(settings, 32);
  }
  std::string signature(256, '\0');
  std::size_t size = signature.size();
  EVP_DigestSign(
      context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
      reinterpret_cast<unsigned char const*>(text.data()), text.size());
  return signature;
}

std::string MakeAssertion(Credentials const& signer, X509* shown, AssertionShape const& shape) {
  auto pem = ToPem(shown);
  pem = pem.substr(pem.find('\n') + 1);
  pem.erase(pem.find("-----END"));
  pem.erase(std::remove(pem.begin(), pem.end(), '\n'), pem.end());
  json const header = {{"alg", shape.Algorithm}, {"typ", "JWT"}, {"x5c", {pem}}};
  json claims = {
      {"aud", shape.Audience},
      {"iss", shape.ClientId},
      {"sub", shape.ClientId},
      {"nbf", std::time(nullptr) - 5},
      {"exp", shape.Expires}};
  if (shape.HasJti) {
    claims["jti"] = "1";
  }
  auto const text = Base64Url(header.dump()) + "." + Base64Url(claims.dump());
  return text + "." + Base64Url(SignedBy(signer.Key.get(), text, shape.Algorithm == "PS256"));
}

class AppAssertion : public AppCertificate {
 protected:
  AppAssertion() {
    Register();
    _good.Audience = "https://" + _emulator.Authority("sts") + _app.TokenTarget();
  }

  CallAnswer Bearer(std::string const& assertion, std::string const& extra = {}) {
    return Request(
        _own, std::string("grant_type=client_credentials&client_id=") + AppId + "&scope=" + VaultScope +
                  "&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion=" +
                  assertion + extra);
  }

  AssertionShape _good;
};

TEST_F(AppAssertion, GivesABearerTokenInEitherAlgorithm) {
  for (char const* const algorithm : {"PS256", "RS256"}) {
    auto shape = _good;
    shape.Algorithm = algorithm;
    auto const answer = Bearer(MakeAssertion(_own, _own.Certificate.get(), shape));
    ASSERT_EQ(answer.Status, 200U) << answer.Body;
    EXPECT_EQ(json::parse(answer.Body).at("token_type"), "Bearer");
  }
}

TEST_F(AppAssertion, EachFlawIsRefusedByName) {
  auto const other = MakeSelfSigned("other");
  auto const expect = [this](std::string const& assertion, std::string const& complaint) {
    auto const answer = Bearer(assertion);
    EXPECT_EQ(answer.Status, 401U);
    EXPECT_NE(ErrorText(answer).find(complaint), std::string::npos) << complaint << ": " << ErrorText(answer);
  };
  auto const with = [this](std::function<void(AssertionShape&)> const& spoil) {
    auto shape = _good;
    spoil(shape);
    return MakeAssertion(_own, _own.Certificate.get(), shape);
  };
  expect("x.y.z", "no JWT");
  expect(with([](auto& s) { s.Algorithm = "HS256"; }), "neither PS256 nor RS256");
  expect(with([](auto& s) { s.ClientId = "somebody"; }), "iss is not the client id");
  expect(with([](auto& s) { s.Audience = "https://elsewhere"; }), "aud is");
  expect(with([](auto& s) { s.Expires = std::time(nullptr) - 1; }), "expired");
  expect(with([](auto& s) { s.HasJti = false; }), "jti");
  expect(MakeAssertion(other, other.Certificate.get(), _good), "x5c is not the one presented");
  expect(MakeAssertion(other, _own.Certificate.get(), _good), "signature is invalid");
}

TEST_F(AppAssertion, IsRequiredForABearerTokenAndMustBeAbsentForABoundOne) {
  auto const assertion = MakeAssertion(_own, _own.Certificate.get(), _good);
  EXPECT_EQ(Bearer(assertion, "&token_type=mtls_pop").Status, 400U);
  EXPECT_EQ(Bearer(assertion, "&token_type=bearer").Status, 400U);
  auto const bare = std::string("grant_type=client_credentials&client_id=") + AppId + "&scope=" + VaultScope;
  EXPECT_NE(ErrorText(Request(_own, bare)).find("AADSTS7000216"), std::string::npos);
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
