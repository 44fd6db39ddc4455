// The parser of answers by itself: where a stream is cut into pieces must not matter, and nothing but a test without sockets
// can choose the pieces.

#include "http1_parser.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <ostream>
#include <string>

#include "support/error_code_of.hpp"

namespace mtlspop {
namespace {

using test::ErrorCodeOf;

using Bytes = gsl::span<std::uint8_t const>;

struct Outcome {
  std::string Error = "no error";
  int Status = 0;
  std::string Body;
  bool Complete = false;
  bool KeepsAlive = false;
};

bool operator==(Outcome const& left, Outcome const& right) {
  if (left.Error != right.Error || left.Status != right.Status) return false;
  // How much of the body came before the fault depends on the pieces.
  if (left.Error != "no error") return true;
  return left.Body == right.Body && left.Complete == right.Complete && left.KeepsAlive == right.KeepsAlive;
}

void PrintTo(Outcome const& outcome, std::ostream* out) {
  *out << outcome.Error << ' ' << outcome.Status << ' ' << testing::PrintToString(outcome.Body)
       << (outcome.Complete ? " complete" : " incomplete") << (outcome.KeepsAlive ? " kept" : " closed");
}

/// Reads an answer that arrives `step` bytes at a time into a buffer of `room` bytes.
Outcome Read(std::string const& stream, std::size_t step, std::size_t room, std::string_view method = "GET") {
  TransportLimits const limits;
  Outcome outcome;
  auto const* const begin = reinterpret_cast<std::uint8_t const*>(stream.data());
  std::size_t from = 0;
  std::size_t to = 0;
  auto const more = [&] {
    bool const is = to < stream.size();
    to = std::min(to + step, stream.size());
    return is;
  };
  outcome.Error = ErrorCodeOf([&] {
    Http1Parser parser{limits, method};
    std::size_t used = 0;
    while ((used = parser.ParseHead(Bytes{begin, to})) == 0) {
      if (!more()) return;
    }
    from = used;
    outcome.Status = parser.StatusCode();
    outcome.KeepsAlive = parser.KeepsAlive();
    if (parser.Framing() != BodyFraming::Chunked) {
      outcome.Complete = true;
      return;
    }
    std::string buffer(room, '\0');
    while (!outcome.Complete) {
      auto const progress = parser.ParseChunked(
          Bytes{begin + from, to - from},
          gsl::span<std::uint8_t>{reinterpret_cast<std::uint8_t*>(buffer.data()), buffer.size()});
      outcome.Body.append(buffer, 0, progress.Written);
      outcome.Complete = progress.Complete;
      from += progress.Used;
      if (progress.Used == 0 && progress.Written == 0 && !progress.Complete && !more()) return;
    }
  });
  return outcome;
}

struct Stream {
  std::string Name;
  std::string Bytes;
  Outcome Expected;
};

void PrintTo(Stream const& stream, std::ostream* out) { *out << stream.Name; }

class Http1ParserTest : public testing::TestWithParam<Stream> {};

TEST_P(Http1ParserTest, ReadsTheWhole) {
  EXPECT_EQ(Read(GetParam().Bytes, GetParam().Bytes.size(), 4096), GetParam().Expected);
}

TEST_P(Http1ParserTest, ReadsTheSameInPieces) {
  for (std::size_t const step : {1U, 2U, 3U, 4U, 5U, 7U, 11U, 64U}) {
    for (std::size_t const room : {1U, 3U, 4096U}) {
      EXPECT_EQ(Read(GetParam().Bytes, step, room), GetParam().Expected) << step << " bytes into " << room;
    }
  }
}

/// Every place where a stream can be cut in two.
TEST_P(Http1ParserTest, ReadsTheSameInTwoPieces) {
  for (std::size_t first = 1; first < GetParam().Bytes.size(); ++first) {
    EXPECT_EQ(Read(GetParam().Bytes, first, 4096), GetParam().Expected) << first;
  }
}

std::string const Chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

Outcome Good(std::string body) { return {"no error", 200, std::move(body), true, true}; }
Outcome Bad(int status) { return {"malformed_response", status, "", false, false}; }

INSTANTIATE_TEST_SUITE_P(
    Answers,
    Http1ParserTest,
    testing::Values(
        Stream{"Length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Good("")},
        Stream{"Chunked", Chunked + "5\r\nhello\r\n7;a=b\r\n, world\r\n0\r\n\r\n", Good("hello, world")},
        Stream{"EmptyChunked", Chunked + "0\r\n\r\n", Good("")},
        Stream{"EmptyChunkedWithTrailer", Chunked + "0\r\nX: y\r\n\r\n", Good("")},
        Stream{"Trailers", Chunked + "5\r\nhello\r\n0\r\nX: y\r\nZ: w\r\n\r\n", Good("hello")},
        Stream{"ManyZeros", Chunked + "00000005\r\nhello\r\n000\r\n\r\n", Good("hello")},
        Stream{"BadSize", Chunked + "5\r\nhello\r\nx\r\n\r\n", Bad(200)},
        Stream{"NoSpaceBehindTheCode", "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\n", Good("")},
        Stream{"BothLengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", Bad(0)}),
    [](auto const& stream) { return stream.param.Name; });

/// Its framing is left out, wherever the first piece ends.
TEST(Http1ParserFramingTest, AnAnswerToConnectHasNoBodyInPiecesEither) {
  std::string const answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n";
  for (std::size_t first = 1; first <= answer.size(); ++first) {
    auto const outcome = Read(answer, first, 1, "CONNECT");
    EXPECT_EQ(outcome.Error, "no error") << first;
    EXPECT_TRUE(outcome.Complete) << first;
  }
}

TEST(Http1ParserFramingTest, HeadHasNoBody) {
  EXPECT_TRUE(Read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 1, 1, "HEAD").Complete);
}

}  // namespace
}  // namespace mtlspop
