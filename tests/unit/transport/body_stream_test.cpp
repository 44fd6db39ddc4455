#include "mtlspop/transport/body_stream.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "mtlspop/transport/error.hpp"
#include "support/error_code_of.hpp"

namespace mtlspop {
namespace {

using test::ErrorCodeOf;
using test::ErrorOf;

/// Gives a text in pieces of a size, and says of its length what it is told to say.
class PiecewiseBody final : public BodyStream {
 public:
  PiecewiseBody(std::string text, std::size_t pieceSize, std::optional<std::uint64_t> length)
      : text_(std::move(text)), pieceSize_(pieceSize), length_(length) {}

  std::size_t Read(gsl::span<std::uint8_t> buffer, Context const& context) override {
    EXPECT_FALSE(buffer.empty()) << "Read's contract: the buffer must not be empty";
    context.ThrowIfEnded("reading");
    auto const count = std::min({buffer.size(), pieceSize_, text_.size() - position_});
    std::memcpy(buffer.data(), text_.data() + position_, count);
    position_ += count;
    return count;
  }
  std::optional<std::uint64_t> Length() const noexcept override { return length_; }

 private:
  std::string text_;
  std::size_t pieceSize_;
  std::optional<std::uint64_t> length_;
  std::size_t position_ = 0;
};

TEST(MemoryBodyTest, GivesItsTextAndEnds) {
  MemoryBody body{"hello"};
  EXPECT_EQ(body.Length(), 5U);
  std::array<std::uint8_t, 3> buffer{};
  EXPECT_EQ(body.Read(buffer, {}), 3U);
  EXPECT_EQ(std::memcmp(buffer.data(), "hel", 3), 0);
  EXPECT_EQ(body.Read(buffer, {}), 2U);
  EXPECT_EQ(std::memcmp(buffer.data(), "lo", 2), 0);
  EXPECT_EQ(body.Read(buffer, {}), 0U);
  EXPECT_EQ(body.Read(buffer, {}), 0U);
  EXPECT_EQ(body.Length(), 5U) << "the length of the whole stream, not of what is left";
}

TEST(MemoryBodyTest, CanBeReadAgain) {
  MemoryBody body{"hello"};
  EXPECT_EQ(ReadToEnd(body, 100, {}), "hello");
  EXPECT_TRUE(body.TryRewind());
  EXPECT_EQ(ReadToEnd(body, 100, {}), "hello");
}

TEST(MemoryBodyTest, EmptyIsAtItsEnd) {
  MemoryBody body{""};
  EXPECT_EQ(body.Length(), 0U);
  EXPECT_EQ(ReadToEnd(body, 0, {}), "");
}

TEST(BodyStreamTest, CannotBeRewoundUnlessItSaysSo) {
  PiecewiseBody body{"hello", 2, std::nullopt};
  EXPECT_FALSE(body.TryRewind());
}

class ReadToEndTest : public testing::TestWithParam<std::size_t> {};

TEST_P(ReadToEndTest, PutsPiecesTogether) {
  std::string text;
  for (int index = 0; index < 20'000; ++index) text += std::to_string(index);
  PiecewiseBody unknown{text, GetParam(), std::nullopt};
  EXPECT_EQ(ReadToEnd(unknown, text.size(), {}), text);
  PiecewiseBody known{text, GetParam(), text.size()};
  EXPECT_EQ(ReadToEnd(known, text.size(), {}), text);
}

TEST_P(ReadToEndTest, StopsAtTheLimit) {
  std::string const text(10'000, 'x');
  for (std::optional<std::uint64_t> const length :
       {std::optional<std::uint64_t>{}, std::optional<std::uint64_t>{10'000}}) {
    PiecewiseBody body{text, GetParam(), length};
    EXPECT_EQ(ErrorCodeOf([&] { ReadToEnd(body, 9'999, {}); }), "buffered_body_limit_exceeded");
  }
}

INSTANTIATE_TEST_SUITE_P(PieceSizes, ReadToEndTest, testing::Values(1U, 7U, 1024U, 1U << 20U));

TEST(ReadToEndErrorTest, NamesTheOption) {
  MemoryBody body{"hello"};
  auto const error = ErrorOf([&] { ReadToEnd(body, 4, {}); });
  ASSERT_TRUE(error);
  EXPECT_THAT(error->Details().Action, testing::HasSubstr("BufferedBodyBytes"));
}

/// A length is what the other side claims: no memory is taken for it before the bytes are there.
TEST(ReadToEndErrorTest, DoesNotBelieveAHugeLength) {
  PiecewiseBody body{"hello", 5, std::uint64_t{1} << 62U};
  EXPECT_EQ(ErrorCodeOf([&] { ReadToEnd(body, std::numeric_limits<std::size_t>::max(), {}); }), "no error")
      << "whether fewer bytes than announced are an error is the stream's to say";
}

TEST(ReadToEndErrorTest, PassesOnWhatTheStreamThrows) {
  PiecewiseBody body{"hello", 2, std::nullopt};
  auto const context = Context{}.WithCancellation();
  context.Cancel();
  EXPECT_EQ(ErrorCodeOf([&] { ReadToEnd(body, 100, context); }), "cancelled");
}

}  // namespace
}  // namespace mtlspop
