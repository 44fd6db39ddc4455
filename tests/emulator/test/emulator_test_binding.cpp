// Contract, section 7: a bound token is good only on a connection with its own certificate, however that is asked for.
#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>

#include "emulated_app.hpp"

namespace emulator_test {
namespace {

using nlohmann::json;

constexpr char const SecretTarget[] = "/secrets/boundsecret?api-version=7.4";

struct AskingMode {
  char const* Name;
  int MaximumTls;
  bool PostHandshake;
};

// For the names that GoogleTest prints.
void PrintTo(AskingMode const& mode, std::ostream* out) {
  *out << mode.Name << (mode.MaximumTls == TLS1_3_VERSION ? ", TLS 1.3" : ", TLS 1.2");
}

class Binding : public testing::TestWithParam<AskingMode> {
 protected:
  TlsSettings Tls(Credentials const* certificate) const {
    auto settings = _app.Tls(certificate);
    settings.MaximumTls = GetParam().MaximumTls;
    settings.PostHandshakeAuthentication = GetParam().PostHandshake;
    return settings;
  }

  CallAnswer Call(Credentials const* certificate, CallRequest const& request) {
    TestConnection connection(_emulator.Authority("vault"), Tls(certificate));
    return connection.Call(request);
  }

  void ExpectRefused(CallAnswer const& answer, std::string const& code) {
    EXPECT_EQ(answer.Status, 401U);
    EXPECT_NE(ErrorText(answer).find("[" + code + "]"), std::string::npos) << answer.Body;
    EXPECT_NE(answer.Header("WWW-Authenticate").find("resource=\"https://vault.azure.net\""), std::string::npos);
  }

