#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "gateway/gateway_fixture.hpp"
#include "gateway/handles.hpp"
#include "support/event.hpp"
#include "support/temporary_directory.hpp"

namespace mtlspop::test {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr char const* Mark = "x-mtlspop-error";

std::string Bearer(std::string const& token) { return "Authorization: Bearer " + token; }

class GatewayForwardProxy : public GatewayTest {};
class AttackGatewayForwardProxy : public GatewayTest {};

TEST_F(GatewayForwardProxy, ExchangesAHandleForABoundTokenOnTheWayToTheVault) {
  auto const handle = HandleFor();
  EXPECT_THAT(handle, StartsWith(std::string{gateway::Handles::Prefix}));

  auto const result = Curl({"-i", "-H", Bearer(handle), VaultUrl()});

  EXPECT_EQ(result.Status, 0) << result.Errors;
  EXPECT_THAT(result.Output, AllOf(HasSubstr("HTTP/1.1 200 OK"), HasSubstr("boundsecret"), Not(HasSubstr(Mark))));
}

TEST_F(GatewayForwardProxy, PassesTheVaultsOwnChallengeBackToAProgramThatShowsNoHandle) {
  auto const result = Curl({"-i", VaultUrl()});
  EXPECT_THAT(
      result.Output, AllOf(
                         HasSubstr("HTTP/1.1 401"), HasSubstr("WWW-Authenticate: Bearer"),
                         HasSubstr("https://vault.azure.net"), Not(HasSubstr(Mark))));
}

TEST_F(GatewayForwardProxy, KeepsConnectionsOnBothSides) {
  auto const handle = HandleFor();
  auto const result = Curl(
      {"-v", "-H", Bearer(handle), VaultUrl(), VaultUrl("/secrets/boundsecret?api-version=7.4&x=2"),
       VaultUrl("/secrets/other?api-version=7.4")});
  EXPECT_THAT(result.Errors, HasSubstr("Re-using existing connection"));
  auto const log = Services().Log("vault");
  ASSERT_EQ(log.size(), 3U) << log.dump(1);
  EXPECT_EQ(log[0].at("connection"), log[2].at("connection")) << log.dump(1);
}

TEST_F(GatewayForwardProxy, AnswersHeadWithoutABody) {
  auto const handle = HandleFor();
  auto const result = Curl({"--head", "-H", Bearer(handle), VaultUrl(), VaultUrl()});
  EXPECT_EQ(result.Status, 0) << result.Errors;
  EXPECT_THAT(result.Output, AllOf(StartsWith("HTTP/1.1 "), Not(HasSubstr("boundsecret\""))));
}

TEST_F(GatewayForwardProxy, PassesConnectionsToAllOtherHostsThroughUntouched) {
  auto const vault = Services().Startup().at("vault").get<std::string>();
  auto const result = Curl({"-v", "-k", vault + "/secrets/boundsecret?api-version=7.4", "--noproxy", "no.example"});
  EXPECT_THAT(result.Errors, HasSubstr("issuer: CN=mtlspop-emulator root")) << result.Errors;
  EXPECT_THAT(result.Errors, Not(HasSubstr("mtlspop gateway"))) << "whose certificate it is";
}

TEST_F(GatewayForwardProxy, SaysWhatToDoWhereATunnelCannotBeMade) {
  auto const result = Curl({"-v", "https://127.0.0.1:1/", "--noproxy", "no.example"});
  EXPECT_EQ(result.Status, 56) << result.Errors;
  EXPECT_THAT(result.Errors, AllOf(HasSubstr("502"), HasSubstr("x-mtlspop-error: connect_failed")));
}

// Without it a client cannot tell an answer that ends with its connection from one that was cut (RFC 8446 section 6.1).
TEST_F(GatewayForwardProxy, SaysTheEndOfTlsWhereItClosesTheConnection) {
  auto const host = Services().Startup().at("vault_host").get<std::string>();
  auto client = TunnelTo(host);
  client.Send("GET /secrets/boundsecret?api-version=7.4 HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(client.ReadAll(), StartsWith("HTTP/1.1 401 "));
  EXPECT_TRUE(client.WasEndSaid());
}

// Node's Azure SDK sends the fields of the request along with CONNECT, its length among them, and none of its content.
TEST_F(GatewayForwardProxy, OpensATunnelWhereTheClientTellsTheLengthOfItsRequest) {
  auto const host = Services().Startup().at("vault_host").get<std::string>();
  auto client = TunnelTo(host, "Content-Type: application/octet-stream\r\nContent-Length: 15\r\n");
  client.Send("GET /secrets/boundsecret?api-version=7.4 HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(client.ReadAll(), StartsWith("HTTP/1.1 401 "));
}

class GatewayStatus : public GatewayTest {
 protected:
  GatewayStatus() {
    StartAnew([](command::GatewayOptions& options) { options.StatusPort = 0; });
  }
  std::string Ask(std::string const& path, std::vector<std::string> arguments = {}) {
    arguments.insert(arguments.end(), {"-i", "http://127.0.0.1:" + std::to_string(Running().StatusPort()) + path});
    return Curl(std::move(arguments)).Output;
  }
  std::string AskForToken() {
    return Curl({"-H", "Metadata: true",
                 Variable("AZURE_POD_IDENTITY_AUTHORITY_HOST") +
                     "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://storage.azure.com"})
        .Output;
  }
};

TEST_F(GatewayStatus, TellsInNumbersWhatTheProgramDid) {
  auto const handle = HandleFor();
  Curl({"-H", Bearer(handle), VaultUrl()});
  Curl({"-H", "Authorization: SharedKey a:b", VaultUrl()});
  testing::Matcher<std::string const&> const isAll = AllOf(
      HasSubstr("mtlspop_requests_total{origin=\"" + VaultUrl("") + "\",status=\"200\"} 1"),
      HasSubstr(R"(mtlspop_failures_total{code="authorization_not_a_handle"} 1)"),
      HasSubstr(R"(mtlspop_binding_days_left{identity="system-assigned"})"),
      HasSubstr("mtlspop_tokens_total{source=\"service\"} 1"), HasSubstr("mtlspop_pool_opened_total"));
  // An answer is counted when it has gone out: its reader may be first.
  std::string metrics;
  (void)Eventually([&] {
    metrics = Ask("/metrics");
    return isAll.Matches(metrics);
  });
  EXPECT_THAT(metrics, isAll);
  EXPECT_THAT(metrics, Not(HasSubstr(handle)));
  EXPECT_THAT(Ask("/live"), HasSubstr("HTTP/1.1 200 OK"));
  EXPECT_THAT(Ask("/ready"), HasSubstr("HTTP/1.1 200 OK"));
  EXPECT_THAT(Ask("/live", {"-H", "Host: evil.example"}), HasSubstr("HTTP/1.1 403"));
}

TEST_F(GatewayStatus, IsNotReadyWhileThereAreNoTokensAndAsksForWhatTheProgramDid) {
  Services().ArmFault({{"service", "sts"}, {"count", 3}, {"fault", {{"aadsts", "AADSTS500011"}}}});
  for (int failed = 0; failed < 3; ++failed) {
    EXPECT_THAT(Ask("/ready"), HasSubstr("HTTP/1.1 200 OK")) << failed;
    EXPECT_THAT(AskForToken(), HasSubstr("AADSTS500011"));
  }
  EXPECT_THAT(Ask("/ready"), AllOf(HasSubstr("HTTP/1.1 503"), HasSubstr("no tokens: ")));
  EXPECT_THAT(Ask("/live"), HasSubstr("HTTP/1.1 200 OK"));
  // Asked whether it is ready, it has tried.
  EXPECT_TRUE(Eventually([&] { return Ask("/ready").find("HTTP/1.1 200 OK") == 0; }));
}

class GatewayBodies : public GatewayTest {
 protected:
  std::string WriteBody(std::size_t size) {
    std::string text(size, 'x');
    for (std::size_t at = 0; at < size; at += 997) text[at] = static_cast<char>('a' + at % 26);
    return folder_.WriteFile("body", text);
  }
  std::string PathOf(std::string const& name) const { return folder_.PathOf(name); }
  std::vector<std::string> PutArguments(std::string const& handle) const {
    return {"-H", Bearer(handle),
            "-H", "x-ms-blob-type: BlockBlob",
            "-H", "x-ms-version: 2021-12-02",
            "-H", "Content-Type: application/octet-stream"};
  }
  void ExpectRoundTrip(std::vector<std::string> const& how, std::size_t size) {
    auto const handle = HandleFor("https://storage.azure.com");
    auto const body = WriteBody(size);
    auto put = PutArguments(handle);
    put.insert(put.end(), how.begin(), how.end());
    put.insert(put.end(), {"-i", "-T", how.empty() || how.front() != "-" ? body : "-", BlobUrl("/box/thing")});
    auto const sent = Curl(put);
    ASSERT_THAT(sent.Output, HasSubstr("HTTP/1.1 201")) << sent.Output << sent.Errors;
    auto get = PutArguments(handle);
    get.insert(get.end(), {"-o", PathOf("got"), BlobUrl("/box/thing")});
    auto const received = Curl(get);
    EXPECT_EQ(received.Status, 0) << received.Errors;
    EXPECT_EQ(ReadFile(PathOf("got")) == ReadFile(body), true);
  }

 private:
  TemporaryDirectory folder_;
};

TEST_F(GatewayBodies, TravelBothWaysWithALength) { ExpectRoundTrip({"-H", "Expect:"}, 3'000'000); }
TEST_F(GatewayBodies, WaitForTheServersContinue) { ExpectRoundTrip({"-H", "Expect: 100-continue"}, 3'000'000); }
TEST_F(GatewayBodies, TravelInChunks) { ExpectRoundTrip({"-H", "Transfer-Encoding: chunked"}, 300'000); }
TEST_F(GatewayBodies, MayBeEmpty) { ExpectRoundTrip({}, 0); }

TEST_F(AttackGatewayForwardProxy, ServesNobodyWithoutTheSecretOfThisRun) {
  auto const proxy = Variable("HTTPS_PROXY");
  auto const address = "http://" + proxy.substr(proxy.find('@') + 1);
  for (auto const& wrong : {address, "http://mtlspop:wrong@" + address.substr(7), "http://other:" + proxy.substr(15)}) {
    auto const result = Curl({"-v", "--proxy", wrong, VaultUrl()});
    EXPECT_EQ(result.Status, 56) << wrong << result.Errors;
    EXPECT_THAT(result.Errors, AllOf(HasSubstr(" 407 "), HasSubstr("x-mtlspop-error: proxy_credentials_required")));
  }
  EXPECT_EQ(Services().Log("vault").size(), 0U);
}

TEST_F(AttackGatewayForwardProxy, TakesNothingButConnect) {
  auto const proxy = Variable("HTTPS_PROXY");
  auto const result = Curl({"-i", "--proxy", proxy, "http://contoso.vault.azure.net/secrets"});
  EXPECT_THAT(result.Output, AllOf(HasSubstr(" 405 "), HasSubstr("x-mtlspop-error: method_not_allowed")));
}

TEST_F(AttackGatewayForwardProxy, AHandleIsWorthlessElsewhere) {
  auto const handle = HandleFor();
  // The thief has the handle, and speaks to the vault without the gateway.
  Request request{"GET", Url::Parse(VaultUrl())};
  request.Fields.Set("Authorization", "Bearer " + handle);
  auto const response = Services().Transport()->Send(request, nullptr, {});
  EXPECT_EQ(response->StatusCode, 401);
}

TEST_F(AttackGatewayForwardProxy, RefusesHandlesThatItDidNotGiveOut) {
  auto const result = Curl({"-i", "-H", Bearer(std::string{gateway::Handles::Prefix} + "forged"), VaultUrl()});
  EXPECT_THAT(
      result.Output,
      AllOf(HasSubstr(" 401 "), HasSubstr("x-mtlspop-error: handle_unknown"), HasSubstr("invalid_token")));
  EXPECT_EQ(Services().Log("vault").size(), 0U);
}

TEST_F(AttackGatewayForwardProxy, RefusesAHandleForAnotherResource) {
  auto const handle = HandleFor("https://storage.azure.com");
  auto const result = Curl({"-i", "-H", Bearer(handle), VaultUrl()});
  EXPECT_THAT(result.Output, AllOf(HasSubstr(" 403 "), HasSubstr("x-mtlspop-error: handle_for_another_resource")));
}

TEST_F(AttackGatewayForwardProxy, SendsOnNoAuthorizationButItsOwn) {
  for (auto const* const authorization :
       {"Authorization: Bearer eyJhbGciOiJub25lIn0.e30.", "Authorization: mtls_pop x", "Authorization: SharedKey a:b",
        "Authorization: Bearer", "x-ms-authorization-auxiliary: Bearer x",
        "x-ms-copy-source-authorization: Bearer x"}) {
    auto const result = Curl({"-i", "-H", authorization, VaultUrl()});
    EXPECT_THAT(result.Output, AllOf(HasSubstr(" 403 "), HasSubstr(Mark))) << authorization;
  }
  EXPECT_EQ(Services().Log("vault").size(), 0U);
}

TEST_F(AttackGatewayForwardProxy, LetsNoHandleOutInAnotherPlace) {
  auto const handle = HandleFor();
  std::vector<std::vector<std::string>> const places{
      {"-H", Bearer(handle), "-H", "x-copy: " + handle, VaultUrl()},
      {"-H", Bearer(handle), VaultUrl("/secrets/boundsecret?api-version=7.4&t=" + handle)},
      {"-H", Bearer(handle), "-H", Bearer(handle), VaultUrl()},
      {"-H", "x-" + handle + ": 1", VaultUrl()}};
  for (auto arguments : places) {
    arguments.insert(arguments.begin(), "-i");
    EXPECT_THAT(Curl(arguments).Output, AllOf(HasSubstr(" 403 "), HasSubstr("x-mtlspop-error: handle_misplaced")));
  }
  EXPECT_EQ(Services().Log("vault").size(), 0U);
}

TEST_F(AttackGatewayForwardProxy, SendsARequestForAnotherHostNowhere) {
  auto const handle = HandleFor();
  auto const result = Curl({"-i", "-H", Bearer(handle), "-H", "Host: contoso.blob.core.windows.net", VaultUrl()});
  EXPECT_THAT(result.Output, AllOf(HasSubstr(" 421 "), HasSubstr("x-mtlspop-error: host_mismatch")));
}

TEST_F(AttackGatewayForwardProxy, RefusesWhatSomebodyElseHasSentOn) {
  auto const result = Curl({"-i", "-H", Bearer(HandleFor()), "-H", "X-Forwarded-For: 10.0.0.1", VaultUrl()});
  EXPECT_THAT(result.Output, AllOf(HasSubstr(" 403 "), HasSubstr("x-mtlspop-error: forwarded_request_refused")));
}

TEST_F(AttackGatewayForwardProxy, MarksNoServersAnswerAsItsOwn) {
  auto const result = Curl({"-i", "-H", Bearer(HandleFor()), VaultUrl("/secrets/absent?api-version=7.4")});
  EXPECT_THAT(result.Output, AllOf(HasSubstr(" 404 "), Not(HasSubstr(Mark))));
}

TEST_F(AttackGatewayForwardProxy, LeavesNoFileBehind) {
  auto const bundle = Variable("SSL_CERT_FILE");
  auto const own = Variable("NODE_EXTRA_CA_CERTS");
  EXPECT_THAT(ReadFile(bundle), EndsWith(ReadFile(own)));
  EXPECT_THAT(ReadFile(own), Not(HasSubstr("PRIVATE KEY")));
  Stop();
  EXPECT_FALSE(std::ifstream{bundle}.good());
  EXPECT_FALSE(std::ifstream{own}.good());
}

}  // namespace
}  // namespace mtlspop::test
