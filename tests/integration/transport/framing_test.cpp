// Answers that could be read in two ways, or are larger than anybody needs (RFC 9112 sections 2.2, 5, 6, 7, 11).

#include <gmock/gmock.h>

#include <limits>

#include "transport_test.hpp"

namespace mtlspop::test {
namespace {

using namespace std::string_literals;
using testing::AnyOf;
using testing::HasSubstr;

struct BadAnswer {
  std::string Name;
  std::string Bytes;
};

void PrintTo(BadAnswer const& answer, std::ostream* out) { *out << testing::PrintToString(answer.Bytes); }

template <typename Parameter>
std::string NameOf(testing::TestParamInfo<Parameter> const& info) {
  return info.param.Name;
}

class MalformedTest : public testing::TestWithParam<BadAnswer> {};

TEST_P(MalformedTest, IsRefusedAndTheConnectionClosed) {
  Event closed;
  ScriptedServer server{[&](ScriptedConnection& connection) {
    connection.ReadRequest();
    connection.Write(GetParam().Bytes);
    connection.WaitUntilClosed();
    closed.Set();
  }};
  auto const transport = MakeTransport();
  auto const error = ErrorOf([&] { Fetch(transport, Get(server.Url())); });
  ASSERT_TRUE(error) << "was taken for an answer";
  EXPECT_EQ(error->Code().Name(), "malformed_response");
  EXPECT_FALSE(error->Details().Action.empty());
  EXPECT_TRUE(closed.Wait());
  EXPECT_EQ(transport->PoolStatistics().Idle, 0U);
  EXPECT_EQ(transport->PoolStatistics().InUse, 0U);
  EXPECT_EQ(server.ConnectionCount(), 1U) << "asking again would bring the same";
}

std::string const Ok = "HTTP/1.1 200 OK\r\n";
std::string const Chunked = Ok + "Transfer-Encoding: chunked\r\n\r\n";
/// Ends what a lenient reader would still wait for, so that leniency shows as an answer and not as a hang.
std::string const End = "\r\n0\r\n\r\n";

INSTANTIATE_TEST_SUITE_P(
    Length,
    MalformedTest,
    testing::Values(
        BadAnswer{"LengthAndChunked", Ok + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello" + End},
        BadAnswer{"ChunkedAndLength", Ok + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n5\r\nhello" + End},
        BadAnswer{"DifferingLengths", Ok + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"},
        BadAnswer{"DifferingLengthsInOneField", Ok + "Content-Length: 5, 6\r\n\r\nhello!"},
        BadAnswer{"NegativeLength", Ok + "Content-Length: -5\r\n\r\nhello"},
        BadAnswer{"PlusLength", Ok + "Content-Length: +5\r\n\r\nhello"},
        BadAnswer{"HexadecimalLength", Ok + "Content-Length: 0x5\r\n\r\nhello"},
        BadAnswer{"EmptyLength", Ok + "Content-Length: \r\n\r\nhello"},
        BadAnswer{"TwoNumbersLength", Ok + "Content-Length: 5 5\r\n\r\nhello"},
        BadAnswer{"FractionLength", Ok + "Content-Length: 5.0\r\n\r\nhello"},
        BadAnswer{"OverflowingLength", Ok + "Content-Length: 18446744073709551621\r\n\r\nhello"},
        BadAnswer{"WordLength", Ok + "Content-Length: five\r\n\r\nhello"}),
    NameOf<BadAnswer>);

INSTANTIATE_TEST_SUITE_P(
    Coding,
    MalformedTest,
    testing::Values(
        BadAnswer{"UnknownCoding", Ok + "Transfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello" + End},
        BadAnswer{"ChunkedNotLast", Ok + "Transfer-Encoding: chunked, gzip\r\n\r\n5\r\nhello" + End},
        BadAnswer{"ChunkedTwice", Ok + "Transfer-Encoding: chunked, chunked\r\n\r\n5\r\nhello" + End},
        BadAnswer{
            "ChunkedInTwoFields",
            Ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello" + End},
        BadAnswer{"AlmostChunked", Ok + "Transfer-Encoding: xchunked\r\n\r\n5\r\nhello" + End},
        BadAnswer{"ChunkedWithParameter", Ok + "Transfer-Encoding: chunked;q=1\r\n\r\n5\r\nhello" + End},
        BadAnswer{"ChunkedInHttp10", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello" + End}),
    NameOf<BadAnswer>);

INSTANTIATE_TEST_SUITE_P(
    Chunks,
    MalformedTest,
    testing::Values(
        BadAnswer{"NoDigit", Chunked + "g\r\nhello" + End},
        BadAnswer{"EmptySize", Chunked + "\r\nhello" + End},
        BadAnswer{"NegativeSize", Chunked + "-5\r\nhello" + End},
        BadAnswer{"PlusSize", Chunked + "+5\r\nhello" + End},
        BadAnswer{"PrefixedSize", Chunked + "0x5\r\nhello" + End},
        BadAnswer{"LeadingSpace", Chunked + " 5\r\nhello" + End},
        BadAnswer{"OverflowingSize", Chunked + "10000000000000005\r\nhello" + End},
        BadAnswer{"LongData", Chunked + "5\r\nhello!" + End},
        BadAnswer{"ShortData", Chunked + "5\r\nhell\r\n0\r\n\r\n0\r\n\r\n"},
        BadAnswer{"BareLfAfterSize", Chunked + "5\nhello" + End},
        BadAnswer{"BareCrInSize", Chunked + "5\rX\r\nhello" + End},
        BadAnswer{"BareLfAfterData", Chunked + "5\r\nhello\n0\r\n\r\n"},
        BadAnswer{"BareLfInExtension", Chunked + "5;a\nb\r\nhello" + End},
        BadAnswer{"NulInExtension", Chunked + "5;a=\0\r\nhello"s + End},
        BadAnswer{"GarbageAfterSize", Chunked + "5 a\r\nhello" + End},
        BadAnswer{"BadTrailer", Chunked + "5\r\nhello\r\n0\r\nno colon\r\n\r\n"},
        BadAnswer{"NulInTrailer", Chunked + "5\r\nhello\r\n0\r\nA: \0\r\n\r\n"s}),
    NameOf<BadAnswer>);

INSTANTIATE_TEST_SUITE_P(
    Header,
    MalformedTest,
    testing::Values(
        BadAnswer{"BareCrInValue", Ok + "X-A: b\rc\r\nContent-Length: 0\r\n\r\n"},
        BadAnswer{"BareCrEndsLine", Ok + "X-A: b\rContent-Length: 5\r\nContent-Length: 0\r\n\r\nhello"},
        BadAnswer{"NulInValue", Ok + "X-A: b\0c\r\nContent-Length: 0\r\n\r\n"s},
        BadAnswer{"NulInName", Ok + "X\0A: b\r\nContent-Length: 0\r\n\r\n"s},
        BadAnswer{"SpaceBeforeColon", Ok + "Content-Length : 5\r\nContent-Length: 0\r\n\r\nhello"},
        BadAnswer{"SpaceInName", Ok + "X A: b\r\nContent-Length: 0\r\n\r\n"},
        BadAnswer{"EmptyName", Ok + ": b\r\nContent-Length: 0\r\n\r\n"},
        BadAnswer{"NoColon", Ok + "X-A\r\nContent-Length: 0\r\n\r\n"},
        BadAnswer{"SpaceFirst", Ok + " X-A: b\r\nContent-Length: 0\r\n\r\n"}),
    NameOf<BadAnswer>);

INSTANTIATE_TEST_SUITE_P(
    StatusLine,
    MalformedTest,
    testing::Values(
        BadAnswer{"OtherProtocol", "SSH-2.0-OpenSSH_9.2\r\n\r\n"},
        BadAnswer{"Http2", "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"},
        BadAnswer{"Http09", "<html>hello</html>\r\n\r\n"},
        BadAnswer{"HttpLowerCase", "http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
        BadAnswer{"TwoDigits", "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"},
        BadAnswer{"FourDigits", "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"},
        BadAnswer{"BelowHundred", "HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n"},
        BadAnswer{"NoStatus", "HTTP/1.1 OK\r\nContent-Length: 0\r\n\r\n"},
        BadAnswer{"LetterInStatus", "HTTP/1.1 2O0 OK\r\nContent-Length: 0\r\n\r\n"},
        BadAnswer{"NegativeStatus", "HTTP/1.1 -20 OK\r\nContent-Length: 0\r\n\r\n"},
        BadAnswer{"BareCrInReason", "HTTP/1.1 200 O\rK\r\nContent-Length: 0\r\n\r\n"},
        BadAnswer{"NulInReason", "HTTP/1.1 200 O\0K\r\nContent-Length: 0\r\n\r\n"s},
        BadAnswer{"TlsRecord", "\x15\x03\x01\x00\x02\x02\x0A\r\n\r\n"s}),
    NameOf<BadAnswer>);

/// The other side's fault must not tempt a reader into printing what it sent.
TEST(MalformedErrorTest, DoesNotRepeatTheAnswer) {
  ScriptedServer server{[](ScriptedConnection& connection) {
    connection.ReadRequest();
    connection.Write("HTTP/1.1 200 OK\r\nSet-Cookie: hunter2\r\nContent-Length: hunter2\r\n\r\nhunter2");
    connection.WaitUntilClosed();
  }};
  auto const error = ErrorOf([&] { Fetch(MakeTransport(), Get(server.Url())); });
  ASSERT_TRUE(error);
  EXPECT_THAT(DescribeWithCauses(*error), testing::Not(HasSubstr("hunter2")));
}

struct GoodAnswer {
  std::string Name;
  std::string Bytes;
  std::string Body;
};

void PrintTo(GoodAnswer const& answer, std::ostream* out) { *out << testing::PrintToString(answer.Bytes); }

class UnusualTest : public testing::TestWithParam<GoodAnswer> {};

/// Unusual and unambiguous: refusing these would break real services.
TEST_P(UnusualTest, IsRead) {
  ScriptedServer server{[&](ScriptedConnection& connection) {
    while (connection.TryReadRequest()) connection.Write(GetParam().Bytes);
  }};
  auto const transport = MakeTransport();
  EXPECT_EQ(Fetch(transport, Get(server.Url())).Body, GetParam().Body);
  EXPECT_EQ(Fetch(transport, Get(server.Url())).Body, GetParam().Body);
}

INSTANTIATE_TEST_SUITE_P(
    Answers,
    UnusualTest,
    testing::Values(
        GoodAnswer{"NoReason", "HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhello", "hello"},
        GoodAnswer{"OddStatus", "HTTP/1.1 799 Odd\r\nContent-Length: 5\r\n\r\nhello", "hello"},
        GoodAnswer{"NoSpaceAfterColon", Ok + "Content-Length:5\r\n\r\nhello", "hello"},
        GoodAnswer{"SpacesAroundValue", Ok + "Content-Length: \t 5 \t\r\n\r\nhello", "hello"},
        GoodAnswer{"LeadingZeros", Ok + "Content-Length: 005\r\n\r\nhello", "hello"},
        GoodAnswer{"ChunkedInAnyCase", Ok + "TRANSFER-ENCODING: Chunked\r\n\r\n5\r\nhello" + End, "hello"},
        GoodAnswer{"UpperCaseSize", Chunked + "A\r\nhellohello" + End, "hellohello"},

        GoodAnswer{"ForeignBytesInValue", Ok + "X-A: \xC3\xA9\r\nContent-Length: 5\r\n\r\nhello", "hello"}),
    NameOf<GoodAnswer>);

struct Flood {
  std::string Name;
  std::string Before;
  std::string Piece;
  std::string Code;
  /// What the error must name for its reader.
  std::string Option;
};

void PrintTo(Flood const& flood, std::ostream* out) { *out << flood.Name; }

class FloodTest : public testing::TestWithParam<Flood> {};

/// A server that never stops must neither fill the memory nor hold the caller.
TEST_P(FloodTest, IsCutOffWithItsOwnCode) {
  Event closed;
  ScriptedServer server{[&](ScriptedConnection& connection) {
    connection.ReadRequest();
    connection.Write(GetParam().Before);
    try {
      for (;;) connection.Write(GetParam().Piece);
    } catch (PeerGone const&) {
      closed.Set();
      throw;
    }
  }};
  auto const transport = MakeTransport();
  auto const error = ErrorOf([&] { Fetch(transport, Get(server.Url())); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code().Name(), GetParam().Code);
  EXPECT_THAT(error->Details().Action, HasSubstr(GetParam().Option));
  EXPECT_TRUE(closed.Wait());
  EXPECT_EQ(transport->PoolStatistics().InUse, 0U);
}

INSTANTIATE_TEST_SUITE_P(
    Floods,
    FloodTest,
    testing::Values(
        Flood{
            "HeaderBytes", Ok, "X-A: " + std::string(2000, 'b') + "\r\n", "header_bytes_limit_exceeded", "HeaderBytes"},
        Flood{"HeaderCount", Ok, "A: b\r\n", "header_count_limit_exceeded", "HeaderCount"},
        Flood{"HeaderLine", Ok + "X-A: ", std::string(1000, 'b'), "line_bytes_limit_exceeded", "LineBytes"},
        Flood{"HeaderName", Ok, std::string(1000, 'b'), "line_bytes_limit_exceeded", "LineBytes"},
        Flood{"StatusLine", "HTTP/1.1 200 ", std::string(1000, 'b'), "line_bytes_limit_exceeded", "LineBytes"},
        Flood{
            "Informational", "", "HTTP/1.1 103 Early Hints\r\n\r\n", "informational_limit_exceeded",
            "InformationalResponses"},
        Flood{
            "Continue", "", "HTTP/1.1 100 Continue\r\n\r\n", "informational_limit_exceeded", "InformationalResponses"},
        Flood{
            "ChunkExtension", Chunked + "5;a=", std::string(1000, 'b'), "chunk_extension_limit_exceeded",
            "ChunkExtensionBytes"},
        Flood{
            "TrailerBytes", Chunked + "0\r\n", "X-A: " + std::string(2000, 'b') + "\r\n", "header_bytes_limit_exceeded",
            "HeaderBytes"},
        Flood{"TrailerCount", Chunked + "0\r\n", "A: b\r\n", "header_count_limit_exceeded", "HeaderCount"},
        Flood{"TrailerLine", Chunked + "0\r\nX-A: ", std::string(1000, 'b'), "line_bytes_limit_exceeded", "LineBytes"}),
    NameOf<Flood>);

TEST(FloodOfZerosTest, IsCutOff) {
  ScriptedServer server{[](ScriptedConnection& connection) {
    connection.ReadRequest();
    connection.Write(Chunked);
    for (;;) connection.Write(std::string(1000, '0'));
  }};
  EXPECT_THAT(
      ErrorCodeOf([&] { Fetch(MakeTransport(), Get(server.Url())); }),
      AnyOf("malformed_response", "line_bytes_limit_exceeded", "chunk_extension_limit_exceeded"));
}

TEST(LimitTest, WhatIsWithinIsRead) {
  auto options = TrustingOptions();
  options.Limits.HeaderCount = 10;
  options.Limits.InformationalResponses = 3;
  std::string fields;
  for (int index = 0; index < 9; ++index)
    fields += "X-" + std::to_string(index) + ": " + std::string(1000, 'b') + "\r\n";
  ScriptedServer server{[&](ScriptedConnection& connection) {
    while (connection.TryReadRequest()) {
      for (int index = 0; index < 3; ++index) connection.Write("HTTP/1.1 103 Early Hints\r\n\r\n");
      connection.Write(
          Ok + fields + "Transfer-Encoding: chunked\r\n\r\n5;a=" + std::string(900, 'c') + "\r\nhello" + End);
    }
  }};
  EXPECT_EQ(Fetch(MakeTransport(options), Get(server.Url())).Body, "hello");
}

TEST(LimitTest, OptionsAreHeeded) {
  auto options = TrustingOptions();
  options.Limits.HeaderCount = 2;
  ScriptedServer server{[](ScriptedConnection& connection) {
    connection.ReadRequest();
    connection.Write(Ok + "A: b\r\nC: d\r\nContent-Length: 0\r\n\r\n");
    connection.WaitUntilClosed();
  }};
  EXPECT_EQ(ErrorCodeOf([&] { Fetch(MakeTransport(options), Get(server.Url())); }), "header_count_limit_exceeded");
}

/// "No limit" as the largest number there is.
TEST(AttackLimitTest, OptionsMayBeTheLargestNumber) {
  constexpr auto Most = std::numeric_limits<std::size_t>::max();
  auto options = TrustingOptions();
  options.Limits.HeaderBytes = options.Limits.HeaderCount = options.Limits.LineBytes = Most;
  options.Limits.ChunkExtensionBytes = Most;
  ScriptedServer server{[](ScriptedConnection& connection) {
    while (connection.TryReadRequest()) {
      connection.Write("HTTP/1.1 200 OK\r\nA: b\r\nTransfer-");
      connection.Write("Encoding: chunked\r\n\r\n5;a=b");
      connection.Write("\r\nhello\r\n0\r\n\r\n");
    }
  }};
  EXPECT_EQ(Fetch(MakeTransport(options), Get(server.Url())).Body, "hello");
}

/// Bytes that nobody asked for could be taken for the answer to the next request, of another caller.
TEST(UnaskedBytesTest, CloseTheConnection) {
  ScriptedServer server{[](ScriptedConnection& connection) {
    while (connection.TryReadRequest()) {
      connection.Write(Ok + "Content-Length: 5\r\n\r\nhello" + Ok + "Content-Length: 5\r\n\r\nworse");
    }
  }};
  auto const transport = MakeTransport();
  EXPECT_EQ(Fetch(transport, Get(server.Url())).Body, "hello");
  auto const second = Fetch(transport, Get(server.Url()));
  EXPECT_EQ(second.Body, "hello");
  EXPECT_FALSE(second.Connection.Reused);
}

}  // namespace
}  // namespace mtlspop::test
