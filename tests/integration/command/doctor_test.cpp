// `mtlspop doctor`: what this machine can do, step by step, and why not.
#include <gmock/gmock.h>

#include "command_process.hpp"
#include "credential/own_app.hpp"
#include "keys/software_tpm.hpp"
#include "support/server_process.hpp"
#include "support/temporary_directory.hpp"

namespace mtlspop::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class DoctorTest : public CommandTest {
 protected:
  using CommandTest::CommandTest;

  /// Its answer as JSON, with its status, and without a secret.
  json Examine(std::vector<std::string> arguments, std::vector<std::string> const& more = {}, int status = 0) const {
    arguments.insert(arguments.begin(), {"doctor", "--json"});
    auto environment = Environment();
    environment.insert(environment.end(), more.begin(), more.end());
    auto const result = RunCommand({std::move(arguments), std::move(environment), {}});
    EXPECT_EQ(result.Status, status) << result.Out << result.Error;
    EXPECT_THAT(SecretsIn(result.Out + result.Error), IsEmpty());
    auto const report = json::parse(result.Out);
    EXPECT_EQ(report.at("exit_status"), status);
    return report;
  }

  static json Step(json const& report, std::string const& name) {
    for (auto const& step : report.at("steps")) {
      if (step.at("step") == name) return step;
    }
    return {{"verdict", "missing"}};
  }
  static std::string Verdict(json const& report, std::string const& name) { return Step(report, name).at("verdict"); }
};

TEST_F(DoctorTest, GoesThroughEachStep) {
  auto const report = Examine({VaultUrl()});
  EXPECT_EQ(report.at("verdict"), "ok");
  std::vector<std::string> steps;
  for (auto const& step : report.at("steps")) steps.push_back(step.at("step"));
  EXPECT_THAT(
      steps, ElementsAre(
                 "environment", "metadata_service", "key_keyguard", "key_tpm", "key_pkcs11", "key_software",
                 "certificate", "token", "connection", "url", "clock"));
  EXPECT_EQ(Verdict(report, "clock"), "ok");
  auto const metadata = Step(report, "metadata_service").at("facts");
  EXPECT_EQ(metadata.at("source"), "imds_v2");
  // A software key, of which only asking for a certificate shows whether the service takes it.
  EXPECT_EQ(metadata.at("binding_supported"), "unknown");
  EXPECT_EQ(Verdict(report, "metadata_service"), "note");
  EXPECT_EQ(metadata.at("security_type"), "TrustedLaunch");
  EXPECT_THAT(metadata.at("server").get<std::string>(), HasSubstr("IMDS"));
  EXPECT_EQ(Step(report, "key_software").at("facts").at("strength"), "software");
  EXPECT_EQ(
      Step(report, "token").at("facts").at("cnf_x5t#S256"), Step(report, "certificate").at("facts").at("x5t#S256"));
  EXPECT_EQ(Step(report, "url").at("facts").at("status"), 200);
}

TEST_F(DoctorTest, SpeaksToPeopleToo) {
  auto const result = Run({"doctor", VaultUrl()});
  EXPECT_EQ(result.Status, 0) << result.Error;
  EXPECT_THAT(
      result.Out, AllOf(
                      HasSubstr("MTLSPOP_CA_FILE="), HasSubstr("Version 2 answers at"), HasSubstr("TrustedLaunch"),
                      HasSubstr("cnf "), HasSubstr("by renegotiation"), HasSubstr("was answered 200")));
  EXPECT_THAT(SecretsIn(result.Out + result.Error), IsEmpty());
}

// The commonest fault of all: a proxy that inspects TLS, and whose authority nobody trusts here.
TEST_F(DoctorTest, SaysWhoEndsTlsOnTheWayWhereItIsNotTrusted) {
  TemporaryDirectory const folder;
  auto const key = folder.PathOf("key.pem");
  auto const certificate = folder.PathOf("certificate.pem");
  auto const made = RunCommand(
      {{"req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj",
        "/CN=Inspector/O=Contoso Network"},
       {},
       {},
       "/usr/bin/openssl"});
  ASSERT_EQ(made.Status, 0) << made.Error;
  auto const port = std::to_string(ReserveLoopbackPort());
  ServerProcess const inspector{
      {{"/usr/bin/openssl", "s_server", "-accept", "127.0.0.1:" + port, "-cert", certificate, "-key", key, "-quiet"},
       {}}};
  inspector.WaitUntilListening(static_cast<std::uint16_t>(std::stoi(port)));
  auto const host = emulator_.Startup().at("vault_host").get<std::string>();

  auto const result = Run({"doctor", "--json", "--connect-to", host + ":443:127.0.0.1:" + port, VaultUrl()});

  EXPECT_EQ(result.Status, 60) << result.Error;
  auto const report = nlohmann::json::parse(result.Out);
  auto const connection = Step(report, "connection");
  EXPECT_EQ(connection.at("verdict"), "failed");
  EXPECT_EQ(connection.at("facts").at("tls_ends_on_the_way"), true);
  EXPECT_THAT(connection.at("facts").at("server_issuer").get<std::string>(), HasSubstr("Contoso Network"));
  EXPECT_THAT(connection.at("action").get<std::string>(), HasSubstr("left out of the inspection"));
  EXPECT_THAT(Step(report, "url").at("action").get<std::string>(), Not(HasSubstr("--cacert")))
      << "to trust the inspector would bind nothing";
}

