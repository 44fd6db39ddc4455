// `mtlspop get`: a request with a bound token, as curl would send it.
#include <gmock/gmock.h>

#include "command_process.hpp"
#include "credential/own_app.hpp"
#include "support/temporary_directory.hpp"

namespace mtlspop::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

using GetTest = CommandTest;

TEST_F(GetTest, ReadsASecretWithABoundToken) {
  auto const result = Run({"get", VaultUrl()});
  EXPECT_EQ(result.Status, 0) << result.Error;
  EXPECT_TRUE(json::parse(result.Out).at("value").is_string());
  EXPECT_THAT(result.Error, IsEmpty());
  auto const seen = emulator_.Log("vault").back();
  EXPECT_EQ(seen.at("token_type"), "mtls_pop");
  EXPECT_EQ(seen.at("x5t_s256"), seen.at("token_x5t_s256"));
  // The scope follows from the host: nothing is asked of the vault first.
  EXPECT_EQ(emulator_.Count("/secrets/boundsecret"), 1);
}

TEST_F(GetTest, LearnsTheScopeWhereTheHostIsNotKnown) {
  auto const vault = emulator_.Startup().at("vault").get<std::string>();
  auto environment = Environment();
  auto const result = RunCommand(
      {{"get", "--connect-to", "own.vault.example:443:" + vault.substr(8), "-f",
        "https://own.vault.example/secrets/boundsecret?api-version=7.4"},
       environment,
       {}});
  // The emulator's certificate is for real names only, and verification has no switch.
  EXPECT_EQ(result.Status, 60) << result.Error;
  auto const local = Run({"get", vault + "/secrets/boundsecret?api-version=7.4"});
  EXPECT_EQ(local.Status, 94) << "the challenge names a resource that 127.0.0.1 is no part of: " << local.Error;
  EXPECT_EQ(
      Run({"get", "--scope", "https://vault.azure.net/.default", vault + "/secrets/boundsecret?api-version=7.4"})
          .Status,
      0);
  EXPECT_EQ(
      Run({"get", "--resource", "https://vault.azure.net/", vault + "/secrets/boundsecret?api-version=7.4"}).Status, 0);
}

TEST_F(GetTest, IsAnyIdentityOfTheMachine) {
  for (auto const& identity : emulator_.Startup().at("identities")) {
    if (identity.at("type") != "UserAssigned" || identity.at("vault_access") == false) continue;
    for (auto const& [option, name] :
         {std::pair{"client_id=", "client_id"}, {"object_id=", "object_id"}, {"resource_id=", "msi_res_id"}}) {
      auto const result = Run({"get", "-f", "--identity", option + identity.at(name).get<std::string>(), VaultUrl()});
      EXPECT_EQ(result.Status, 0) << result.Error;
    }
    return;
  }
  FAIL() << "no user-assigned identity";
}

TEST_F(GetTest, IsAnApplicationWithACertificate) {
  OwnApp app{emulator_};
  auto const pem = app.Write(app.Certificate);
  std::vector<std::string> const who{"--tenant", app.TenantId, "--client-id", app.ClientId};
  auto arguments = std::vector<std::string>{"get", "-f", VaultUrl(), "--cert", pem};
  arguments.insert(arguments.end(), who.begin(), who.end());
  auto const result = Run(arguments);
  EXPECT_EQ(result.Status, 0) << result.Error;
  EXPECT_EQ(emulator_.Log("vault").back().at("x5t_s256"), app.Certificate.X5tS256);

  arguments = {"get", "-f", VaultUrl(), "--federated"};
  arguments.insert(arguments.end(), who.begin(), who.end());
  auto const federated = Run(arguments);
  EXPECT_EQ(federated.Status, 0) << federated.Error;
}

