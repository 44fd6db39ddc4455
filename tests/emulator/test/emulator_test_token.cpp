// Contract, section 5, from the server's side.
#include <gtest/gtest.h>

#include "emulated_app.hpp"

namespace emulator_test {
namespace {

using nlohmann::json;

class TokenService : public testing::Test {
 protected:
  void ExpectError(CallAnswer const& answer, unsigned status, std::string const& error, std::string const& code) {
    EXPECT_EQ(answer.Status, status) << answer.Body;
    auto const body = json::parse(answer.Body);
    EXPECT_EQ(body.at("error"), error);
    EXPECT_EQ(ErrorText(answer).compare(0, code.size() + 1, code + ":"), 0) << ErrorText(answer);
    EXPECT_TRUE(body.contains("correlation_id"));
    EXPECT_TRUE(body.contains("timestamp"));
  }

  EmulatorProcess _emulator{{"--bearer-only-resource", "https://old.example"}};
  EmulatedApp _app{_emulator};
  Credentials const& _binding = _app.Bind();
};

TEST_F(TokenService, BoundTokenNamesTheCertificate) {
  auto const answer = _app.RequestToken(_app.TokenForm());
  ASSERT_EQ(answer.Status, 200U) << answer.Body;
  auto const body = json::parse(answer.Body);
  EXPECT_EQ(body.at("token_type"), "mtls_pop");
  EXPECT_EQ(body.at("expires_in"), 86400);
  auto const claims = ClaimsOf(body.at("access_token"));
  EXPECT_EQ(claims.at("cnf").at("x5t#S256"), X5tS256Of(_binding.Certificate.get()));
  EXPECT_EQ(claims.at("aud"), "https://vault.azure.net");
  EXPECT_EQ(claims.at("appid"), _app.ClientId());
}

TEST_F(TokenService, LogsTheRequestsIdAndGivesItBack) {
  TestConnection connection(_emulator.Authority("sts"), _app.Tls(&_binding));
  auto call = FormCall(_app.TokenTarget(), _app.TokenForm());
  call.Headers.emplace_back("client-request-id", "an id");
  call.Headers.emplace_back("x-client-SKU", "a library");
  call.Headers.emplace_back("x-client-Ver", "1.2");
  EXPECT_EQ(connection.Call(call).Header("client-request-id"), "an id");
  auto const entry = _emulator.Log("sts").at(0);
  EXPECT_EQ(entry.at("client_request_id"), "an id");
  EXPECT_EQ(entry.at("client_sku"), "a library");
  EXPECT_EQ(entry.at("client_version"), "1.2");
}

TEST_F(TokenService, BearerOverMutualTlsHasNoBinding) {
  ExpectError(_app.RequestToken(_app.TokenForm(VaultScope, "")), 400, "invalid_request", "AADSTS900144");
  auto const body = json::parse(_app.RequestToken(_app.TokenForm(VaultScope, "&token_type=bearer")).Body);
  EXPECT_EQ(body.at("token_type"), "Bearer");
  EXPECT_FALSE(ClaimsOf(body.at("access_token")).contains("cnf"));
}

TEST_F(TokenService, HandshakeNeedsACertificate) {
  TestConnection const connection(_emulator.Authority("sts"), _app.Tls(nullptr));
  EXPECT_FALSE(connection.IsOpen());
}

TEST_F(TokenService, HandshakeRefusesCertificatesOfOthers) {
  auto const stranger = MakeSelfSigned(_app.ClientId());
  TestConnection const connection(_emulator.Authority("sts"), _app.Tls(&stranger));
  EXPECT_FALSE(connection.IsOpen());
  EXPECT_EQ(_emulator.Log("sts").at(0).at("path"), "(handshake)");
}

TEST_F(TokenService, UnderTls13ItDoesNotAsk) {
  auto settings = _app.Tls(&_binding);
  settings.MaximumTls = TLS1_3_VERSION;
  TestConnection connection(_emulator.Authority("sts"), settings);
  ExpectError(connection.Call(FormCall(_app.TokenTarget(), _app.TokenForm())), 401, "invalid_client", "AADSTS7000218");
}

TEST_F(TokenService, CertificateOfAnotherIdentityIsRefused) {
  EmulatedApp other(_emulator, "user-1");
  TlsSettings const settings = other.Tls(&other.Bind());
  TestConnection connection(_emulator.Authority("sts"), settings);
  ExpectError(connection.Call(FormCall(_app.TokenTarget(), _app.TokenForm())), 401, "invalid_client", "AADSTS700027");
}

TEST_F(TokenService, ExpiredCertificateIsRefused) {
  _emulator.Control("POST", "/emulator/clock", {{"advance_seconds", 8 * 3600}});
  ExpectError(_app.RequestToken(_app.TokenForm()), 401, "invalid_client", "AADSTS1000901");
}

TEST_F(TokenService, FormIsChecked) {
  auto const good = _app.TokenForm();
  auto with = [&](std::string const& from, std::string const& to) {
    auto form = good;
    return _app.RequestToken(form.replace(form.find(from), from.size(), to));
  };
  ExpectError(
      with("grant_type=client_credentials", "grant_type=password"), 400, "unsupported_grant_type", "AADSTS70003");
  ExpectError(with("grant_type=client_credentials&", ""), 400, "invalid_request", "AADSTS900144");
  ExpectError(with("&scope=", "&resource="), 400, "invalid_request", "AADSTS900144");
  ExpectError(with("/.default", "/read"), 400, "invalid_scope", "AADSTS1002012");
  ExpectError(with("mtls_pop", "pop"), 400, "invalid_request", "AADSTS901001");
  ExpectError(with(_app.ClientId(), "nobody"), 400, "unauthorized_client", "AADSTS700016");
  ExpectError(_app.RequestToken(good + "&scope=x"), 400, "invalid_request", "AADSTS90100");
  ExpectError(_app.RequestToken(good + "&client_assertion=x"), 400, "invalid_request", "AADSTS70002");
}

TEST_F(TokenService, TenantIsChecked) {
  TestConnection connection(_emulator.Authority("sts"), _app.Tls(&_binding));
  auto call = [&](std::string const& tenant) {
    return connection.Call(FormCall("/" + tenant + "/oauth2/v2.0/token", _app.TokenForm()));
  };
  ExpectError(call("common"), 400, "invalid_request", "AADSTS50194");
  ExpectError(call("elsewhere"), 400, "invalid_request", "AADSTS90002");
}

TEST_F(TokenService, ResourceWithoutSupportForBoundTokens) {
  ExpectError(
      _app.RequestToken(_app.TokenForm("https://old.example/.default")), 400, "invalid_request", "AADSTS392196");
  EXPECT_EQ(_app.RequestToken(_app.TokenForm("https://old.example/.default", "&token_type=bearer")).Status, 200U);
}

TEST_F(TokenService, CapabilitiesGoIntoTheToken) {
  auto const answer = _app.RequestToken(
      _app.TokenForm() + R"(&claims={"access_token":{"xms_cc":{"values":["cp1"]},"cnf":{"value":"forged"}}})");
  auto const claims = ClaimsOf(json::parse(answer.Body).at("access_token"));
  EXPECT_EQ(claims.at("xms_cc"), json::array({"cp1"}));
  EXPECT_EQ(claims.at("cnf").at("x5t#S256"), X5tS256Of(_binding.Certificate.get()));
  ExpectError(_app.RequestToken(_app.TokenForm() + "&claims=nonsense"), 400, "invalid_request", "AADSTS501481");
}

TEST_F(TokenService, ResumedSessionStillHasItsCertificate) {
  SessionPtr session;
  {
    TestConnection first(_emulator.Authority("sts"), _app.Tls(&_binding));
    EXPECT_EQ(first.Call(FormCall(_app.TokenTarget(), _app.TokenForm())).Status, 200U);
    session.reset(first.TakeSession());
  }
  auto settings = _app.Tls(nullptr);
  settings.Resume = session.get();
  TestConnection second(_emulator.Authority("sts"), settings);
  ASSERT_TRUE(second.IsResumed());
  auto const answer = second.Call(FormCall(_app.TokenTarget(), _app.TokenForm()));
  ASSERT_EQ(answer.Status, 200U) << answer.Body;
  auto const log = _emulator.Log("sts");
  EXPECT_EQ(log.at(0).at("resumed"), false);
  EXPECT_EQ(log.at(1).at("resumed"), true);
  EXPECT_EQ(log.at(0).at("x5t_s256"), log.at(1).at("x5t_s256"));
}

TEST_F(TokenService, RealHostNamesAreInTheServerCertificate) {
  for (char const* const name :
       {"mtlsauth.microsoft.com", "westeurope.mtlsauth.microsoft.com", "mtlsauth.microsoftonline.us",
        "usgovvirginia.mtlsauth.microsoftonline.us", "mtlsauth.partner.microsoftonline.cn",
        "chinaeast.mtlsauth.partner.microsoftonline.cn"}) {
    auto settings = _app.Tls(&_binding);
    settings.ServerName = name;
    TestConnection connection(_emulator.Authority("sts"), settings);
    EXPECT_TRUE(connection.IsOpen()) << name;
  }
}

TEST_F(TokenService, DiscoveryNeedsNoCertificate) {
  auto settings = _app.Tls(nullptr);
  settings.ServerName = "login.microsoftonline.com";
  TestConnection connection(_emulator.Authority("sts"), settings);
  ASSERT_TRUE(connection.IsOpen());
  auto const answer = connection.Call(
      {"GET",
       "/" + _app.TenantId() + "/v2.0/.well-known/openid-configuration",
       {{"Host", "login.microsoftonline.com"}},
       {}});
  EXPECT_EQ(json::parse(answer.Body).at("token_endpoint"), "https://login.microsoftonline.com" + _app.TokenTarget());
}

TEST(TokenOptions, LifetimeAndRefresh) {
  EmulatorProcess emulator({"--token-lifetime", "4", "--token-refresh-in=2"});
  EmulatedApp app(emulator);
  app.Bind();
  auto const body = json::parse(app.RequestToken(app.TokenForm()).Body);
  EXPECT_EQ(body.at("expires_in"), 4);
  EXPECT_EQ(body.at("refresh_in"), 2);
}

TEST(TokenOptions, TokenServiceCanAskUnderTls13) {
  EmulatorProcess emulator({"--sts-tls13", "asks"});
  EmulatedApp app(emulator);
  auto settings = app.Tls(&app.Bind());
  settings.MaximumTls = TLS1_3_VERSION;
  TestConnection connection(emulator.Authority("sts"), settings);
  EXPECT_EQ(connection.Call(FormCall(app.TokenTarget(), app.TokenForm())).Status, 200U);
  EXPECT_EQ(emulator.Log("sts").at(0).at("tls_version"), "TLSv1.3");
}

}  // namespace
}  // namespace emulator_test