TEST_F(DoctorTest, NamesTheConnectionsStepWhereThereIsNone) {
  auto const host = emulator_.Startup().at("vault_host").get<std::string>();
  auto const result = Run({"doctor", "--json", "--connect-to", host + ":443:127.0.0.1:1", VaultUrl()});
  EXPECT_EQ(result.Status, 7) << result.Error;
  auto const report = nlohmann::json::parse(result.Out);
  EXPECT_EQ(Step(report, "connection").at("verdict"), "skipped");
  EXPECT_EQ(Step(report, "url").at("verdict"), "failed");
}

TEST_F(DoctorTest, SaysHowTheCertificateWasAskedForAndByWhom) {
  auto const connection = Step(Examine({VaultUrl()}), "connection");
  EXPECT_EQ(connection.at("facts").at("tls_version"), "TLSv1.2");
  EXPECT_EQ(connection.at("facts").at("certificate_asked"), "by_renegotiation");
  // The emulator stands in the vault's place, and ends TLS with a certificate of its own.
  EXPECT_EQ(connection.at("verdict"), "warning");
  EXPECT_EQ(connection.at("facts").at("tls_ends_on_the_way"), true);
  EXPECT_THAT(connection.at("facts").at("server_issuer").get<std::string>(), HasSubstr("mtlspop-emulator"));
}

TEST_F(DoctorTest, NeedsNoUrl) {
  auto const report = Examine({});
  EXPECT_EQ(Verdict(report, "token"), "ok");
  EXPECT_EQ(Verdict(report, "url"), "skipped");
  EXPECT_EQ(
      Step(Examine({"--resource", "https://storage.azure.com"}), "token").at("facts").at("audience"),
      "https://storage.azure.com");
}

TEST_F(DoctorTest, AsksAResourceWhatItWantsWhereTheHostIsNotKnown) {
  auto const vault = emulator_.Startup().at("vault").get<std::string>();
  auto const report = Examine({vault + "/secrets/boundsecret?api-version=7.4"}, {}, 94);
  EXPECT_EQ(Step(report, "url").at("facts").at("error"), "challenge_rejected");
  EXPECT_THAT(Step(report, "url").at("action").get<std::string>(), HasSubstr("--resource"));
}

TEST_F(DoctorTest, SaysThatNobodyAnswersAsTheMetadataService) {
  auto const report = Examine({"--metadata-endpoint", "http://127.0.0.1:1", VaultUrl()}, {}, 101);
  EXPECT_EQ(Verdict(report, "metadata_service"), "failed");
  EXPECT_THAT(Step(report, "metadata_service").at("figure").get<std::string>(), HasSubstr("probe got no connection"));
  EXPECT_THAT(Step(report, "metadata_service").at("action").get<std::string>(), HasSubstr("--cert"));
  EXPECT_EQ(Verdict(report, "url"), "skipped");
}

TEST_F(DoctorTest, SaysWhatElseAnswersAsTheMetadataService) {
  emulator_.ArmFault(
      {{"path", "/metadata/identity/getplatformmetadata"},
       {"count", -1},
       {"fault", {{"status", 200}, {"server_header", "gate"}, {"body", "<html><title>Please log in</title></html>"}}}});
  auto const report = Examine({VaultUrl()}, {}, 101);
  auto const figure = Step(report, "metadata_service").at("figure").get<std::string>();
  EXPECT_THAT(figure, AllOf(HasSubstr("a page for people"), HasSubstr("127.0.0.1")));
  EXPECT_THAT(figure, testing::Not(HasSubstr("Nobody")));
}

TEST_F(DoctorTest, SaysThatTheMetadataServiceIsTooOld) {
  emulator_.ArmFault({{"path", "/metadata/identity/getplatformmetadata"}, {"count", -1}, {"fault", {{"status", 404}}}});
  auto const report = Examine({VaultUrl()}, {}, 103);
  EXPECT_EQ(Step(report, "metadata_service").at("facts").at("source"), "imds_v1");
  auto const bearer = Examine({"--binding", "preferred", VaultUrl()});
  EXPECT_EQ(Verdict(bearer, "metadata_service"), "warning");
  EXPECT_EQ(Verdict(bearer, "token"), "warning");
  EXPECT_EQ(Step(bearer, "token").at("facts").at("token_type"), "Bearer");
}

TEST_F(DoctorTest, SaysThatBoundTokensAreSwitchedOff) {
  auto const report = Examine({VaultUrl()}, {"MSAL_MI_DISABLE_IMDS_V2=true"}, 103);
  EXPECT_EQ(Verdict(report, "environment"), "warning");
}

TEST_F(DoctorTest, ComparesTheClock) {
  emulator_.ArmFault(
      {{"path", "/secrets"}, {"count", -1}, {"fault", {{"headers", {{"Date", "Tue, 01 Jan 2030 00:00:00 GMT"}}}}}});
  auto const report = Examine({VaultUrl()}, {}, 106);
  EXPECT_EQ(Verdict(report, "clock"), "failed");
  EXPECT_THAT(Step(report, "clock").at("action").get<std::string>(), HasSubstr("clock"));
}

