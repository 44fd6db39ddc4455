// `mtlspop run`: an unchanged program whose calls travel with a bound token that it never sees.
#include <gmock/gmock.h>

#include <signal.h>

#include "command_process.hpp"
#include "support/temporary_directory.hpp"

namespace mtlspop::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class RunTest : public CommandTest {
 protected:
  /// What an SDK does: a token from what it takes for the metadata service, then the call.
  std::string Program() const {
    return "token=$(curl -s -H Metadata:true \"$AZURE_POD_IDENTITY_AUTHORITY_HOST/metadata/identity/oauth2/token"
           "?api-version=2018-02-01&resource=https://vault.azure.net\" | sed 's/.*\"access_token\":\"//; s/\".*//')\n"
           "echo \"held: $token\"\n"
           "curl -s -f -H \"Authorization: Bearer $token\" '" +
           VaultUrl() + "'\n";
  }
  /// One that the machine has, and that the command does not mean.
  std::string OtherIdentity() const { return emulator_.Startup().at("identities")[1].at("client_id"); }
  CommandResult RunShell(std::string const& script, std::vector<std::string> options = {}) const {
    options.insert(options.begin(), "run");
    options.insert(options.end(), {"--", "/bin/sh", "-c", script});
    return Run(std::move(options));
  }
};

TEST_F(RunTest, BindsTheCallsOfAProgramThatNeverHoldsAToken) {
  auto const result = RunShell(Program() + "exit 9");
  EXPECT_EQ(result.Status, 9) << result.Error;
  EXPECT_THAT(result.Out, HasSubstr("\"value\""));
  EXPECT_THAT(result.Out, HasSubstr("held: mtlspop-handle-"));
  EXPECT_THAT(SecretsIn(result.Out + result.Error), IsEmpty());
  auto const seen = emulator_.Log("vault").back();
  EXPECT_EQ(seen.at("token_type"), "mtls_pop");
  EXPECT_EQ(seen.at("x5t_s256"), seen.at("token_x5t_s256"));
}

TEST_F(RunTest, IsTheIdentityThatTheOptionsName) {
  std::string noAccess;
  for (auto const& identity : emulator_.Startup().at("identities")) {
    if (identity.at("name") == "no-access") noAccess = identity.at("client_id");
  }
  auto const result = RunShell(Program(), {"--identity", "client_id=" + noAccess});
  EXPECT_EQ(result.Status, 22) << "curl's own status for the vault's 403: " << result.Out << result.Error;
}

// The answer of what the program takes for the metadata service.
std::string AskFor(std::string const& query) {
  return "curl -s -H Metadata:true \"$AZURE_POD_IDENTITY_AUTHORITY_HOST/metadata/identity/oauth2/token"
         "?api-version=2018-02-01&resource=" +
         query + "\"";
}

TEST_F(RunTest, GivesABearerTokenForAnotherResourceWhereItIsToldTo) {
  auto const other = AskFor("https://database.windows.net/");
  EXPECT_THAT(RunShell(other).Out, HasSubstr("resource_not_on_the_list"));

  auto const result = RunShell(other, {"--bearer-for-others"});
  EXPECT_THAT(result.Out, HasSubstr("\"access_token\":\"eyJ")) << result.Error;
  EXPECT_THAT(result.Out, HasSubstr("\"resource\":\"https://database.windows.net\""));
  auto const asked = emulator_.Log("imds").back();
  EXPECT_EQ(asked.at("path"), "/metadata/identity/oauth2/token");
  EXPECT_THAT(asked.at("query").get<std::string>(), HasSubstr("database.windows.net%2F")) << "as the program wrote it";
}

// It is refused, and those who ask rightly are served all the same.
TEST_F(RunTest, SurvivesAQuestionForAnotherIdentity) {
  auto const result = RunShell(AskFor("https://vault.azure.net&client_id=" + OtherIdentity()) + "\n" + Program());
  EXPECT_EQ(result.Status, 0) << result.Error;
  EXPECT_THAT(result.Out, AllOf(HasSubstr("may only be"), HasSubstr("\"value\"")));
}

TEST_F(RunTest, GivesBearerTokensOfNoListedResourceAndOfNoOtherIdentity) {
  for (auto const* const listed : {"https://vault.azure.net", "HTTPS://VAULT.azure.net//.default/"}) {
    EXPECT_THAT(RunShell(AskFor(listed), {"--bearer-for-others"}).Out, HasSubstr("mtlspop-handle-")) << listed;
  }
  for (auto const* const resource : {"https://database.windows.net", "https://vault.azure.net"}) {
    auto const others = RunShell(AskFor(resource + ("&client_id=" + OtherIdentity())), {"--bearer-for-others"});
    EXPECT_THAT(others.Out, HasSubstr("may only be")) << resource;
  }
  auto const application = Run(
      {"run", "--bearer-for-others", "--federated", "--tenant", "contoso.example", "--client-id",
       "11111111-2222-3333-4444-555555555555", "--", "true"});
  EXPECT_EQ(application.Status, 125);
  EXPECT_THAT(application.Error, HasSubstr("no tokens of an application"));
}

TEST_F(RunTest, TellsItsOwnFailuresFromTheProgramsStatus) {
  EXPECT_EQ(Run({"run", "--", "no-such-program-anywhere"}).Status, 127);
  EXPECT_EQ(Run({"run", "--", "/"}).Status, 126);
  auto const mistaken = Run({"run", "--key", "nowhere", "--", "true"});
  EXPECT_EQ(mistaken.Status, 125);
  EXPECT_THAT(mistaken.Error, HasSubstr("--key"));
  EXPECT_EQ(Run({"run", "--host", "127.0.0.1", "--", "true"}).Status, 125);
  EXPECT_EQ(Run({"run"}).Status, 2);
}

TEST_F(RunTest, PassesOptionsBehindTheDashesToTheProgram) {
  auto const result = Run({"run", "--", "echo", "--binding", "-v", "--", "get"});
  EXPECT_EQ(result.Status, 0) << result.Error;
  EXPECT_EQ(result.Out, "--binding -v -- get\n");
}

TEST_F(RunTest, EndsWithItsProgramAndTakesTheGatewayAlong) {
  RunningCommand running{{{"run", "--", "/bin/sh", "-c", "echo $HTTPS_PROXY; exec sleep 300"}, Environment(), {}}};
  ASSERT_TRUE(running.WaitForOutput("\n"));
  ::kill(running.Pid(), SIGTERM);
  auto const result = running.Wait();
  EXPECT_EQ(result.Status, 128 + SIGTERM);
  auto const proxy = result.Out.substr(0, result.Out.find('\n'));
  auto const after = RunCommand({{"-c", "curl -s -x '" + proxy + "' https://example.org; exit $?"}, {}, {}, "/bin/sh"});
  EXPECT_EQ(after.Status, 7) << "nobody listens there any more";
}

}  // namespace
}  // namespace mtlspop::test