TEST_F(GetTest, ExchangesTheTokenOfAFile) {
  OwnApp app{emulator_};
  auto const pem = app.Write(app.Certificate);
  std::vector<std::string> const application{"--cert", pem, "--tenant", app.TenantId, "--client-id", app.ClientId};
  auto arguments = std::vector<std::string>{"token", "--reveal", "--resource", "api://AzureADTokenExchange"};
  arguments.insert(arguments.end(), application.begin(), application.end());
  auto const assertion = Run(arguments);
  ASSERT_EQ(assertion.Status, 0) << assertion.Error;

  arguments = {"get", "-f", VaultUrl(), "--assertion-file", app.Directory.WriteFile("assertion", assertion.Out)};
  arguments.insert(arguments.end(), application.begin(), application.end());
  auto const result = Run(arguments);
  EXPECT_EQ(result.Status, 0) << result.Error;

  // Another certificate than the one that the assertion is bound to is refused before anything is sent.
  auto const other = app.Authority.IssueForClient("other", KeyKind::Rsa2048);
  arguments.push_back("--cert");
  arguments.push_back(app.Write(other));
  arguments.erase(
      std::find(arguments.begin(), arguments.end(), "--cert"),
      std::find(arguments.begin(), arguments.end(), "--tenant"));
  auto const mismatch = Run(arguments);
  EXPECT_EQ(mismatch.Status, 104);
  EXPECT_THAT(mismatch.Error, HasSubstr("token_binding_mismatch"));
}

TEST_F(GetTest, StreamsBothWays) {
  TemporaryDirectory const folder;
  std::string text;
  for (int i = 0; text.size() < 3'000'000; ++i) text += std::to_string(i) + "\n";
  auto const file = folder.WriteFile("up", text);
  auto const up = Run({"get", "-i", "-T", file, BlobUrl("/box/thing")});
  EXPECT_EQ(up.Status, 0) << up.Error;
  EXPECT_THAT(up.Out, StartsWith("HTTP/1.1 201"));
  auto const down = Run({"get", BlobUrl("/box/thing")});
  EXPECT_EQ(down.Status, 0) << down.Error;
  EXPECT_TRUE(down.Out == text);
  auto const piped = Run({"get", "-i", "-T", "-", BlobUrl("/discard/thing")}, text);
  EXPECT_EQ(piped.Status, 0) << piped.Error;
  EXPECT_THAT(piped.Out, HasSubstr("x-emulator-body-size: " + std::to_string(text.size())));
  auto const kept = Run({"get", "-o", folder.PathOf("down"), BlobUrl("/box/thing")});
  EXPECT_EQ(kept.Status, 0) << kept.Error;
  EXPECT_THAT(kept.Out, IsEmpty());
  EXPECT_EQ(Run({"get", "-T", folder.PathOf("down"), "-i", BlobUrl("/discard/copy")}).Status, 0);
}

TEST_F(GetTest, SendsDataAsCurlDoes) {
  TemporaryDirectory const folder;
  auto const lines = folder.WriteFile("lines", "a=1\r\nb=2\n");
  auto const size = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"get", "-i", "-X", "PUT", BlobUrl("/discard/x")});
    auto const out = Run(arguments, "from input\n").Out;
    auto const field = out.find("x-emulator-body-size: ");
    return field == std::string::npos ? std::string{} : out.substr(field + 22, out.find("\r\n", field) - field - 22);
  };
  EXPECT_EQ(size({"-d", "x=1", "--data", "y=2"}), "7");
  EXPECT_EQ(size({"-d", "@" + lines}), "6");
  EXPECT_EQ(size({"--data-raw", "@" + lines}), std::to_string(lines.size() + 1));
  EXPECT_EQ(size({"--data-binary", "@" + lines}), "9");
  EXPECT_EQ(size({"-d", "@-"}), "10");
  EXPECT_EQ(size({"--json", "{}"}), "2");
}

TEST_F(GetTest, ShowsWhatTravelsAndNoSecret) {
  auto const result = Run({"get", "-v", "-i", "-H", "x-own: value", VaultUrl("missing")});
  EXPECT_EQ(result.Status, 0);
  EXPECT_THAT(result.Out, AllOf(StartsWith("HTTP/1.1 404"), HasSubstr("SecretNotFound")));
  EXPECT_THAT(
      result.Error, AllOf(
                        HasSubstr("> GET /secrets/missing?api-version=7.4 HTTP/1.1"), HasSubstr("> x-own: value"),
                        HasSubstr("> Authorization: [redacted]"), HasSubstr("< HTTP/1.1 404"), HasSubstr("TLSv1.2"),
                        HasSubstr("/metadata/identity/issuecredential: 200")));
  EXPECT_THAT(SecretsIn(result.Error), IsEmpty());
}

