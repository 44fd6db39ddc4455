#include "gateway/server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>

#include "credential/emulator.hpp"
#include "gateway/gateway_fixture.hpp"
#include "gateway/program.hpp"
#include "gateway/raw_client.hpp"
#include "support/error_code_of.hpp"
#include "support/event.hpp"
#include "support/temporary_directory.hpp"

namespace mtlspop::test {
namespace {

using command::Server;
using command::ServerOptions;
using gateway::ServedOrigin;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr char const* SecretText = "a-secret-of-this-test-that-is-long-enough";
constexpr char const* Vault = "https://contoso.vault.azure.net";
constexpr char const* Storage = "https://contoso.blob.core.windows.net";
constexpr char const* SecretPath = "/secrets/boundsecret?api-version=7.4";

class GatewayServer : public testing::Test {
 protected:
  ServerOptions Options() {
    ServerOptions options;
    options.Credential = IdentitiesOf(emulator_);
    options.Transport = emulator_.MakeTransportOptions();
    options.Origins = {{"/", "", Vault}};
    options.SocketPath = SocketPath();
    options.AccessLog = [this](std::string_view line) {
      std::lock_guard<std::mutex> const lock{mutex_};
      log_.append(line).append("\n");
    };
    return options;
  }

  std::string SocketPath() const { return folder_.PathOf("gateway.sock"); }
  Emulator& Services() { return emulator_; }
  TemporaryDirectory const& Folder() const { return folder_; }
  /// The lines of so many requests. An answer is logged, and counted before that, when it has gone out: its reader may be first.
  std::string LogOf(std::ptrdiff_t requests) {
    EXPECT_TRUE(Eventually([&] {
      std::lock_guard<std::mutex> const lock{mutex_};
      return std::count(log_.begin(), log_.end(), '\n') == requests;
    }));
    std::lock_guard<std::mutex> const lock{mutex_};
    return log_;
  }

  ProgramResult Ask(std::string const& path, std::vector<std::string> arguments = {}) const {
    arguments.insert(
        arguments.begin(),
        {"/usr/bin/curl", "--silent", "--show-error", "-i", "--path-as-is", "--unix-socket", SocketPath()});
    arguments.push_back("http://localhost" + path);
    return RunProgram(std::move(arguments), {});
  }
  static ProgramResult AskPort(std::uint16_t port, std::string const& path, std::vector<std::string> arguments = {}) {
    arguments.insert(arguments.begin(), {"/usr/bin/curl", "--silent", "--show-error", "-i"});
    arguments.push_back("http://127.0.0.1:" + std::to_string(port) + path);
    return RunProgram(std::move(arguments), {});
  }

