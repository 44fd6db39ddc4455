// Faults do what they say, to the calls they are armed for.
#include <gtest/gtest.h>
#include <openssl/x509v3.h>

#include <chrono>
#include <thread>

#include "emulated_app.hpp"

namespace emulator_test {
namespace {

using nlohmann::json;

constexpr char const MetadataPath[] = "/metadata/identity/getplatformmetadata";
constexpr char const IssuePath[] = "/metadata/identity/issuecredential";

class Fault : public testing::Test {
 protected:
  void Arm(std::string const& path, json const& fault, json const& more = json::object()) {
    json description = {{"path", path}, {"fault", fault}};
    description.update(more);
    _emulator.ArmFault(description);
  }

  X509* Issued(json const& fault) {
    Arm(IssuePath, fault);
    return _app.Bind().Certificate.get();
  }

  json TokenAnswer(json const& fault) {
    _app.Bind();
    Arm("/", fault, {{"service", "sts"}});
    return json::parse(_app.RequestToken(_app.TokenForm()).Body);
  }

  EmulatorProcess _emulator;
  EmulatedApp _app{_emulator};
};

TEST_F(Fault, StatusWithBodyAndHeadersForTheNextCallsOnly) {
  Arm(MetadataPath, {{"status", 503}, {"body", {{"error", "busy"}}}, {"headers", {{"Retry-After", "7"}}}},
      {{"skip", 1}, {"count", 2}});
  EXPECT_EQ(_app.Metadata().Status, 200U);
  auto const answer = _app.Metadata();
  EXPECT_EQ(answer.Status, 503U);
  EXPECT_EQ(answer.Body, R"({"error":"busy"})");
  EXPECT_EQ(answer.Header("Retry-After"), "7");
  EXPECT_EQ(_app.Metadata().Status, 503U);
  EXPECT_EQ(_app.Metadata().Status, 200U);
  EXPECT_TRUE(_emulator.Control("GET", "/emulator/faults").empty());
}

TEST_F(Fault, NegativeCountLastsUntilCleared) {
  Arm(MetadataPath, {{"status", 500}}, {{"count", -1}});
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(_app.Metadata().Status, 500U);
  }
  _emulator.Control("DELETE", "/emulator/faults");
  EXPECT_EQ(_app.Metadata().Status, 200U);
}

TEST_F(Fault, MisspeltMembersAreRefused) {
  TestConnection connection(_emulator.Authority("control"));
  for (auto const& body :
       {json({{"path", "/"}, {"fault", {{"stauts", 500}}}}), json({{"paht", "/"}, {"fault", {{"status", 500}}}}),
        json({{"path", "/"}, {"fault", {{"cut", "sideways"}}}}), json({{"path", "/"}})}) {
    EXPECT_EQ(connection.Call({"POST", "/emulator/faults", {}, body.dump()}).Status, 400U) << body;
  }
}

TEST_F(Fault, CutConnections) {
  for (char const* const cut : {"after-head", "before-response", "mid-response"}) {
    Arm(MetadataPath, {{"cut", cut}});
    auto const answer = _app.Metadata();
    EXPECT_FALSE(answer.Complete) << cut;
    EXPECT_EQ(answer.Status, std::string(cut) == "mid-response" ? 200U : 0U) << cut;
  }
  EXPECT_EQ(_app.Metadata().Status, 200U);
}

TEST_F(Fault, SpoiltAnswers) {
  Arm(MetadataPath, {{"malformed_json", true}});
  EXPECT_TRUE(json::parse(_app.Metadata().Body, nullptr, false).is_discarded());
  Arm(MetadataPath, {{"missing_field", "cuId"}});
  EXPECT_FALSE(json::parse(_app.Metadata().Body).contains("cuId"));
  Arm(MetadataPath, {{"missing_field", "cuId.vmId"}});
  EXPECT_FALSE(json::parse(_app.Metadata().Body).at("cuId").contains("vmId"));
  Arm(MetadataPath, {{"server_header", "nginx"}});
  EXPECT_EQ(_app.Metadata().Header("Server"), "nginx");
}

TEST_F(Fault, ChunkedAnswersReadTheSame) {
  Arm(MetadataPath, {{"chunked", true}, {"close", true}});
  auto const answer = _app.Metadata();
  EXPECT_EQ(answer.Header("Transfer-Encoding"), "chunked");
  EXPECT_EQ(json::parse(answer.Body).at("clientId"), _app.ClientId());
}

TEST_F(Fault, WrongCertificates) {
  auto* const forOtherKey = Issued({{"certificate_for_other_key", true}});
  EXPECT_NE(EVP_PKEY_eq(X509_get0_pubkey(forOtherKey), _app.Binding().Key.get()), 1);
  auto* const expired = Issued({{"expired_certificate", true}});
  EXPECT_LT(X509_cmp_current_time(X509_get0_notAfter(expired)), 0);
  auto* const useless = Issued({{"certificate_without_client_auth", true}});
  EXPECT_EQ(X509_get_extended_key_usage(useless) & XKU_SSL_CLIENT, 0U);
  EXPECT_NE(ErrorText(_app.RequestToken(_app.TokenForm())).find("AADSTS700027"), std::string::npos);
}

TEST_F(Fault, WrongTokens) {
  EXPECT_FALSE(ClaimsOf(TokenAnswer({{"no_cnf", true}}).at("access_token")).contains("cnf"));
  auto const wrong = ClaimsOf(TokenAnswer({{"wrong_cnf", true}}).at("access_token"));
  EXPECT_NE(wrong.at("cnf").at("x5t#S256"), X5tS256Of(_app.Binding().Certificate.get()));
  EXPECT_EQ(TokenAnswer({{"not_a_jwt", true}}).at("access_token").get<std::string>().find('.'), std::string::npos);
  EXPECT_EQ(TokenAnswer({{"token_type", "Bearer"}}).at("token_type"), "Bearer");
  EXPECT_EQ(TokenAnswer({{"aadsts", "AADSTS392196"}}).at("error_codes"), json::array({392196}));
}

TEST_F(Fault, RejectedHandshake) {
  auto const& binding = _app.Bind();
  _emulator.ArmFault({{"service", "sts"}, {"fault", {{"reject_handshake", "revoked"}}}});
  EXPECT_FALSE(TestConnection(_emulator.Authority("sts"), _app.Tls(&binding)).IsOpen());
  EXPECT_TRUE(TestConnection(_emulator.Authority("sts"), _app.Tls(&binding)).IsOpen());
}

TEST_F(Fault, RejectedHandshakeWaitsForACertificate) {
  _emulator.ArmFault({{"service", "vault"}, {"fault", {{"reject_handshake", true}}}});
  TestConnection connection(_emulator.Authority("vault"), _app.Tls(nullptr));
  // Answered, so that its handshake is over on the other side too.
  EXPECT_EQ(connection.Call({"GET", "/secrets/boundsecret?api-version=7.4", {}, {}}).Status, 401U);
  ASSERT_EQ(_emulator.Control("GET", "/emulator/faults").size(), 1U);
  EXPECT_EQ(_emulator.Control("GET", "/emulator/faults").at(0).at("count"), 1);
}

TEST_F(Fault, HandshakeThatIsReset) {
  auto const& binding = _app.Bind();
  _emulator.ArmFault({{"service", "sts"}, {"fault", {{"reject_handshake", "reset"}}}});
  EXPECT_FALSE(TestConnection(_emulator.Authority("sts"), _app.Tls(&binding)).IsOpen());
  EXPECT_TRUE(TestConnection(_emulator.Authority("sts"), _app.Tls(&binding)).IsOpen());
}

TEST_F(Fault, MembersOfTheAnswerThatAreReplaced) {
  Arm(MetadataPath, {{"set", {{"clientId", "somebody"}, {"cuId", {{"vmId", 7}}}}}});
  auto const body = json::parse(_app.Metadata().Body);
  EXPECT_EQ(body.at("clientId"), "somebody");
  EXPECT_EQ(body.at("cuId").at("vmId"), 7);
  EXPECT_EQ(body.at("tenantId"), _app.TenantId());
}

TEST_F(Fault, OfCallsWithAHeader) {
  _emulator.ArmFault({{"path", MetadataPath}, {"with_header", "metadata"}, {"fault", {{"status", 503}}}});
  TestConnection connection(_emulator.Authority("imds"));
  auto const target = std::string(MetadataPath) + "?cred-api-version=2.0";
  EXPECT_EQ(connection.Call({"GET", target, {}, {}}).Status, 400U);
  EXPECT_EQ(connection.Call({"GET", target, {{"Metadata", "true"}}, {}}).Status, 503U);
}

TEST_F(Fault, RejectedHandshakeHoldsForResumedSessionsToo) {
  auto const& binding = _app.Bind();
  SessionPtr session;
  {
    TestConnection first(_emulator.Authority("sts"), _app.Tls(&binding));
    session.reset(first.TakeSession());
  }
  _emulator.ArmFault({{"service", "sts"}, {"fault", {{"reject_handshake", true}}}});
  auto settings = _app.Tls(&binding);
  settings.Resume = session.get();
  EXPECT_FALSE(TestConnection(_emulator.Authority("sts"), settings).IsOpen());
}

TEST_F(Fault, HeldAnswersWaitForRelease) {
  Arm(MetadataPath, {{"hold", true}});
  unsigned status = 0;
  std::thread caller([&] { status = _app.Metadata().Status; });
  EXPECT_EQ(_emulator.Control("GET", "/emulator/held?at_least=1&timeout_ms=10000").at("held"), 1);
  _emulator.Control("POST", "/emulator/release");
  caller.join();
  EXPECT_EQ(status, 200U);
}

TEST_F(Fault, IsReleasedAlsoBeforeItHolds) {
  Arm(MetadataPath, {{"hold", true}});
  TestConnection connection(_emulator.Authority("imds"));
  connection.Send(
      std::string("GET ") + MetadataPath + " HTTP/1.1\r\nHost: imds\r\nMetadata: true\r\nContent-Length: 1\r\n\r\n");
  // Until the call has taken the fault; its body is still to come.
  while (!_emulator.Control("GET", "/emulator/faults").empty()) {
  }
  _emulator.Control("POST", "/emulator/release");
  connection.Send("x");
  EXPECT_NE(connection.Receive().Status, 0U);
}

TEST_F(Fault, DelayedAnswer) {
  Arm(MetadataPath, {{"delay_ms", 50}});
  auto const before = std::chrono::steady_clock::now();
  EXPECT_EQ(_app.Metadata().Status, 200U);
  EXPECT_GE(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(50));
}

TEST_F(Fault, ClaimsChallengeOnce) {
  auto const& binding = _app.Bind();
  auto const token = _app.Token();
  Arm("/secrets", {{"claims_challenge", true}});
  TestConnection connection(_emulator.Authority("vault"), _app.Tls(&binding));
  auto const request = BoundCall("GET", "/secrets/boundsecret?api-version=7.4", token);
  EXPECT_NE(connection.Call(request).Header("WWW-Authenticate").find("insufficient_claims"), std::string::npos);
  EXPECT_EQ(connection.Call(request).Status, 200U);
}

}  // namespace
}  // namespace emulator_test
