#include "text.hpp"

#include <gtest/gtest.h>

#include "support/error_code_of.hpp"
#include "support/temporary_directory.hpp"

namespace mtlspop::command {
namespace {

using namespace std::chrono_literals;
using test::ErrorCodeOf;

TEST(Text, WritesTimes) {
  EXPECT_EQ(FormatTime(std::chrono::system_clock::time_point{1'795'904'116s}), "2026-11-28T22:15:16Z");
  EXPECT_EQ(FormatTime({}), "1970-01-01T00:00:00Z");
}

TEST(Text, WritesDurations) {
  EXPECT_EQ(FormatDuration(5us), "5 µs");
  EXPECT_EQ(FormatDuration(3ms), "3 ms");
  EXPECT_EQ(FormatDuration(9'999ms), "9999 ms");
  EXPECT_EQ(FormatDuration(42s), "42 s");
  EXPECT_EQ(FormatDuration(90s), "1 min 30 s");
  EXPECT_EQ(FormatDuration(2h + 5min), "2 h 5 min");
  EXPECT_EQ(FormatDuration(72h), "3 d");
  EXPECT_EQ(FormatDuration(-42s), "42 s");
}

TEST(Text, WritesSizes) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(1023), "1023 B");
  EXPECT_EQ(FormatBytes(1024), "1.0 KiB");
  EXPECT_EQ(FormatBytes(1536), "1.5 KiB");
  EXPECT_EQ(FormatBytes(2047), "1.9 KiB");
  EXPECT_EQ(FormatBytes(3'000'000), "2.8 MiB");
  EXPECT_EQ(FormatBytes(std::uint64_t{1} << 60), "1.0 EiB");
  EXPECT_EQ(FormatBytes(~std::uint64_t{0}), "15.9 EiB");
}

TEST(Text, ReadsFilesUpToALimit) {
  test::TemporaryDirectory const folder;
  auto const path = folder.WriteFile("file", "12345");
  EXPECT_EQ(ReadFile(path, 5), "12345");
  EXPECT_EQ(ErrorCodeOf([&] { ReadFile(path, 4); }), "read_failed");
  EXPECT_EQ(ErrorCodeOf([&] { ReadFile(folder.PathOf("missing"), 4); }), "read_failed");
  EXPECT_EQ(ErrorCodeOf([&] { ReadFile(folder.Path(), 4); }), "read_failed");
  EXPECT_EQ(ReadPasswordFile(folder.WriteFile("password", "pass word\r\nrest\n")).Reveal(), "pass word");
}

TEST(Text, ReadsUrlsAsPeopleWriteThem) {
  EXPECT_EQ(ParseUrl("a.example/x").ToString(), "https://a.example/x");
  EXPECT_EQ(ParseUrl("http://a.example").ToString(), "http://a.example/");
  EXPECT_EQ(ErrorCodeOf([] { ParseUrl(""); }), "url_malformed");
}

}  // namespace
}  // namespace mtlspop::command
