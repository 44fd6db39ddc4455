#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "gateway/gateway_fixture.hpp"
#include "gateway/raw_client.hpp"

namespace mtlspop::test {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

// What somebody sends who wants the gateway and a server to see different requests. "@" stands for the vault's name; what is
// smuggled asks for a path that no honest message of these asks for.
struct HostileMessage {
  char const* Name;
  std::string Text;
};

std::string const Hidden = "GET /smuggled HTTP/1.1\r\nHost: @\r\n\r\n";

std::vector<HostileMessage> HostileMessages() {
  std::string const start = "POST /secrets/a HTTP/1.1\r\nHost: @\r\n";
  std::string const get = "GET /secrets/a HTTP/1.1\r\nHost: @\r\n";
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
       "POST /secrets/a HTTP/1.0\r\nHost: @\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + Hidden},
      {"FoldedCoding", start + "Transfer-Encoding:\r\n chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + Hidden},
      {"ChunkSizeWithPrefix", start + "Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n" + Hidden},
      {"ChunkSizeNegative", start + "Transfer-Encoding: chunked\r\n\r\n-1\r\nabc\r\n0\r\n\r\n" + Hidden},
      {"ChunkSizeTooLarge", start + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc\r\n0\r\n\r\n" + Hidden},
      {"ChunkLongerThanItSays", start + "Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n" + Hidden},
      {"ChunkEndsWithLineFeedAlone", start + "Transfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n" + Hidden},
      {"ChunkExtensionHoldsLineFeed", start + "Transfer-Encoding: chunked\r\n\r\n3;a=\nb\r\nabc\r\n0\r\n\r\n" + Hidden},
      {"TwoHosts", get + "Host: evil.example\r\n\r\n"},
      {"NoHost", "GET /secrets/a HTTP/1.1\r\n\r\n"},
      {"OtherHost", "GET /secrets/a HTTP/1.1\r\nHost: evil.example\r\n\r\n"},
      {"HostWithUserInformation", "GET /secrets/a HTTP/1.1\r\nHost: x@@\r\n\r\n"},
      {"AbsoluteTargetOfAnotherHost", "GET https://evil.example/smuggled HTTP/1.1\r\nHost: @\r\n\r\n"},
      {"LineFeedInField", get + "x-a: b\n\r\n\r\n"},
      {"LineFeedsAlone", "GET /smuggled HTTP/1.1\nHost: @\n\n"},
      {"CarriageReturnInField", get + "x-a: b\rTransfer-Encoding: chunked\r\n\r\n"},
      {"ZeroByteInField", get + std::string{"x-a: b\0c\r\n\r\n", 12}},
      {"ZeroByteInName", get + std::string{"x\0a: b\r\n\r\n", 10}},
      {"NameWithSpace", get + "x a: b\r\n\r\n"},
      {"FieldWithoutColon", get + "nonsense\r\n\r\n"},
      {"FirstFieldFolded", "GET /secrets/a HTTP/1.1\r\n x: y\r\nHost: @\r\n\r\n"},
      {"TargetWithSpace", "GET /secrets/a b HTTP/1.1\r\nHost: @\r\n\r\n"},
      {"TargetWithTab", "GET /secrets/a\tb HTTP/1.1\r\nHost: @\r\n\r\n"},
      {"TargetWithFragment", "GET /secrets/a#b HTTP/1.1\r\nHost: @\r\n\r\n"},
      {"TargetWithBackslash", "GET /secrets\\a HTTP/1.1\r\nHost: @\r\n\r\n"},
      {"TargetWithoutSlash", "GET secrets HTTP/1.1\r\nHost: @\r\n\r\n"},
      {"TargetIsAsterisk", "OPTIONS * HTTP/1.1\r\nHost: @\r\n\r\n"},
      {"ConnectInside", "CONNECT evil.example:443 HTTP/1.1\r\nHost: @\r\n\r\n" + Hidden},
      {"Trace", "TRACE /secrets/a HTTP/1.1\r\nHost: @\r\n\r\n"},
      {"UnknownVersion", "GET /secrets/a HTTP/9.9\r\nHost: @\r\n\r\n"},
      {"NoVersion", "GET /smuggled\r\n\r\n"},
      {"PrefaceOfHttp2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
      {"MethodWithControlCharacter", "G\x01T /secrets/a HTTP/1.1\r\nHost: @\r\n\r\n"},
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

std::string Filled(std::string text, std::string const& host) {
  for (auto at = text.rfind('@'); at != std::string::npos; at = at == 0 ? std::string::npos : text.rfind('@', at - 1)) {
    text.replace(at, 1, host);
  }
  return text;
}

class AttackGatewayMessage : public GatewayTest {
 protected:
  std::string const Vault = Services().Startup().at("vault_host");

  // A connection to the vault, as the gateway answers for it.
  RawClient Connected() {
    RawClient client{PortOf(Variable("HTTPS_PROXY"))};
    auto const proxy = Variable("HTTPS_PROXY");
    auto const user = proxy.substr(7, proxy.find('@') - 7);
    std::string encoded(4 * ((user.size() + 2) / 3) + 1, '\0');
    encoded.resize(static_cast<std::size_t>(EVP_EncodeBlock(
        reinterpret_cast<unsigned char*>(encoded.data()), reinterpret_cast<unsigned char const*>(user.data()),
        static_cast<int>(user.size()))));
    client.Send(
        "CONNECT " + Vault + ":443 HTTP/1.1\r\nHost: " + Vault + ":443\r\nProxy-Authorization: Basic " + encoded +
        "\r\nProxy-Connection: close\r\n\r\n");
    EXPECT_THAT(client.ReadHead(), StartsWith("HTTP/1.1 200 "));
    EXPECT_TRUE(client.StartTls(Vault, Variable("NODE_EXTRA_CA_CERTS")));
    return client;
  }
};

TEST_F(AttackGatewayMessage, IsNeverSeenByTheServerAsTwoOrAsAnother) {
  auto const messages = HostileMessages();
  EXPECT_GE(messages.size(), 40U);
  for (auto const& message : messages) {
    SCOPED_TRACE(message.Name);
    auto client = Connected();
    client.Send(Filled(message.Text, Vault));
    client.EndSending();
    auto const answer = client.ReadAll();
    EXPECT_THAT(answer, AnyOf(IsEmpty(), StartsWith("HTTP/1.1 4"))) << answer.substr(0, 500);
    EXPECT_EQ(answer.find("\nHTTP/1."), std::string::npos) << "one answer at most: " << answer.substr(0, 1000);
  }
  EXPECT_EQ(Services().Count("/smuggled"), 0);
}

}  // namespace
}  // namespace mtlspop::test
