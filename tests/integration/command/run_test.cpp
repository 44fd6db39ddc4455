// `mtlspop run`: an unchanged program whose calls travel with a bound token that it never sees.
#include <gmock/gmock.h>

#include <signal.h>
#include <unistd.h>

#include "command_process.hpp"
#include "support/scripted_server.hpp"
#include "support/server_process.hpp"
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
  for (auto const* const other : {"cfa8b339-82a2-471a-a3c9-0fc0be7a4093", "https://vault.azure.net:443"}) {
    EXPECT_THAT(RunShell(AskFor(other), {"--bearer-for-others"}).Out, HasSubstr("resource_by_another_name")) << other;
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

// Of the command line's own syntax nothing holds for them.
TEST_F(RunTest, HandsTheProgramsArgumentsOverWordForWord) {
  std::vector<std::string> const given{"[a,b]", "[]",  "",    "{}",      "%%", "[.a, .b]", "[",
                                       "]",     "a,b", "'q'", "\"[x]\"", "--", "--config", "-K"};
  for (auto const& options : std::vector<std::vector<std::string>>{{"run"}, {"--binding", "required", "run"}}) {
    auto arguments = options;
    arguments.insert(arguments.end(), {"--", "/bin/sh", "-c", "for each; do echo \"<$each>\"; done", "[sh,x]"});
    arguments.insert(arguments.end(), given.begin(), given.end());
    std::string expected;
    for (auto const& each : given) expected += "<" + each + ">\n";
    auto const result = Run(arguments);
    EXPECT_EQ(result.Out, expected) << result.Error;
  }
  EXPECT_EQ(Run({"run", "--", "[true]"}).Status, 127) << "the program's name is one word, too";
  EXPECT_EQ(Run({"run", "true"}).Status, 0) << "a program without arguments needs no dashes";
  EXPECT_EQ(Run({"run", "echo", "[a,b]"}).Status, 2) << "one with arguments does";
  EXPECT_EQ(Run({"run", "--"}).Status, 2);
}

// SDKs ask these first, and the program would hold a token that can be stolen.
TEST_F(RunTest, LeadsTheProgramToNoOtherSourceOfTokens) {
  auto environment = Environment();
  std::vector<std::string> const others{"IDENTITY_ENDPOINT", "IDENTITY_HEADER",      "IDENTITY_SERVER_THUMBPRINT",
                                        "IMDS_ENDPOINT",     "IDENTITY_API_VERSION", "MSI_ENDPOINT",
                                        "MSI_SECRET"};
  for (auto const& name : others) environment.push_back(name + "=http://127.0.0.1:1/");
  environment.insert(environment.end(), {"AZURE_CLIENT_SECRET=hidden", "MSI_ENDPOINTS=kept"});
  auto const result = RunCommand({{"run", "--", "/usr/bin/env"}, environment, {}});
  EXPECT_EQ(result.Status, 0) << result.Error;
  for (auto const& name : others) EXPECT_THAT(result.Out, Not(HasSubstr("\n" + name + "="))) << name;
  EXPECT_THAT(result.Out, AllOf(HasSubstr("\nMSI_ENDPOINTS=kept"), HasSubstr("\nAZURE_CLIENT_SECRET=hidden")));
  EXPECT_THAT(result.Error, AllOf(HasSubstr("AZURE_CLIENT_SECRET is set"), Not(HasSubstr("hidden"))));
}

TEST_F(RunTest, LeavesTheProgramWhomEachVariableNamed) {
  TemporaryDirectory const folder;
  TemporaryDirectory const hashed;
  hashed.WriteFile("one.0", "# one of the folder\n");
  auto environment = Environment();
  environment.push_back("SSL_CERT_FILE=" + folder.WriteFile("ssl", "# of SSL_CERT_FILE"));
  environment.push_back("REQUESTS_CA_BUNDLE=" + folder.WriteFile("requests", "# of REQUESTS_CA_BUNDLE\n"));
  environment.push_back("CURL_CA_BUNDLE=" + hashed.Path());
  environment.push_back("NODE_EXTRA_CA_CERTS=" + folder.WriteFile("node", "# of NODE_EXTRA_CA_CERTS\n"));
  environment.push_back("AWS_CA_BUNDLE=/no/such/file");
  auto const read = [&](std::string const& variable) {
    return RunCommand({{"run", "--", "/bin/sh", "-c", "cat \"$" + variable + "\""}, environment, {}}).Out;
  };
  std::vector<std::pair<std::string, std::string>> const expected{
      {"SSL_CERT_FILE", "# of SSL_CERT_FILE\n"},   {"REQUESTS_CA_BUNDLE", "# of REQUESTS_CA_BUNDLE\n"},
      {"CURL_CA_BUNDLE", "# one of the folder\n"}, {"NODE_EXTRA_CA_CERTS", "# of NODE_EXTRA_CA_CERTS\n"},
      {"AWS_CA_BUNDLE", "# of SSL_CERT_FILE\n"},   {"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "# of SSL_CERT_FILE\n"}};
  for (auto const& [variable, named] : expected) {
    EXPECT_THAT(read(variable), testing::StartsWith(named + "-----BEGIN CERTIFICATE-----")) << variable;
  }
}

TEST_F(RunTest, AnswersAtAStatusPort) {
  auto const port = std::to_string(ReserveLoopbackPort());
  // An answer is counted when it has gone out: its reader may be first.
  auto const result = RunShell(
      Program() + "curl -s -i http://127.0.0.1:" + port +
          "/ready; for try in $(seq 200); do metrics=$(curl -s http://127.0.0.1:" + port +
          "/metrics); case $metrics in *'status=\"200\"} '*) break ;; esac; done; echo \"$metrics\"",
      {"--status-port", port});
  EXPECT_EQ(result.Status, 0) << result.Error;
  EXPECT_EQ(result.Error, "mtlspop: status on 127.0.0.1:" + port + "\n");
  EXPECT_THAT(
      result.Out, AllOf(
                      HasSubstr("HTTP/1.1 200 OK"), HasSubstr("status=\"200\"} "),
                      HasSubstr("mtlspop_tokens_total{source=\"service\"} 1")));
  EXPECT_EQ(Run({"run", "--status-port", "65536", "--", "true"}).Status, 2);
}

// The program has the gateway's proxy in its environment, and the gateway the user's.
TEST_F(RunTest, LeavesTheProgramsOtherConnectionsToTheUsersProxy) {
  ScriptedServer const proxy{[](ScriptedConnection& connection) {
    connection.ReadHead();
    connection.Answer(403, "");
  }};
  auto environment = Environment();
  environment.push_back("https_proxy=http://user:hidden@" + proxy.HostAndPort());
  environment.push_back("no_proxy=127.0.0.1");
  auto const ask = [&](std::string const& url) {
    return RunCommand({{"run", "--", "/usr/bin/curl", "-v", "--noproxy", "no.example", url}, environment, {}});
  };
  auto const refused = ask("https://far.example/");
  EXPECT_EQ(refused.Status, 56) << "curl's own, for a proxy that refuses";
  EXPECT_THAT(refused.Error, AllOf(HasSubstr("x-mtlspop-error: proxy_failed"), Not(HasSubstr("hidden"))));
  EXPECT_EQ(proxy.ConnectionCount(), 1U);
  EXPECT_THAT(ask("https://127.0.0.1:1/").Error, HasSubstr("x-mtlspop-error: connect_failed"));
  EXPECT_EQ(proxy.ConnectionCount(), 1U) << "what no_proxy names is connected to directly";
}

class AttackRunTest : public RunTest {};

// The kernel gives the files of a process that may not be looked at to root, and lets its user open none of them.
TEST_F(AttackRunTest, HasNoMemoryThatItsProgramCanRead) {
  auto const script =
      "stat -c %u /proc/$PPID/environ; stat -c %u /proc/$$/environ; "
      "cat /proc/$PPID/environ >/dev/null && echo read";
  CommandStart start{{"run", "--", "/bin/sh", "-c", script}, Environment(), {}};
  bool const isRoot = ::geteuid() == 0;
  if (isRoot) {
    if (::access("/usr/sbin/runuser", X_OK) != 0) GTEST_SKIP() << "needs runuser, to be somebody else";
    auto const reached =
        RunCommand({{"-u", "nobody", "--", "/usr/bin/test", "-x", start.Program}, {}, {}, "/usr/sbin/runuser"});
    if (reached.Status != 0) GTEST_SKIP() << "nobody else may enter the folder of " << start.Program;
    start.Arguments.insert(start.Arguments.begin(), {"-u", "nobody", "--", start.Program});
    start.Program = "/usr/sbin/runuser";
    // Nothing of it is needed, and the folder of the emulator's authority is root's.
    start.Environment.clear();
  }
  auto const result = RunCommand(start);
  auto const own =
      isRoot ? RunCommand({{"-u", "nobody"}, {}, {}, "/usr/bin/id"}).Out : std::to_string(::geteuid()) + "\n";
  EXPECT_EQ(result.Out, "0\n" + own) << result.Error;
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