  EmulatorProcess _emulator{{"--client-certificate", GetParam().Name, "--secret", "boundsecret=open sesame"}};
  EmulatedApp _app{_emulator};
  Credentials const& _binding = _app.Bind();
};

INSTANTIATE_TEST_SUITE_P(
    Modes,
    Binding,
    testing::Values(
        AskingMode{"renegotiate", TLS1_2_VERSION, false},
        AskingMode{"post-handshake", TLS1_3_VERSION, true},
        AskingMode{"handshake", TLS1_2_VERSION, false},
        AskingMode{"handshake", TLS1_3_VERSION, false}),
    [](auto const& mode) {
      std::string name = mode.param.Name;
      name.erase(std::remove(name.begin(), name.end(), '-'), name.end());
      return name + (mode.param.MaximumTls == TLS1_3_VERSION ? "Tls13" : "Tls12");
    });

TEST_P(Binding, OwnerReadsTheSecret) {
  auto const answer = Call(&_binding, BoundCall("GET", SecretTarget, _app.Token()));
  ASSERT_EQ(answer.Status, 200U) << answer.Body;
  EXPECT_EQ(json::parse(answer.Body).at("value"), "open sesame");
  auto const entry = _emulator.Log("vault").at(0);
  EXPECT_EQ(entry.at("x5t_s256"), X5tS256Of(_binding.Certificate.get()));
  EXPECT_EQ(entry.at("token_x5t_s256"), entry.at("x5t_s256"));
  EXPECT_EQ(entry.at("mismatch"), false);
}

TEST_P(Binding, SchemeIsCaseInsensitive) {
  auto request = BoundCall("GET", SecretTarget, _app.Token());
  request.Headers[0].second.replace(0, 8, "MTLS_PoP");
  EXPECT_EQ(Call(&_binding, request).Status, 200U);
}

TEST_P(Binding, ThiefWithoutCertificateIsRefused) {
  ExpectRefused(Call(nullptr, BoundCall("GET", SecretTarget, _app.Token())), "MissingClientCertificate");
}

TEST_P(Binding, ThiefWithACertificateOfHisOwnIsRefused) {
  EmulatedApp thief(_emulator, "user-1");
  auto const answer = Call(&thief.Bind(), BoundCall("GET", SecretTarget, _app.Token()));
  ExpectRefused(answer, "MtlsCnfClaimRequestDataValidationFailed");
  EXPECT_EQ(_emulator.Log("vault").at(0).at("mismatch"), true);
  EXPECT_EQ(_emulator.Control("GET", "/emulator/statistics").at("mismatches"), 1);
}

TEST_P(Binding, RenewalForTheSameKeyIsAnotherBinding) {
  auto const renewed = _app.IssueCredential(MakeRequest(_binding.Key.get(), _app.GoodRequest()));
  Credentials other;
  other.Certificate = ParseCertificate(json::parse(renewed.Body).at("certificate"));
  other.Key.reset(_binding.Key.get());
  EVP_PKEY_up_ref(_binding.Key.get());
  ExpectRefused(Call(&other, BoundCall("GET", SecretTarget, _app.Token())), "MtlsCnfClaimRequestDataValidationFailed");
}

TEST_P(Binding, BoundTokenIsNoBearerToken) {
  CallRequest const request{"GET", SecretTarget, {{"Authorization", "Bearer " + _app.Token()}}, {}};
  ExpectRefused(Call(&_binding, request), "MissingClientCertificate");
}

TEST_P(Binding, HeaderIsRequired) {
  auto request = BoundCall("GET", SecretTarget, _app.Token());
  request.Headers.pop_back();
  auto const answer = Call(&_binding, request);
  EXPECT_EQ(answer.Status, 401U);
  EXPECT_EQ(ErrorText(answer), "Client certificate required for using MTLS_POP token");
}

TEST_P(Binding, CanBeRefusedAsAggregatedFailure) {
  _emulator.ArmFault({{"service", "vault"}, {"fault", {{"refuse_binding", true}}}});
  auto const answer = Call(&_binding, BoundCall("GET", SecretTarget, _app.Token()));
  ExpectRefused(answer, "AggregatedAuthenticationFailure");
  EXPECT_NE(ErrorText(answer).find("'S2S17001'"), std::string::npos);
  EXPECT_EQ(Call(&_binding, BoundCall("GET", SecretTarget, _app.Token())).Status, 200U);
}

TEST_P(Binding, ExpiredTokenIsRefused) {
  auto const token = _app.Token();
  _emulator.Control("POST", "/emulator/clock", {{"advance_seconds", 24 * 3600}});
  auto const answer = Call(&_binding, BoundCall("GET", SecretTarget, token));
  ExpectRefused(answer, "InvalidToken");
  EXPECT_NE(ErrorText(answer).find("expired"), std::string::npos);
}

TEST_P(Binding, ForgedAndForeignTokensAreRefused) {
  auto forged = _app.Token();
  auto& last = forged[forged.size() - 10];
  last = last == 'A' ? 'B' : 'A';
  ExpectRefused(Call(&_binding, BoundCall("GET", SecretTarget, forged)), "InvalidToken");
  auto const foreign = _app.Token("https://storage.azure.com/.default");
  ExpectRefused(Call(&_binding, BoundCall("GET", SecretTarget, foreign)), "InvalidToken");
}

TEST_P(Binding, PlainBearerTokenUnderTheBoundSchemeIsRefused) {
  auto const answer = _app.RequestToken(_app.TokenForm(VaultScope, "&token_type=bearer"));
  auto const token = json::parse(answer.Body).at("access_token").get<std::string>();
  ExpectRefused(Call(&_binding, BoundCall("GET", SecretTarget, token)), "MissingCnfClaim");
}

TEST_P(Binding, LargeBodyMeetsTheQuestionInTheMiddle) {
  auto request = BoundCall("PUT", "/secrets/large?api-version=7.4", _app.Token());
  request.Body = json({{"value", std::string(4 << 20, 'v')}}).dump();
  TestConnection connection(_emulator.Authority("vault"), Tls(&_binding));
  bool const asked = std::string(GetParam().Name) != "handshake";
  auto const answer = asked ? connection.CallWithPauseInBody(request) : connection.Call(request);
  ASSERT_EQ(answer.Status, 200U) << answer.Body;
  EXPECT_EQ(json::parse(answer.Body).at("value").get<std::string>().size(), std::size_t{4 << 20});
}

TEST_P(Binding, LargeBodySentBeforeTheQuestionIsAnswered) {
  auto request = BoundCall("PUT", "/secrets/large?api-version=7.4", _app.Token());
  request.Body = json({{"value", std::string(1 << 20, 'v')}}).dump();
  EXPECT_EQ(Call(&_binding, request).Status, 200U);
}

TEST_P(Binding, ConnectionIsAskedOnce) {
  TestConnection connection(_emulator.Authority("vault"), Tls(&_binding));
  auto const token = _app.Token();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(connection.Call(BoundCall("GET", SecretTarget, token)).Status, 200U);
  }
  auto const statistics = _emulator.Control("GET", "/emulator/statistics");
  auto const expected = std::string(GetParam().Name) == "handshake" ? 0 : 1;
  EXPECT_EQ(statistics.at("handshakes").at("vault").at("certificate_requests"), expected);
}

TEST_P(Binding, AskedAgainOnAKeptConnection) {
  _emulator.ArmFault({{"path", "/secrets"}, {"skip", 1}, {"fault", {{"renegotiate_again", 2}}}});
  TestConnection connection(_emulator.Authority("vault"), Tls(&_binding));
  auto const token = _app.Token();
  EXPECT_EQ(connection.Call(BoundCall("GET", SecretTarget, token)).Status, 200U);
  EXPECT_EQ(connection.Call(BoundCall("GET", SecretTarget, token)).Status, 200U);
  auto const statistics = _emulator.Control("GET", "/emulator/statistics");
  // Asked in the handshake, it cannot be asked later.
  auto const expected = std::string(GetParam().Name) == "handshake" ? 0 : 3;
  EXPECT_EQ(statistics.at("handshakes").at("vault").at("certificate_requests"), expected);
}

TEST_P(Binding, ResumedSessionStillHasItsCertificate) {
  auto const token = _app.Token();
  SessionPtr session;
  {
    TestConnection first(_emulator.Authority("vault"), Tls(&_binding));
    EXPECT_EQ(first.Call(BoundCall("GET", SecretTarget, token)).Status, 200U);
    session.reset(first.TakeSession());
  }
  // Resumes without a certificate of its own: what counts is the session's.
  auto settings = Tls(nullptr);
  settings.Resume = session.get();
  TestConnection second(_emulator.Authority("vault"), settings);
  ASSERT_TRUE(second.IsResumed());
  EXPECT_EQ(second.Call(BoundCall("GET", SecretTarget, token)).Status, 200U);
  auto const entry = _emulator.Log("vault").at(1);
  EXPECT_EQ(entry.at("resumed"), true);
  EXPECT_EQ(entry.at("x5t_s256"), X5tS256Of(_binding.Certificate.get()));
}

TEST(BindingOverTls13, ClientThatCannotBeAskedIsRefused) {
  for (char const* const mode : {"renegotiate", "post-handshake"}) {
    EmulatorProcess emulator({"--client-certificate", mode});
    EmulatedApp app(emulator);
    auto settings = app.Tls(&app.Bind());
    settings.MaximumTls = TLS1_3_VERSION;
    TestConnection connection(emulator.Authority("vault"), settings);
    auto const answer = connection.Call(BoundCall("GET", SecretTarget, app.Token()));
    EXPECT_EQ(answer.Status, 401U) << mode;
    EXPECT_NE(ErrorText(answer).find("MissingClientCertificate"), std::string::npos) << mode;
  }
}

TEST(BearerTokens, AreRefusedWhereThePolicyTakesBoundOnesOnly) {
  EmulatorProcess emulator({"--allow-bearer", "false"});
  EmulatedApp app(emulator);
  app.Bind();
  auto const granted = app.RequestToken(app.TokenForm(VaultScope, "&token_type=bearer"));
  auto const token = json::parse(granted.Body).at("access_token").get<std::string>();
  TestConnection connection(emulator.Authority("vault"), app.Tls(nullptr));
  auto const answer = connection.Call({"GET", SecretTarget, {{"Authorization", "Bearer " + token}}, {}});
  EXPECT_EQ(answer.Status, 401U);
  auto const error = json::parse(answer.Body).at("error");
  EXPECT_EQ(error.at("innererror").at("code"), "BearerAuthenticationDisabledForKeyVault");
}

TEST(BindingOfExpiredCertificates, IsRefusedUnlessSwitchedOff) {
  for (bool const refuses : {true, false}) {
    EmulatorProcess emulator(
        {"--certificate-lifetime", "10m", "--vault-refuses-expired-certificates", refuses ? "true" : "false"});
    EmulatedApp app(emulator);
    TlsSettings const settings = app.Tls(&app.Bind());
    auto const token = app.Token();
    emulator.Control("POST", "/emulator/clock", {{"advance_seconds", 601}});
    TestConnection connection(emulator.Authority("vault"), settings);
    auto const answer = connection.Call(BoundCall("GET", SecretTarget, token));
    EXPECT_EQ(answer.Status, refuses ? 401U : 200U) << answer.Body;
  }
}

class Vault : public testing::Test {
 protected:
  CallAnswer Call(CallRequest const& request) { return _connection.Call(request); }