 private:
  TemporaryDirectory folder_;
  Emulator emulator_;
  std::mutex mutex_;
  std::string log_;
};
class AttackGatewayServer : public GatewayServer {};

TEST_F(GatewayServer, ServesAVaultThroughAUnixSocket) {
  auto const server = Server::Start(Options());
  auto const result = Ask(SecretPath);
  EXPECT_THAT(result.Output, AllOf(HasSubstr("HTTP/1.1 200 OK"), HasSubstr("boundsecret"))) << result.Errors;
  EXPECT_THAT(Services().Log("vault").dump(), HasSubstr("mtls_pop"));
}

TEST_F(GatewayServer, ServesSeveralOriginsByPathAndHost) {
  auto options = Options();
  options.Origins = {
      {"/vault", "", Vault}, {"/blob/", "", Storage, "", {}, {"GET", "PUT"}}, {"/", "vault.local", Vault}};
  auto const server = Server::Start(std::move(options));
  EXPECT_THAT(Ask("/vault" + std::string{SecretPath}).Output, HasSubstr("HTTP/1.1 200 OK"));
  EXPECT_THAT(Ask(SecretPath, {"-H", "Host: vault.local"}).Output, HasSubstr("HTTP/1.1 200 OK"));
  EXPECT_THAT(Ask(SecretPath).Output, HasSubstr("x-mtlspop-error: no_such_origin"));
  EXPECT_THAT(Ask("/vaultsecrets/a").Output, HasSubstr("x-mtlspop-error: no_such_origin"));
  EXPECT_THAT(Ask("/vault?api-version=7.4").Output, HasSubstr("HTTP/1.1 4"));
  EXPECT_EQ(Services().Log("vault").back().at("path"), "/") << "a prefix without anything behind it is the root";
  auto const put = Ask("/blob/box/thing", {"-X", "PUT", "-H", "x-ms-blob-type: BlockBlob", "-d", "text"});
  EXPECT_THAT(put.Output, HasSubstr("HTTP/1.1 201"));
}

TEST_F(GatewayServer, ServesByHostOnAPortToo) {
  auto options = Options();
  options.Origins = {{"/", "vault.local", Vault}, {"/blob", "", Storage}};
  options.Port = 0;
  options.PortSecret = Secret{std::string{SecretText}};
  auto const server = Server::Start(std::move(options));
  auto const ask = [&](std::string const& host) {
    return AskPort(
               server->Port(), SecretPath,
               {"-H", std::string{"x-mtlspop-secret: "} + SecretText, "-H", "Host: " + host})
        .Output;
  };
  for (auto const& host : {std::string{"vault.local"}, "Vault.local:" + std::to_string(server->Port())}) {
    EXPECT_THAT(ask(host), HasSubstr("HTTP/1.1 200 OK")) << host;
  }
  EXPECT_THAT(ask("localhost:" + std::to_string(server->Port())), HasSubstr("no_such_origin"));
  for (auto const* const host : {"other.local", "localhost", "127.0.0.1", ""}) {
    EXPECT_THAT(ask(host), Not(HasSubstr("HTTP/1.1 200"))) << host;
  }
}

TEST_F(GatewayServer, ReloadsWithoutClosingAConnection) {
  auto options = Options();
  options.Port = 0;
  options.PortSecret = Secret{std::string{SecretText}};
  auto const server = Server::Start(std::move(options));
  RawClient client{server->Port()};
  auto const request =
      "GET /vault/secrets/boundsecret?api-version=7.4 HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(server->Port()) +
      "\r\nx-mtlspop-secret: " + SecretText + "\r\n\r\n";
  client.Send(request);
  auto head = client.ReadHead();
  EXPECT_THAT(head, Not(HasSubstr("HTTP/1.1 200")));
  EXPECT_THROW(server->Reload({}), Error);
  server->Reload({{"/vault", "", Vault}});
  // The body of the first answer stands before the second.
  client.Send(request);
  auto const next = client.ReadHead();
  EXPECT_THAT(next, HasSubstr("HTTP/1.1 200 OK"));
}

TEST_F(GatewayServer, TellsOfEachRequestInALineAndInNumbers) {
  auto options = Options();
  options.StatusPort = 0;
  auto const server = Server::Start(std::move(options));
  Ask(std::string{SecretPath} + "&sig=hidden", {"-H", "x-ms-client-request-id: 11111111-2222-3333-4444-555555555555"});
  Ask("/secrets/x", {"-X", "DELETE"});
  EXPECT_THAT(
      LogOf(2),
      AllOf(
          HasSubstr(R"("path":"/secrets/boundsecret","origin":"https://contoso.vault.azure.net","status":200)"),
          HasSubstr("11111111-2222-3333-4444-555555555555"), HasSubstr(R"("error":"method_not_allowed")"),
          Not(HasSubstr("hidden"))));
  auto const metrics = AskPort(server->StatusPort(), "/metrics").Output;
  EXPECT_THAT(
      metrics, AllOf(
                   HasSubstr(R"(mtlspop_requests_total{origin="https://contoso.vault.azure.net",status="200"} 1)"),
                   HasSubstr(R"(mtlspop_failures_total{code="method_not_allowed"} 1)"),
                   HasSubstr(R"(mtlspop_binding_days_left{identity="system-assigned"})"),
                   HasSubstr(R"(mtlspop_binding_rotations_total{identity="system-assigned"} 0)"),
                   HasSubstr("mtlspop_tokens_total{source=\"service\"} 1"), HasSubstr("mtlspop_pool_opened_total")));
  EXPECT_THAT(AskPort(server->StatusPort(), "/live").Output, HasSubstr("HTTP/1.1 200 OK"));
  EXPECT_THAT(AskPort(server->StatusPort(), "/ready").Output, HasSubstr("HTTP/1.1 200 OK"));
  EXPECT_THAT(AskPort(server->StatusPort(), "/live", {"-H", "Host: evil.example"}).Output, HasSubstr("HTTP/1.1 403"));
}

TEST_F(GatewayServer, IsNotReadyWhileThereAreNoTokens) {
  auto options = Options();
  options.StatusPort = 0;
  auto const server = Server::Start(std::move(options));
  auto const ready = [&] { return AskPort(server->StatusPort(), "/ready").Output; };
  EXPECT_THAT(ready(), HasSubstr("HTTP/1.1 200 OK"));
  Services().ArmFault(
      {{"path", "/metadata/identity/getplatformmetadata"}, {"count", -1}, {"fault", {{"status", 404}}}});
  for (int failed = 0; failed < 3; ++failed) {
    EXPECT_THAT(ready(), HasSubstr("HTTP/1.1 200 OK")) << failed;
    EXPECT_THAT(Ask(SecretPath).Output, HasSubstr("x-mtlspop-error: mtls_pop"));
  }
  EXPECT_THAT(ready(), AllOf(HasSubstr("HTTP/1.1 503"), HasSubstr("no tokens: mtls_pop_not_supported_in_imds_v1")));
  EXPECT_THAT(AskPort(server->StatusPort(), "/live").Output, HasSubstr("HTTP/1.1 200 OK"));
}

TEST_F(GatewayServer, LogsNoPathOfAnyLength) {
  auto const server = Server::Start(Options());
  std::string path = "/secrets";
  while (path.size() < 20'000) path += "/name";
  Ask(path);
  auto const log = LogOf(1);
  EXPECT_THAT(log, HasSubstr("/secrets/name/name"));
  EXPECT_LT(log.size(), 3'000U);
}

TEST_F(GatewayServer, RemovesItsSocketAndReplacesADeadOne) {
  Server::Start(Options());
  EXPECT_FALSE(::access(SocketPath().c_str(), F_OK) == 0);
  auto const server = Server::Start(Options());
  EXPECT_EQ(ErrorCodeOf([&] { Server::Start(Options()); }), "invalid_argument") << "one that lives is not replaced";
  EXPECT_THAT(Ask(SecretPath).Output, HasSubstr("HTTP/1.1 200 OK"));
}

TEST_F(AttackGatewayServer, ItsSocketIsItsUsersAlone) {
  auto const server = Server::Start(Options());
  struct stat status {};
  ASSERT_EQ(::stat(SocketPath().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  if (::geteuid() != 0 || !IsProgram("/usr/sbin/runuser")) GTEST_SKIP() << "needs root, to be somebody else";
  // Even where somebody has opened the file to all.
  ASSERT_EQ(::chmod(SocketPath().c_str(), 0666), 0);
  auto const result = RunProgram(
      {"/usr/sbin/runuser", "-u", "nobody", "--", "/usr/bin/curl", "-sS", "--unix-socket", SocketPath(),
       "http://localhost/"},
      {});
  EXPECT_NE(result.Status, 0);
  EXPECT_EQ(result.Output, "");
}

TEST_F(AttackGatewayServer, ASocketMayBeAGroupsToo) {
  auto options = Options();
  options.SocketGroup = "no-such-group-anywhere";
  EXPECT_EQ(ErrorCodeOf([&] { Server::Start(options); }), "invalid_argument");
  if (::geteuid() != 0 || !IsProgram("/usr/sbin/runuser")) GTEST_SKIP() << "needs root, to be somebody else";
  options.SocketGroup = "daemon";
  auto const server = Server::Start(std::move(options));
  struct stat status {};
  ASSERT_EQ(::stat(SocketPath().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0660U);
  auto const askAs = [this](std::string const& group) {
    return RunProgram(
        {"/usr/sbin/runuser", "-u", "nobody", "-g", group, "--", "/usr/bin/curl", "-sS", "-i", "--unix-socket",
         SocketPath(), "http://localhost" + std::string{SecretPath}},
        {});
  };
  EXPECT_THAT(askAs("daemon").Output, HasSubstr("HTTP/1.1 200 OK"));
  EXPECT_EQ(askAs("nogroup").Output, "");
  ASSERT_EQ(::chmod(SocketPath().c_str(), 0666), 0);
  EXPECT_EQ(askAs("nogroup").Output, "") << "whoever connects is asked for";
}

TEST_F(AttackGatewayServer, APortTakesNobodyWithoutTheSecretAndTheRightHost) {
  auto options = Options();
  options.Port = 0;
  EXPECT_EQ(ErrorCodeOf([&] { Server::Start(options); }), "invalid_argument") << "no port without a secret";
  options.PortSecret = Secret{std::string{SecretText}};
  auto const server = Server::Start(std::move(options));
  std::string const secret = std::string{"x-mtlspop-secret: "} + SecretText;
  EXPECT_THAT(AskPort(server->Port(), SecretPath, {"-H", secret}).Output, HasSubstr("HTTP/1.1 200 OK"));
  EXPECT_THAT(AskPort(server->Port(), SecretPath).Output, HasSubstr("x-mtlspop-error: secret_required"));
  EXPECT_THAT(AskPort(server->Port(), SecretPath, {"-H", secret + "x"}).Output, HasSubstr("HTTP/1.1 401"));
  EXPECT_THAT(AskPort(server->Port(), SecretPath, {"-H", secret, "-H", secret}).Output, HasSubstr("HTTP/1.1 401"));
  EXPECT_THAT(
      AskPort(server->Port(), SecretPath, {"-H", secret, "-H", "Host: evil.example"}).Output,
      HasSubstr("host_mismatch"));
  EXPECT_THAT(
      AskPort(server->Port(), SecretPath, {"-H", secret, "-H", "Origin: https://evil.example"}).Output,
      HasSubstr("browser_refused"));
  EXPECT_THAT(
      AskPort(server->Port(), SecretPath, {"-H", secret, "-H", "X-Forwarded-For: 10.0.0.1"}).Output,
      HasSubstr("HTTP/1.1 403"));
  EXPECT_EQ(Services().Log("vault").size(), 1U);
}

TEST_F(AttackGatewayServer, TakesWhereToGoAndAsWhomFromNoRequest) {
  auto options = Options();
  options.Origins = {{"/vault", "", Vault}, {"/blob", "", Storage}};
  auto const server = Server::Start(std::move(options));
  for (auto const* const path :
       {"/vault/../blob/box/thing", "/vault/%2e%2e/blob/x", "/vault/.%2E/x", "/vault/..%2fblob", "/./vault/x",
        "/vault/a%2fb", "/vault/a%5Cb"}) {
    EXPECT_THAT(Ask(path).Output, HasSubstr("x-mtlspop-error: path_refused")) << path;
  }
  EXPECT_THAT(
      Ask("/vault" + std::string{SecretPath}, {"-H", "Authorization: Bearer x"}).Output,
      HasSubstr("authorization_refused"));
  for (auto const* const method : {"PUT", "DELETE", "TRACE", "OPTIONS", "CONNECT", "GETX"}) {
    EXPECT_THAT(Ask("/vault" + std::string{SecretPath}, {"-X", method}).Output, HasSubstr("HTTP/1.1 405")) << method;
  }
  EXPECT_EQ(Services().Log("vault").size(), 0U);
}

TEST_F(AttackGatewayServer, RefusesOriginsThatItCouldNotBindTokensFor) {
  for (auto const& origin : std::vector<ServedOrigin>{
           {"/", "", "http://contoso.vault.azure.net"},
           {"/", "", "https://contoso.vault.azure.net/path"},
           {"/", "", "https://unknown.example"},
           {"/", "", "https://127.0.0.1"},
           {"a", "", Vault},
           {"/a/../b", "", Vault},
           {"/", "", Vault, "", {}, {"TRACE"}}}) {
    auto options = Options();
    options.Origins = {origin};
    EXPECT_EQ(ErrorCodeOf([&] { Server::Start(options); }), "invalid_argument") << origin.Origin << origin.PathPrefix;
  }
}

}  // namespace
}  // namespace mtlspop::test
