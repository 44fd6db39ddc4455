#include "progress.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace mtlspop::command {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

TEST(Progress, SaysHowMuchOfTheWholeAndHowFast) {
  EXPECT_EQ(
      ProgressLine(1024 * 1024, 4 * 1024 * 1024, 2s),
      "[=======>                      ]  25 %  1.0 MiB of 4.0 MiB  512.0 KiB/s  7 s left");
  EXPECT_THAT(ProgressLine(4, 4, 1s), StartsWith("[==============================] 100 %"));
  EXPECT_THAT(ProgressLine(4, 4, 1s), Not(HasSubstr("left")));
  EXPECT_THAT(ProgressLine(0, 4, 1s), StartsWith("[>"));
}

TEST(Progress, SaysWhatItCanWithoutAWhole) {
  EXPECT_EQ(ProgressLine(2048, std::nullopt, 1s), "2.0 KiB  2.0 KiB/s");
  EXPECT_EQ(ProgressLine(0, 0, 0s), "0 B  0 B/s");
  EXPECT_THAT(ProgressLine(8, 4, 1s), StartsWith("[==============================] 100 %")) << "more than was said";
}

TEST(Progress, IsDrawnSeldomAndTakenAway) {
  std::ostringstream out;
  auto const begin = Progress::Clock::now();
  {
    Progress progress{out, 1000, begin};
    progress.Add(100, begin + 400ms);
    EXPECT_EQ(out.str(), "") << "what is quick needs no bar";
    progress.Add(100, begin + 600ms);
    auto const first = out.str();
    EXPECT_THAT(first, HasSubstr("20 %"));
    progress.Add(100, begin + 650ms);
    EXPECT_EQ(out.str(), first);
    progress.Add(100, begin + 750ms);
    EXPECT_THAT(out.str(), HasSubstr("40 %"));
  }
  EXPECT_THAT(out.str(), testing::EndsWith("\r\x1b[K"));
}

}  // namespace
}  // namespace mtlspop::command