  EmulatorProcess _emulator;
  EmulatedApp _app{_emulator};
  Credentials const& _binding = _app.Bind();
  TestConnection _connection{_emulator.Authority("vault"), _app.Tls(&_binding)};
};

TEST_F(Vault, ChallengesWithoutAuthorization) {
  auto const answer = Call({"GET", SecretTarget, {}, {}});
  EXPECT_EQ(answer.Status, 401U);
  EXPECT_EQ(
      answer.Header("WWW-Authenticate"), "Bearer authorization=\"https://login.microsoftonline.com/" + _app.TenantId() +
                                             "\", resource=\"https://vault.azure.net\"");
}

TEST_F(Vault, KeepsVersionsOfSecrets) {
  auto const token = _app.Token();
  auto put = BoundCall("PUT", "/secrets/note?api-version=7.4", token);
  put.Body = R"({"value":"first"})";
  auto const first = json::parse(Call(put).Body);
  put.Body = R"({"value":"second"})";
  EXPECT_EQ(Call(put).Status, 200U);
  auto const newest = json::parse(Call(BoundCall("GET", "/secrets/note?api-version=7.4", token)).Body);
  EXPECT_EQ(newest.at("value"), "second");
  EXPECT_EQ(newest.at("attributes").at("enabled"), true);
  auto const id = first.at("id").get<std::string>();
  auto const target = id.substr(id.find("/secrets/")) + "?api-version=7.4";
  EXPECT_EQ(json::parse(Call(BoundCall("GET", target, token)).Body).at("value"), "first");
  EXPECT_EQ(Call(BoundCall("GET", "/secrets/none?api-version=7.4", token)).Status, 404U);
  EXPECT_EQ(Call(BoundCall("GET", "/secrets/note", token)).Status, 400U);
}

TEST_F(Vault, MakesAndShowsKeys) {
  auto const token = _app.Token();
  auto create = BoundCall("POST", "/keys/wrap/create?api-version=7.4", token);
  create.Body = R"({"kty":"RSA"})";
  auto const made = json::parse(Call(create).Body);
  auto const shown = json::parse(Call(BoundCall("GET", "/keys/wrap?api-version=7.4", token)).Body);
  EXPECT_EQ(made.at("key"), shown.at("key"));
  EXPECT_EQ(shown.at("key").at("kty"), "RSA");
}

TEST_F(Vault, IdentityWithoutGrantIsForbidden) {
  EmulatedApp stranger(_emulator, "no-access");
  TlsSettings const settings = stranger.Tls(&stranger.Bind());
  TestConnection connection(_emulator.Authority("vault"), settings);
  EXPECT_EQ(connection.Call(BoundCall("GET", SecretTarget, stranger.Token())).Status, 403U);
}

TEST_F(Vault, TakesPlainBearerTokensWhereAllowed) {
  auto const answer = _app.RequestToken(_app.TokenForm(VaultScope, "&token_type=bearer"));
  auto const body = json::parse(answer.Body);
  EXPECT_EQ(body.at("token_type"), "Bearer");
  auto const token = body.at("access_token").get<std::string>();
  CallRequest const request{"GET", SecretTarget, {{"Authorization", "Bearer " + token}}, {}};
  EXPECT_EQ(Call(request).Status, 200U);
}

TEST_F(Vault, ClaimsChallengeIsMetByATokenWithTheClaims) {
  auto const stale = _app.Token();
  _emulator.Control("POST", "/emulator/claims-challenge");
  auto const refused = Call(BoundCall("GET", SecretTarget, stale));
  EXPECT_EQ(refused.Status, 401U);
  auto const challenge = refused.Header("WWW-Authenticate");
  EXPECT_NE(challenge.find("error=\"insufficient_claims\""), std::string::npos);
  auto const begin = challenge.find("claims=\"") + 8;
  auto const claims = FromBase64(challenge.substr(begin, challenge.find('"', begin) - begin));
  auto const answer = _app.RequestToken(_app.TokenForm(VaultScope, "&token_type=mtls_pop&claims=" + claims));
  auto const fresh = json::parse(answer.Body).at("access_token").get<std::string>();
  EXPECT_EQ(Call(BoundCall("GET", SecretTarget, fresh)).Status, 200U);
}

TEST_F(Vault, BlobStorageTakesAnySize) {
  auto const token = _app.Token("https://storage.azure.com/.default");
  auto call = [&](std::string const& method, std::string const& target, std::string body) {
    auto request = BoundCall(method, target, token);
    request.Headers.emplace_back("Host", "contoso.blob.core.windows.net");
    request.Body = std::move(body);
    return Call(request);
  };
  EXPECT_EQ(call("PUT", "/docs/big", std::string(3 << 20, 'b')).Status, 201U);
  EXPECT_EQ(call("GET", "/docs/big", "").Body, std::string(3 << 20, 'b'));
  EXPECT_EQ(call("GET", "/generated/5000000", "").Body.size(), 5'000'000U);
  EXPECT_EQ(call("PUT", "/discard/x", std::string(1 << 20, 'd')).Header("x-emulator-body-size"), "1048576");
  EXPECT_EQ(call("GET", "/discard/x", "").Status, 404U);
}

}  // namespace
}  // namespace emulator_test
