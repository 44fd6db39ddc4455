#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/gateway_fixture.hpp"
#include "gateway/raw_client.hpp"
#include "gateway/server.hpp"
#include "support/temporary_directory.hpp"

namespace mtlspop::test {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::StartsWith;

// What somebody sends who wants the gateway and a server to see different requests. "~" stands for the name of whoever it is
// sent to, "/honest" for a path that is there; what is smuggled asks for a path that no honest message of these asks for.
struct HostileMessage {
  char const* Name;
  std::string Text;
};

std::string const Hidden = "GET /smuggled HTTP/1.1\r\nHost: ~\r\n\r\n";

std::vector<HostileMessage> HostileMessages() {
  std::string const start = "POST /honest HTTP/1.1\r\nHost: ~\r\n";
  std::string const get = "GET /honest HTTP/1.1\r\nHost: ~\r\n";
  return {
      {"TwoLengths", start + "Content-Length: 0\r\nContent-Length: 38\r\n\r\n" + Hidden},
      {"TwoEqualLengths", start + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc"},
      {"ListOfLengths", start + "Content-Length: 0, 38\r\n\r\n" + Hidden},
      {"ListOfEqualLengths", start + "Content-Length: 3, 3\r\n\r\nabc"},
      {"LengthWithPlus", start + "Content-Length: +3\r\n\r\nabc"},
      {"LengthWithMinus", start + "Content-Length: -3\r\n\r\nabc"},
      {"LengthInHexadecimal", start + "Content-Length: 0x3\r\n\r\nabc"},
      {"LengthWithSpaceInside", start + "Content-Length: 1 0\r\n\r\nabc"},
      {"LengthTooLarge", start + "Content-Length: 18446744073709551616\r\n\r\n"},
      {"LengthIsEmpty", start + "Content-Length:\r\n\r\n" + Hidden},
      {"LengthAndChunks", start + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + Hidden},
      {"ChunksAndLength", start + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + Hidden},
      {"UnknownCoding", start + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + Hidden},
      {"CodingBeforeChunked", start + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + Hidden},
      {"CodingAfterChunked", start + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + Hidden},
      {"ChunkedTwice", start + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + Hidden},
      {"IdentityThenChunked",
       start + "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + Hidden},
      {"CodingWithSpaceBeforeColon", start + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + Hidden},
      {"CodingWithTabBeforeColon", start + "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n" + Hidden},
      {"CodingWithVerticalTab", start +
                                    "Transfer-Encoding: \x0b"
                                    "chunked\r\n\r\n0\r\n\r\n" +
                                    Hidden},
      {"CodingInQuotes", start + "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n" + Hidden},
      {"CodingWithParameter", start + "Transfer-Encoding: chunked;x=1\r\n\r\n0\r\n\r\n" + Hidden},
      {"CodingInOlderVersion",
       "POST /honest HTTP/1.0\r\nHost: ~\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + Hidden},
      {"FoldedCoding", start + "Transfer-Encoding:\r\n chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + Hidden},
      {"ChunkSizeWithPrefix", start + "Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n" + Hidden},
      {"ChunkSizeNegative", start + "Transfer-Encoding: chunked\r\n\r\n-1\r\nabc\r\n0\r\n\r\n" + Hidden},
      {"ChunkSizeTooLarge", start + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc\r\n0\r\n\r\n" + Hidden},
      {"ChunkLongerThanItSays", start + "Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n" + Hidden},
      {"ChunkEndsWithLineFeedAlone", start + "Transfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n" + Hidden},
      {"ChunkExtensionHoldsLineFeed", start + "Transfer-Encoding: chunked\r\n\r\n3;a=\nb\r\nabc\r\n0\r\n\r\n" + Hidden},
      {"TwoHosts", get + "Host: evil.example\r\n\r\n"},
      {"NoHost", "GET /honest HTTP/1.1\r\n\r\n"},
      {"OtherHost", "GET /honest HTTP/1.1\r\nHost: evil.example\r\n\r\n"},
      {"HostWithUserInformation", "GET /honest HTTP/1.1\r\nHost: x@~\r\n\r\n"},
      {"AbsoluteTargetOfAnotherHost", "GET https://evil.example/smuggled HTTP/1.1\r\nHost: ~\r\n\r\n"},
      {"LineFeedInField", get + "x-a: b\n\r\n\r\n"},
      {"LineFeedsAlone", "GET /smuggled HTTP/1.1\nHost: ~\n\n"},
      {"CarriageReturnInField", get + "x-a: b\rTransfer-Encoding: chunked\r\n\r\n"},
      {"ZeroByteInField", get + std::string{"x-a: b\0c\r\n\r\n", 12}},
      {"ZeroByteInName", get + std::string{"x\0a: b\r\n\r\n", 10}},
      {"NameWithSpace", get + "x a: b\r\n\r\n"},
      {"FieldWithoutColon", get + "nonsense\r\n\r\n"},
      {"FirstFieldFolded", "GET /honest HTTP/1.1\r\n x: y\r\nHost: ~\r\n\r\n"},
      {"TargetWithSpace", "GET /honest b HTTP/1.1\r\nHost: ~\r\n\r\n"},
      {"TargetWithTab", "GET /honest\tb HTTP/1.1\r\nHost: ~\r\n\r\n"},
      {"TargetWithFragment", "GET /honest#b HTTP/1.1\r\nHost: ~\r\n\r\n"},
      {"TargetWithBackslash", "GET /hon\\est HTTP/1.1\r\nHost: ~\r\n\r\n"},
      {"TargetWithoutSlash", "GET honest HTTP/1.1\r\nHost: ~\r\n\r\n"},
      {"TargetIsAsterisk", "OPTIONS * HTTP/1.1\r\nHost: ~\r\n\r\n"},
      {"ConnectInside", "CONNECT evil.example:443 HTTP/1.1\r\nHost: ~\r\n\r\n" + Hidden},
      {"Trace", "TRACE /honest HTTP/1.1\r\nHost: ~\r\n\r\n"},
      {"UnknownVersion", "GET /honest HTTP/9.9\r\nHost: ~\r\n\r\n"},
      {"NoVersion", "GET /smuggled\r\n\r\n"},
      {"PrefaceOfHttp2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
      {"MethodWithControlCharacter", "G\x01T /honest HTTP/1.1\r\nHost: ~\r\n\r\n"},
      {"ConnectionNamesHost", get + "Connection: Host\r\n\r\n"},
      {"ConnectionNamesLength", start + "Content-Length: 3\r\nConnection: close, Content-Length\r\n\r\nabc"},
      {"UnknownExpectation", start + "Content-Length: 3\r\nExpect: 200-ok\r\n\r\nabc"},
      {"HeaderTooLong", get + "x-a: " + std::string(100'000, 'a') + "\r\n\r\n"},
      {"TooManyFields",
       [&] {
         auto text = get;
         for (int count = 0; count < 300; ++count) text += "x-a: b\r\n";
         return text + "\r\n";
       }()},
      {"OnlyLineEnds", "\r\n\r\n\r\n\r\n"},
      {"NoHttpAtAll", std::string{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11} + "\r\n\r\n"},
  };
}

// CONNECT is what a proxy is there for.
std::vector<HostileMessage> HostileConnects() {
  std::string const connect = "CONNECT ~:443 HTTP/1.1\r\nHost: ~\r\n";
  return {
      {"ConnectWithTwoLengths", connect + "Content-Length: 0\r\nContent-Length: 38\r\n\r\n" + Hidden},
      {"ConnectInChunks", connect + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + Hidden},
      {"ConnectWithTwoHosts", connect + "Host: evil.example\r\n\r\n"},
      {"ConnectWithoutPort", "CONNECT ~ HTTP/1.1\r\nHost: ~\r\n\r\n"},
      {"ConnectToPortZero", "CONNECT ~:0 HTTP/1.1\r\nHost: ~\r\n\r\n"},
      {"ConnectToNoPort", "CONNECT ~:65536 HTTP/1.1\r\nHost: ~\r\n\r\n"},
      {"ConnectToTwoPorts", "CONNECT ~:443:443 HTTP/1.1\r\nHost: ~\r\n\r\n"},
      {"ConnectWithUserInformation", "CONNECT user@~:443 HTTP/1.1\r\nHost: ~\r\n\r\n"},
      {"ConnectToUrl", "CONNECT https://~/honest HTTP/1.1\r\nHost: ~\r\n\r\n"},
      {"ConnectToPath", "CONNECT /smuggled HTTP/1.1\r\nHost: ~\r\n\r\n"},
      {"ConnectWithFragment", "CONNECT ~#:443 HTTP/1.1\r\nHost: ~\r\n\r\n"},
      {"ConnectOpenBracket", "CONNECT [::1:443 HTTP/1.1\r\nHost: ~\r\n\r\n"},
      {"ConnectForwarded", connect + "X-Forwarded-For: 10.0.0.1\r\n\r\n"},
      {"ConnectWithCredentialsTwice", connect + "Proxy-Authorization: Basic eDp4\r\n\r\n"},
  };
}

void ReplaceAll(std::string& text, std::string_view what, std::string const& by) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) {
    text.replace(at, what.size(), by);
  }
}

// One of the gateway's ways in, as whoever may use it.
struct Door {
  std::function<RawClient()> Connect;
  std::string Host;
  std::string HonestPath;
  // What lets him in, each with its line's end.
  std::string Fields{};
};

class AttackGatewayMessage : public GatewayTest {
 protected:
  static std::string For(Door const& door, std::string text) {
    // Whoever is refused for want of a secret proves nothing.
    auto const host = text.find("Host: ~\r\n");
    if (host != std::string::npos) text.insert(host + 9, door.Fields);
    ReplaceAll(text, "~", door.Host);
    ReplaceAll(text, "/honest", door.HonestPath);
    return text;
  }

  void ExpectRefused(Door const& door, std::vector<HostileMessage> const& messages) {
    for (auto const& message : messages) {
      SCOPED_TRACE(message.Name);
      auto client = door.Connect();
      client.Send(For(door, message.Text));
      client.EndSending();
      auto const answer = client.ReadAll();
      // One that was taken would have no answer either: its client has left.
      EXPECT_THAT(answer, StartsWith("HTTP/1.1 4")) << answer.substr(0, 500);
      EXPECT_EQ(answer.find("\nHTTP/1."), std::string::npos) << "one answer at most: " << answer.substr(0, 1000);
    }
    EXPECT_EQ(Services().Count("/smuggled"), 0);
  }

  void ExpectAllRefused(Door const& door) {
    auto const messages = HostileMessages();
    EXPECT_GE(messages.size(), 40U);
    ExpectRefused(door, messages);
  }
  // That the door is one: an honest request passes.
  static void ExpectOpen(Door const& door) {
    auto client = door.Connect();
    client.Send(For(door, "GET /honest HTTP/1.1\r\nHost: ~\r\nConnection: close\r\n\r\n"));
    EXPECT_THAT(client.ReadAll(), StartsWith("HTTP/1.1 200 "));
  }

  std::string const Vault = Services().Startup().at("vault_host");
  std::string const HonestPath = "/secrets/boundsecret?api-version=7.4";
};

TEST_F(AttackGatewayMessage, ToAHostOnTheListIsNeverSeenAsTwoOrAsAnother) {
  Door const door{
      [this] { return TunnelTo(Vault, "Proxy-Connection: close\r\n"); }, Vault, HonestPath,
      "Authorization: Bearer " + HandleFor() + "\r\n"};
  ExpectOpen(door);
  ExpectAllRefused(door);
}

TEST_F(AttackGatewayMessage, ToTheProxyItselfOpensNothing) {
  Door const door{[this] { return RawClient{PortOf(Variable("HTTPS_PROXY"))}; }, Vault, HonestPath, ProxyCredentials()};
  auto messages = HostileMessages();
  // An honest one, to a proxy.
  messages.erase(
      std::remove_if(
          messages.begin(), messages.end(),
          [](auto const& message) { return message.Name == std::string{"ConnectInside"}; }),
      messages.end());
  ExpectRefused(door, messages);
  ExpectRefused(door, HostileConnects());
}

// RFC 9110 section 9.3.6: CONNECT has no content. What follows it is the tunnel's, whatever its Content-Length says.
TEST_F(AttackGatewayMessage, WhatFollowsConnectIsNoRequest) {
  for (auto const& host : {Vault + ":443", std::string{"127.0.0.1:1"}}) {
    RawClient client{PortOf(Variable("HTTPS_PROXY"))};
    auto hidden = Hidden;
    ReplaceAll(hidden, "~", host);
    client.Send(
        "CONNECT " + host + " HTTP/1.1\r\nHost: " + host + "\r\n" + ProxyCredentials() +
        "Content-Length: " + std::to_string(hidden.size()) + "\r\n\r\n" + hidden + hidden);
    client.EndSending();
    auto const answer = client.ReadAll();
    EXPECT_THAT(answer, AnyOf(StartsWith("HTTP/1.1 200 "), StartsWith("HTTP/1.1 502 ")));
    EXPECT_EQ(answer.find("\nHTTP/1."), std::string::npos) << "one answer at most: " << answer.substr(0, 1000);
  }
  EXPECT_EQ(Services().Count("/smuggled"), 0);
}

TEST_F(AttackGatewayMessage, ToTheStandInGetsNoHandle) {
  auto const port = PortOf(Variable("AZURE_POD_IDENTITY_AUTHORITY_HOST"));
  Door const door{
      [port] { return RawClient{port}; }, "127.0.0.1:" + std::to_string(port),
      "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net", "Metadata: true\r\n"};
  ExpectOpen(door);
  ExpectAllRefused(door);
}

class AttackGatewayServerMessage : public AttackGatewayMessage {
 protected:
  static constexpr char const* SecretText = "a-secret-of-this-test-that-is-long-enough";

  AttackGatewayServerMessage() {
    command::ServerOptions options;
    options.Credential = IdentitiesOf(Services());
    options.Transport = Services().MakeTransportOptions();
    // POST too, so that a body is not the reason.
    options.Origins = {
        {"/", "gateway.local", "https://" + Vault, "", {}, {"GET", "POST"}},
        {"/", "localhost", "https://" + Vault, "", {}, {"GET", "POST"}}};
    options.SocketPath = folder_.PathOf("gateway.sock");
    options.Port = 0;
    options.PortSecret = Secret{std::string{SecretText}};
    options.StatusPort = 0;
    server_ = command::Server::Start(std::move(options));
  }
  std::string SocketPath() const { return folder_.PathOf("gateway.sock"); }
  command::Server& Serving() { return *server_; }

 private:
  TemporaryDirectory folder_;
  std::unique_ptr<command::Server> server_;
};

TEST_F(AttackGatewayServerMessage, ToTheSocketIsNeverSeenAsTwoOrAsAnother) {
  Door const door{[this] { return RawClient{SocketPath()}; }, "gateway.local", HonestPath};
  ExpectOpen(door);
  ExpectAllRefused(door);
}

TEST_F(AttackGatewayServerMessage, ToThePortIsNeverSeenAsTwoOrAsAnother) {
  auto const port = Serving().Port();
  Door const door{
      [port] { return RawClient{port}; }, "localhost:" + std::to_string(port), HonestPath,
      std::string{"x-mtlspop-secret: "} + SecretText + "\r\n"};
  ExpectOpen(door);
  ExpectAllRefused(door);
}

TEST_F(AttackGatewayServerMessage, ToTheStatusPortIsRefused) {
  auto const port = Serving().StatusPort();
  Door const door{[port] { return RawClient{port}; }, "127.0.0.1:" + std::to_string(port), "/live"};
  ExpectOpen(door);
  ExpectAllRefused(door);
}

}  // namespace
}  // namespace mtlspop::test
