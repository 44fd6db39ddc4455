// Connections to hosts off the list, where this machine reaches the outside through a proxy of the user's own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <iterator>
#include <memory>
#include <thread>
#include <vector>

#include "gateway/gateway_fixture.hpp"
#include "support/event.hpp"
#include "support/scoped_environment.hpp"
#include "support/scripted_server.hpp"
#include "support/squid_proxy.hpp"
#include "transport/fake_names.hpp"

namespace mtlspop::test {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class GatewayTunnel : public GatewayTest {
 protected:
  /// A gateway that was started in an environment with these variables of proxies and no others.
  void StartIn(
      std::map<std::string, std::string> const& variables,
      std::chrono::milliseconds connectTimeout = std::chrono::seconds{30}) {
    ScopedEnvironment::Variables all;
    for (auto const* const name :
         {"https_proxy", "HTTPS_PROXY", "http_proxy", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"}) {
      auto const given = variables.find(name);
      all.emplace_back(name, given == variables.end() ? std::nullopt : std::make_optional(given->second));
    }
    ScopedEnvironment const environment{all};
    StartAnew([&](command::GatewayOptions& options) {
      options.Transport.Proxy = {};
      options.Transport.ConnectTimeout = connectTimeout;
    });
  }

  /// A server that is not on the list: the emulator's vault by its address.
  std::string OffTheList() { return Services().Startup().at("vault").get<std::string>(); }
  ProgramResult CurlOffTheList() {
    return Curl({"-k", "-i", OffTheList() + "/secrets/boundsecret?api-version=7.4", "--noproxy", "no.example"});
  }

  /// What the gateway says, or what comes through the tunnel, until it is closed.
  std::string AskForTunnel(std::string const& target = "far.example:443", std::string const& first = {}) const {
    RawClient client{PortOf(Variable("HTTPS_PROXY"))};
    client.Send("CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n" + ProxyCredentials() + "\r\n" + first);
    return client.ReadAll();
  }
};

TestCertificateAuthority& Authority() {
  static TestCertificateAuthority authority{"proxy"};
  return authority;
}

bool EndsWithText(std::string const& text, std::string const& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

std::string AddressOf(ScriptedServer const& server) { return "http://" + server.HostAndPort(); }

TEST_F(GatewayTunnel, GoesThroughTheUsersProxy) {
  SquidProxy const squid{SquidAuthentication::None, Authority().IssueForLoopback()};
  for (auto const* const name : {"https_proxy", "HTTPS_PROXY", "ALL_PROXY"}) {
    StartIn({{name, squid.PlainUrl()}});
    EXPECT_THAT(CurlOffTheList().Output, HasSubstr("HTTP/1.1 401")) << "the vault's own answer";
  }
  auto const line = "200 CONNECT " + OffTheList().substr(std::string{"https://"}.size()) + " -\n";
  EXPECT_TRUE(Eventually([&] { return EndsWithText(squid.AccessLog(), line + line + line); })) << squid.AccessLog();
}

TEST_F(GatewayTunnel, ShowsTheCredentialsInTheProxysUrl) {
  SquidProxy const squid{SquidAuthentication::Basic, Authority().IssueForLoopback()};
  auto const with = [&](std::string const& password) {
    return "http://" + std::string{SquidProxy::UserName} + ":" + PercentEncode(password) + "@" +
           squid.PlainUrl().substr(7);
  };
  StartIn({{"https_proxy", with(SquidProxy::Password)}});
  EXPECT_THAT(CurlOffTheList().Output, HasSubstr("HTTP/1.1 401"));

  StartIn({{"https_proxy", with("hidden-and-wrong")}});
  auto const refused = AskForTunnel();
  EXPECT_THAT(
      refused, AllOf(
                   StartsWith("HTTP/1.1 502 "), HasSubstr("x-mtlspop-error: proxy_authentication_required"),
                   HasSubstr("refuses the credentials with status 407"), HasSubstr("(https_proxy)")));
  EXPECT_THAT(refused, AllOf(Not(HasSubstr("hidden-and-wrong")), Not(HasSubstr(SquidProxy::UserName))));

  StartIn({{"https_proxy", squid.PlainUrl()}});
  EXPECT_THAT(AskForTunnel(), AllOf(StartsWith("HTTP/1.1 502 "), HasSubstr("wants credentials with status 407")));
}

TEST_F(GatewayTunnel, GoesDirectlyWhereNoProxySaysSo) {
  ScriptedServer const proxy{[](ScriptedConnection& connection) { connection.ReadHead(); }};
  for (auto const* const direct : {"127.0.0.1", "127.0.0.0/8", "*"}) {
    StartIn({{"https_proxy", AddressOf(proxy)}, {"NO_PROXY", direct}});
    EXPECT_THAT(CurlOffTheList().Output, HasSubstr("HTTP/1.1 401")) << direct;
  }
  StartIn({{"http_proxy", AddressOf(proxy)}});
  EXPECT_THAT(CurlOffTheList().Output, HasSubstr("HTTP/1.1 401")) << "which is not for https";
  EXPECT_EQ(proxy.ConnectionCount(), 0U);
}

/// More of them than the gateway has threads of its own.
TEST_F(GatewayTunnel, IsNotHeldUpByNamesThatAreSlow) {
  ScriptedServer const server{[](ScriptedConnection& connection) { connection.Write("hello"); }};
  FakeName const known{"known.example", {"127.0.0.1"}};
  FakeName slow{"slow.example", {"127.0.0.1"}};
  slow.HoldAnswers();
  StartIn({});
  std::vector<std::unique_ptr<RawClient>> waiting;
  for (unsigned count = 2 * std::thread::hardware_concurrency(); count > 0; --count) {
    waiting.push_back(std::make_unique<RawClient>(PortOf(Variable("HTTPS_PROXY"))));
    waiting.back()->Send(
        "CONNECT slow.example:443 HTTP/1.1\r\nHost: slow.example:443\r\n" + ProxyCredentials() + "\r\n");
  }
  ASSERT_TRUE(slow.Asked().Wait());
  auto const hostAndPort = server.HostAndPort();
  for (std::size_t round = 0; round < waiting.size(); ++round) {
    EXPECT_THAT(AskForTunnel("known.example" + hostAndPort.substr(hostAndPort.rfind(':'))), EndsWith("hello"));
  }
}

TEST_F(GatewayTunnel, SaysThatANameTookTooLong) {
  FakeName slow{"slow.example", {"127.0.0.1"}};
  slow.HoldAnswers();
  StartIn({}, std::chrono::milliseconds{200});
  EXPECT_THAT(
      AskForTunnel("slow.example:443"),
      AllOf(StartsWith("HTTP/1.1 504 "), HasSubstr("x-mtlspop-error: deadline_exceeded"), HasSubstr("slow.example")));
}

TEST_F(GatewayTunnel, AsksForTheHostAndNothingElse) {
  ReceivedRequest asked;
  ScriptedServer const proxy{[&](ScriptedConnection& connection) {
    asked = connection.ReadHead();
    connection.Write("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 Fine\r\nContent-Length: 7\r\n\r\n");
  }};
  StartIn({{"https_proxy", "http://user:pass%20word@" + proxy.HostAndPort()}});
  EXPECT_THAT(AskForTunnel("[2001:db8::1]:8443"), AllOf(StartsWith("HTTP/1.1 200 "), EndsWith("\r\n\r\n")));
  EXPECT_EQ(
      asked.Head,
      "CONNECT [2001:db8::1]:8443 HTTP/1.1\r\nHost: [2001:db8::1]:8443\r\n"
      "Proxy-Authorization: Basic dXNlcjpwYXNzIHdvcmQ=\r\n\r\n");

  StartIn({{"https_proxy", AddressOf(proxy)}});
  EXPECT_THAT(AskForTunnel(), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(asked.Head, "CONNECT far.example:443 HTTP/1.1\r\nHost: far.example:443\r\n\r\n");
  EXPECT_EQ(proxy.ConnectionCount(), 2U);
}

// A server behind it may speak first, and a client before it is answered.
TEST_F(GatewayTunnel, LosesNoByteOnEitherSideOfTheAnswer) {
  std::string const much(100'000, 'm');
  ScriptedServer const proxy{[&](ScriptedConnection& connection) {
    connection.ReadHead();
    connection.Write("HTTP/1.1 200 OK\r\n\r\n220 hello " + much);
    connection.Write(connection.ReadExactly(4));
  }};
  StartIn({{"https_proxy", AddressOf(proxy)}});
  EXPECT_THAT(
      AskForTunnel("far.example:25", "ping"),
      AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("\r\n\r\n220 hello mm"), EndsWith("mmping")));
}

TEST_F(GatewayTunnel, SaysWhereTheProxyIsNotThere) {
  StartIn({{"HTTPS_PROXY", "http://127.0.0.1:1"}});
  EXPECT_THAT(
      AskForTunnel(), AllOf(
                          StartsWith("HTTP/1.1 502 "), HasSubstr("x-mtlspop-error: connect_failed"),
                          HasSubstr("the proxy 127.0.0.1:1 (HTTPS_PROXY), for far.example")));
}

TEST_F(GatewayTunnel, TakesNoOtherWayWhereTheProxyIsOfAKindThatItDoesNotSpeak) {
  ScriptedServer const proxy{[](ScriptedConnection& connection) { connection.ReadHead(); }};
  StartIn({{"https_proxy", "https://user:hidden@" + proxy.HostAndPort()}});
  EXPECT_THAT(
      AskForTunnel(), AllOf(
                          StartsWith("HTTP/1.1 502 "), HasSubstr("x-mtlspop-error: proxy_failed"), HasSubstr("TLS"),
                          Not(HasSubstr("hidden"))));
  StartIn({{"https_proxy", "socks5://user:hidden@" + proxy.HostAndPort()}});
  EXPECT_THAT(
      AskForTunnel(), AllOf(
                          StartsWith("HTTP/1.1 400 "), HasSubstr("x-mtlspop-error: invalid_argument"),
                          HasSubstr("only http and https proxies"), Not(HasSubstr("hidden"))));
  EXPECT_EQ(proxy.ConnectionCount(), 0U);
}

class AttackGatewayTunnel : public GatewayTunnel {
 protected:
  static std::ptrdiff_t OpenDescriptors() {
    std::filesystem::directory_iterator const all{"/proc/self/fd"};
    return std::distance(begin(all), end(all));
  }

  /// The gateway's answer where the proxy does this once it was asked, over and over.
  std::string WhereTheProxy(
      std::function<void(ScriptedConnection&)> const& answers,
      std::chrono::milliseconds connectTimeout = std::chrono::seconds{30}) {
    Stop();
    auto const before = OpenDescriptors();
    std::string answer;
    {
      ScriptedServer const proxy{[&](ScriptedConnection& connection) {
        connection.ReadHead();
        answers(connection);
      }};
      StartIn({{"https_proxy", "http://user:hidden@" + proxy.HostAndPort()}}, connectTimeout);
      for (int asked = 0; asked < 10; ++asked) answer = AskForTunnel();
      EXPECT_EQ(proxy.ConnectionCount(), 10U);
      EXPECT_TRUE(Eventually([&] {
        for (auto const& facts : proxy.Facts()) {
          if (!facts.ClosedByPeer) return false;
        }
        return true;
      })) << "the gateway has left connections to the proxy open";
    }
    Stop();
    EXPECT_TRUE(Eventually([&] { return OpenDescriptors() == before; }));
    EXPECT_THAT(answer, AllOf(Not(HasSubstr("hidden")), Not(HasSubstr("dXNlcjp")), Not(HasSubstr("HTTP/1.1 200"))));
    return answer;
  }
};

constexpr char const* ProxyFailed = "x-mtlspop-error: proxy_failed";

TEST_F(AttackGatewayTunnel, AProxyThatRefusesIsNamedWithItsStatusAndNothingOfItsAnswer) {
  for (int const status : {300, 403, 502, 999}) {
    auto const answer = WhereTheProxy([status](ScriptedConnection& connection) {
      connection.Answer(status, "<script>theirs</script>", "Set-Cookie: theirs\r\n");
      connection.WaitUntilClosed();
    });
    EXPECT_THAT(
        answer, AllOf(
                    StartsWith("HTTP/1.1 502 "), HasSubstr(ProxyFailed), Not(HasSubstr("theirs")),
                    HasSubstr("refuses a tunnel to far.example:443 with status " + std::to_string(status))));
  }
}

TEST_F(AttackGatewayTunnel, AProxyThatWritesGarbageOpensNothing) {
  for (auto const* const garbage :
       {"\x16\x03\x01 no HTTP", "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nno field\r\n\r\n", "SSH-2.0-x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"}) {
    auto const answer = WhereTheProxy([garbage](ScriptedConnection& connection) {
      connection.Write(garbage);
      connection.WaitUntilClosed();
    });
    EXPECT_THAT(answer, AllOf(StartsWith("HTTP/1.1 502 "), HasSubstr(ProxyFailed), HasSubstr("no answer that can be")))
        << garbage;
  }
}

TEST_F(AttackGatewayTunnel, AProxyThatNeverComesToAnEndIsLeft) {
  auto const header = WhereTheProxy([](ScriptedConnection& connection) {
    connection.Write("HTTP/1.1 200 OK\r\n");
    std::string const line = "x: " + std::string(1000, 'y') + "\r\n";
    for (;;) connection.Write(line);
  });
  EXPECT_THAT(header, AllOf(StartsWith("HTTP/1.1 502 "), HasSubstr(ProxyFailed), HasSubstr("too long")));

  auto const informational = WhereTheProxy([](ScriptedConnection& connection) {
    for (;;) connection.Write("HTTP/1.1 103 Early Hints\r\n\r\n");
  });
  EXPECT_THAT(informational, AllOf(HasSubstr(ProxyFailed), HasSubstr("informational answers without end")));
}

TEST_F(AttackGatewayTunnel, AProxyThatClosesEarlyIsNamed) {
  for (auto const* const begun : {"", "HTTP/1.1 200 OK\r\nVia: x"}) {
    auto const answer = WhereTheProxy([begun](ScriptedConnection& connection) {
      connection.Write(begun);
      connection.CloseForWriting();
      connection.WaitUntilClosed();
    });
    EXPECT_THAT(
        answer, AllOf(StartsWith("HTTP/1.1 502 "), HasSubstr(ProxyFailed), HasSubstr("in the place of an answer")));
  }
}

TEST_F(AttackGatewayTunnel, AProxyThatSaysNothingIsNotWaitedForWithoutEnd) {
  auto const answer = WhereTheProxy(
      [](ScriptedConnection& connection) { connection.WaitUntilClosed(); }, std::chrono::milliseconds{100});
  EXPECT_THAT(answer, AllOf(StartsWith("HTTP/1.1 504 "), HasSubstr("x-mtlspop-error: deadline_exceeded")));
}

}  // namespace
}  // namespace mtlspop::test
