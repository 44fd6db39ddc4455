#include "mtlspop/transport/pushed_body.hpp"

#include <gmock/gmock.h>

#include <array>
#include <future>
#include <ostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

#include "mtlspop/transport/error.hpp"
#include "support/error_code_of.hpp"

namespace mtlspop {
namespace {

using test::ErrorCodeOf;

void WriteText(BodyWriter& writer, std::string_view text, Context const& context = {}) {
  writer.Write({reinterpret_cast<std::uint8_t const*>(text.data()), text.size()}, context);
}

std::string ReadPiece(BodyStream& body, std::size_t size) {
  std::string text(size, '\0');
  text.resize(body.Read({reinterpret_cast<std::uint8_t*>(text.data()), text.size()}, {}));
  return text;
}

TEST(PushedBodyTest, IsReadAsItIsWritten) {
  auto const pushed = MakePushedBody();
  EXPECT_EQ(pushed.Body->Length(), std::nullopt);
  EXPECT_FALSE(pushed.Body->NeverWaits());
  WriteText(*pushed.Writer, "hello");
  EXPECT_EQ(ReadPiece(*pushed.Body, 3), "hel");
  WriteText(*pushed.Writer, " world");
  pushed.Writer->Close();
  EXPECT_EQ(ReadToEnd(*pushed.Body, 100, {}), "lo world");
  EXPECT_EQ(ReadPiece(*pushed.Body, 3), "") << "the end stays the end";
}

TEST(PushedBodyTest, SaysItsLength) {
  PushedBodyOptions options;
  options.Length = 11;
  EXPECT_EQ(MakePushedBody(options).Body->Length(), 11U);
}

TEST(PushedBodyTest, HoldsItsWriterBackAndNoMoreThanItsBuffer) {
  PushedBodyOptions options;
  options.BufferBytes = 4;
  options.KeptBytes = 0;
  auto const pushed = MakePushedBody(options);
  auto written = std::async(std::launch::async, [&pushed] {
    WriteText(*pushed.Writer, "0123456789");
    pushed.Writer->Close();
  });
  std::string read;
  for (auto piece = ReadPiece(*pushed.Body, 100); !piece.empty(); piece = ReadPiece(*pushed.Body, 100)) {
    EXPECT_LE(piece.size(), 4U);
    read += piece;
  }
  written.get();
  EXPECT_EQ(read, "0123456789");
}

TEST(PushedBodyTest, IsReadAgainWhileItsBeginningIsKept) {
  PushedBodyOptions options;
  options.KeptBytes = 5;
  auto const pushed = MakePushedBody(options);
  WriteText(*pushed.Writer, "hello");
  EXPECT_EQ(ReadPiece(*pushed.Body, 5), "hello");
  EXPECT_TRUE(pushed.Body->TryRewind());
  EXPECT_EQ(ReadPiece(*pushed.Body, 2), "he");
  EXPECT_TRUE(pushed.Body->TryRewind());
  WriteText(*pushed.Writer, " world");
  pushed.Writer->Close();
  EXPECT_EQ(ReadToEnd(*pushed.Body, 100, {}), "hello world");
  EXPECT_FALSE(pushed.Body->TryRewind()) << "more was read than is kept";
}

TEST(PushedBodyTest, IsRewoundBeforeAnythingIsReadWhateverIsKept) {
  PushedBodyOptions options;
  options.KeptBytes = 0;
  auto const pushed = MakePushedBody(options);
  WriteText(*pushed.Writer, "a");
  EXPECT_TRUE(pushed.Body->TryRewind());
  pushed.Writer->Close();
  EXPECT_EQ(ReadToEnd(*pushed.Body, 100, {}), "a");
  EXPECT_FALSE(pushed.Body->TryRewind());
}

TEST(PushedBodyTest, ThatIsNotClosedIsNotTakenForAWholeOne) {
  auto pushed = MakePushedBody();
  WriteText(*pushed.Writer, "half");
  pushed.Writer = nullptr;
  for (int count = 0; count < 2; ++count) {
    EXPECT_EQ(ErrorCodeOf([&] { ReadToEnd(*pushed.Body, 100, {}); }), "request_body_failed");
  }
}

TEST(PushedBodyTest, ThatFailsTellsWhy) {
  auto const pushed = MakePushedBody();
  pushed.Writer->Fail(std::make_exception_ptr(std::runtime_error{"the disk is gone"}));
  try {
    ReadPiece(*pushed.Body, 1);
    FAIL();
  } catch (Error const& error) {
    EXPECT_EQ(error.Code(), errors::RequestBodyFailed);
    EXPECT_THAT(DescribeWithCauses(error), testing::HasSubstr("the disk is gone"));
  }
  EXPECT_EQ(ErrorCodeOf([&] { WriteText(*pushed.Writer, "more"); }), "invalid_argument");
}

TEST(PushedBodyTest, WriterIsToldWhenNobodyReadsAnyMore) {
  PushedBodyOptions options;
  options.BufferBytes = 1;
  auto pushed = MakePushedBody(options);
  auto written = std::async(std::launch::async, [writer = pushed.Writer] { WriteText(*writer, "0123456789"); });
  EXPECT_EQ(ReadPiece(*pushed.Body, 1), "0");
  pushed.Body = nullptr;
  EXPECT_EQ(ErrorCodeOf([&] { written.get(); }), "request_body_failed");
}

TEST(PushedBodyTest, BothEndsWaitNoLongerThanTheirContexts) {
  PushedBodyOptions options;
  options.BufferBytes = 1;
  auto const pushed = MakePushedBody(options);
  auto const ended = Context{}.WithCancellation();
  ended.Cancel();
  std::array<std::uint8_t, 1> buffer{};
  EXPECT_EQ(ErrorCodeOf([&] { pushed.Body->Read(buffer, ended); }), "cancelled");
  EXPECT_EQ(ErrorCodeOf([&] { WriteText(*pushed.Writer, "01", ended); }), "cancelled");
}

TEST(PushedBodyTest, IsReadWithoutAThreadThatWaits) {
  auto const pushed = MakePushedBody();
  std::array<std::uint8_t, 8> buffer{};
  std::promise<std::size_t> read;
  pushed.Body->ReadAsync(
      buffer, {}, [&read](Outcome<std::size_t> outcome) { read.set_value(std::move(outcome).Take()); });
  WriteText(*pushed.Writer, "hello");
  EXPECT_EQ(read.get_future().get(), 5U);
  EXPECT_EQ(buffer[0], 'h');

  std::promise<std::string> cancelled;
  auto const context = Context{}.WithCancellation();
  pushed.Body->ReadAsync(buffer, context, [&cancelled](Outcome<std::size_t> outcome) {
    cancelled.set_value(ErrorCodeOf([&] { std::move(outcome).Take(); }));
  });
  context.Cancel();
  EXPECT_EQ(cancelled.get_future().get(), "cancelled");

  std::promise<std::size_t> end;
  pushed.Body->ReadAsync(
      buffer, {}, [&end](Outcome<std::size_t> outcome) { end.set_value(std::move(outcome).Take()); });
  pushed.Writer->Close();
  EXPECT_EQ(end.get_future().get(), 0U);
}

TEST(PushedBodyTest, TakesWhatAStreamIsGiven) {
  auto const pushed = MakePushedBody();
  std::string const text(10'000, 'x');
  auto written = std::async(std::launch::async, [&] {
    BodyWriterBuffer buffer{pushed.Writer};
    std::ostream stream{&buffer};
    stream << "begin " << std::flush << text << " end";
    EXPECT_TRUE(stream.good());
    buffer.Close();
  });
  EXPECT_EQ(ReadToEnd(*pushed.Body, 20'000, {}), "begin " + text + " end");
  written.get();
}

TEST(PushedBodyTest, StreamGoesBadWhenNobodyReadsAnyMore) {
  auto pushed = MakePushedBody();
  pushed.Body = nullptr;
  BodyWriterBuffer buffer{pushed.Writer};
  std::ostream stream{&buffer};
  stream << "text" << std::flush;
  EXPECT_FALSE(stream.good());
  EXPECT_EQ(ErrorCodeOf([&] { std::rethrow_exception(buffer.Failure()); }), "request_body_failed");
  EXPECT_EQ(ErrorCodeOf([&] { buffer.Close(); }), "request_body_failed");
}

TEST(PushedBodyTest, NeedsABuffer) {
  PushedBodyOptions options;
  options.BufferBytes = 0;
  EXPECT_EQ(ErrorCodeOf([&] { MakePushedBody(options); }), "invalid_argument");
}

}  // namespace
}  // namespace mtlspop