TEST_F(DoctorTest, TellsAMissingGrantFromARefusedToken) {
  std::string noAccess;
  for (auto const& identity : emulator_.Startup().at("identities")) {
    if (identity.at("name") == "no-access") noAccess = identity.at("client_id");
  }
  auto const report = Examine({"--identity", "client_id=" + noAccess, VaultUrl()});
  EXPECT_EQ(Verdict(report, "url"), "warning");
  EXPECT_THAT(Step(report, "url").at("action").get<std::string>(), HasSubstr("Grant"));

  emulator_.ArmFault(
      {{"path", "/secrets"},
       {"count", -1},
       {"fault", {{"status", 401}, {"body", {{"error", {{"code", "Unauthorized"}, {"message", "AKV10000"}}}}}}}});
  auto const refused = Examine({VaultUrl()}, {}, 94);
  EXPECT_EQ(Verdict(refused, "url"), "failed");
  EXPECT_THAT(Step(refused, "url").at("figure").get<std::string>(), HasSubstr("AKV10000"));
}

TEST_F(DoctorTest, ShowsWhoIssuedACertificateThatIsNotTrusted) {
  TestCertificateAuthority const other;
  auto const report = Examine({"--cacert", other.CertificatePath(), VaultUrl()}, {}, 104);
  EXPECT_THAT(
      Step(report, "token").at("facts").at("detail").get<std::string>(), HasSubstr("issued by CN=mtlspop-emulator"));
}

TEST_F(DoctorTest, ShowsNoSecretOfTheEnvironment) {
  auto const report = Examine(
      {VaultUrl()}, {"AZURE_CLIENT_SECRET=very-secret-indeed", "HTTPS_PROXY=http://user:hidden-word@127.0.0.1:1",
                     "NO_PROXY=*", "IDENTITY_HEADER=another-secret"});
  EXPECT_THAT(
      report.dump(),
      AllOf(Not(HasSubstr("very-secret")), Not(HasSubstr("hidden-word")), Not(HasSubstr("another-secret"))));
  EXPECT_EQ(Step(report, "environment").at("facts").at("not_heeded").at("AZURE_CLIENT_SECRET"), "[redacted]");
  EXPECT_TRUE(Step(report, "environment").at("facts").at("in_force").contains("HTTPS_PROXY"));
}

TEST_F(DoctorTest, LooksAtAnApplicationsCertificate) {
  OwnApp app{emulator_};
  auto const pem = app.Write(app.Certificate);
  auto const report = Examine({"--cert", pem, "--tenant", app.TenantId, "--client-id", app.ClientId, VaultUrl()});
  EXPECT_EQ(Verdict(report, "metadata_service"), "skipped");
  EXPECT_EQ(Verdict(report, "certificate"), "warning") << "it lives for a day";
  EXPECT_EQ(Step(report, "token").at("facts").at("application"), app.ClientId);
  auto const missing = Examine({"--cert", "/nowhere.pem", "--tenant", "t", "--client-id", "c"}, {}, 58);
  EXPECT_EQ(Verdict(missing, "certificate"), "failed");
}

TEST_F(DoctorTest, TriesTheTpm) {
  SoftwareTpm const tpm;
  auto const tcti = "TPM2TOOLS_TCTI=" + tpm.Tcti();
  EXPECT_EQ(Step(Examine({}, {tcti}), "key_tpm").at("facts").at("strength"), "hardware");
  auto const report = Examine({"--key", "tpm", VaultUrl()}, {tcti});
  EXPECT_EQ(Step(report, "certificate").at("facts").at("strength"), "hardware");
  EXPECT_EQ(Verdict(Examine({"--key", "tpm"}, {"TPM2TOOLS_TCTI=swtpm:path=/nowhere"}, 58), "key_tpm"), "failed");
}

class AskingDoctorTest : public DoctorTest {
 protected:
  AskingDoctorTest() : DoctorTest({"--client-certificate", "post-handshake"}) {}
};

TEST_F(AskingDoctorTest, KnowsPostHandshakeAuthentication) {
  auto const origin = "https://" + emulator_.Startup().at("vault_host").get<std::string>();
  auto const report = Examine({"--tls13", origin, VaultUrl()});
  EXPECT_EQ(Step(report, "connection").at("facts").at("certificate_asked"), "after_handshake");
  EXPECT_EQ(Step(report, "connection").at("facts").at("tls_version"), "TLSv1.3");
}

class FirstHandshakeDoctorTest : public DoctorTest {
 protected:
  FirstHandshakeDoctorTest() : DoctorTest({"--client-certificate", "handshake"}) {}
};

TEST_F(FirstHandshakeDoctorTest, KnowsTheFirstHandshake) {
  EXPECT_EQ(Step(Examine({VaultUrl()}), "connection").at("facts").at("certificate_asked"), "in_first_handshake");
}

}  // namespace
}  // namespace mtlspop::test