TEST_F(GetTest, ShowsThatItWaitsBeforeItTriesAgain) {
  emulator_.ArmFault({{"path", "/secrets"}, {"fault", {{"status", 503}, {"headers", {{"Retry-After", "1"}}}}}});
  auto const result = Run({"get", "-f", "-v", VaultUrl()});
  EXPECT_EQ(result.Status, 0) << result.Error;
  EXPECT_THAT(result.Error, HasSubstr(".vault.azure.net: attempt 2 follows in 1"));
}

// The signature in a storage account's link lets whoever reads it in.
TEST_F(GetTest, ShowsNoSignatureOfALink) {
  auto const result = Run(
      {"get", "-v", "--resource", "https://storage.azure.com",
       BlobUrl("/box/a?sv=2021-12-02&sp=r&sig=aGlkZGVuLXNpZw%3D%3D")});
  EXPECT_THAT(
      result.Error, AllOf(HasSubstr("> GET /box/a?sv=2021-12-02&sp=r&sig=[redacted]"), Not(HasSubstr("aGlkZGVu"))));
}

TEST_F(GetTest, TakesAConfigurationFile) {
  TemporaryDirectory const folder;
  auto const file = folder.WriteFile(
      "app.conf",
      "# who\nidentity = \"client_id=" + emulator_.Startup().at("identities").at(1).at("client_id").get<std::string>() +
          "\"\ncacert = \"" + emulator_.Startup().at("ca_file").get<std::string>() + "\"\n\n[get]\ninclude = true\n");
  auto environment = Environment();
  environment.erase(environment.begin());
  auto const result = RunCommand({{"get", "--config", file, VaultUrl()}, environment, {}});
  EXPECT_EQ(result.Status, 0) << result.Error;
  EXPECT_THAT(result.Out, StartsWith("HTTP/1.1 200"));
  // What is written on the command line wins.
  auto const overruled =
      RunCommand({{"get", "--config", file, "--identity", "client_id=nobody", VaultUrl()}, environment, {}});
  EXPECT_EQ(overruled.Status, 102) << overruled.Error;
}

TEST_F(GetTest, FailsWithAStatusThatIsAskedFor) {
  auto const silent = Run({"get", "-f", VaultUrl("missing")});
  EXPECT_EQ(silent.Status, 22);
  EXPECT_THAT(silent.Out, IsEmpty());
  EXPECT_THAT(silent.Error, HasSubstr("404"));
  auto const loud = Run({"get", "--fail-with-body", VaultUrl("missing")});
  EXPECT_EQ(loud.Status, 22);
  EXPECT_THAT(loud.Out, HasSubstr("SecretNotFound"));
  EXPECT_EQ(Run({"get", "-f", "-I", VaultUrl()}).Status, 22) << "the vault takes no HEAD";
}

TEST_F(GetTest, KeepsBindingsBetweenRuns) {
  TemporaryDirectory const folder;
  for (int i = 0; i < 2; ++i) {
    auto const result = Run({"get", "-f", "--binding-store", folder.PathOf("store"), VaultUrl()});
    EXPECT_EQ(result.Status, 0) << result.Error;
  }
  EXPECT_EQ(emulator_.Count("/metadata/identity/issuecredential"), 1);
}

TEST_F(GetTest, SendsABearerTokenOnlyWhereItIsToldTo) {
  emulator_.ArmFault({{"path", "/metadata/identity/getplatformmetadata"}, {"count", -1}, {"fault", {{"status", 404}}}});
  auto const refused = Run({"get", "-f", VaultUrl()});
  EXPECT_EQ(refused.Status, 103) << refused.Error;
  EXPECT_THAT(emulator_.Log("vault"), IsEmpty());
  auto const preferred = Run({"get", "-f", "--binding", "preferred", VaultUrl()});
  EXPECT_EQ(preferred.Status, 0) << preferred.Error;
  EXPECT_EQ(emulator_.Log("vault").back().at("token_type"), "Bearer");
  EXPECT_EQ(Run({"get", "-f", "--binding", "none", VaultUrl()}).Status, 0);
}

}  // namespace
}  // namespace mtlspop::test
