#include "mtlspop/transport/log.hpp"

#include <gmock/gmock.h>

#include <regex>
#include <string>
#include <vector>

#include "support/scoped_environment.hpp"

namespace mtlspop {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

/// The lines that were written.
struct Lines {
  std::vector<std::string> All;

  EventSink At(Severity minimum) {
    return MakeLog(
        [this](Severity severity, std::string_view line) {
          All.push_back(std::string{ToString(severity)} + "|" + std::string{line});
        },
        minimum);
  }
};

TEST(LogTest, WritesFieldsAsNameAndValue) {
  Lines lines;
  lines.At(Severity::Debug)
      .Tell(Severity::Warning, "request.retried", {{"host", "a.example"}, {"attempt", 2}, {"what", "connection lost"}});
  EXPECT_THAT(lines.All, ElementsAre("warning|request.retried host=a.example attempt=2 what=\"connection lost\""));
}

TEST(LogTest, WritesFromASeverityOn) {
  Lines lines;
  auto const sink = lines.At(Severity::Warning);
  sink.Tell(Severity::Info, "a.b");
  sink.Tell(Severity::Error, "c.d");
  EXPECT_THAT(lines.All, ElementsAre("error|c.d"));
}

TEST(LogTest, AnEmptySinkIsNoLog) { EXPECT_EQ(MakeLog({}, Severity::Debug), nullptr); }

/// A value can neither end its field nor begin another line.
TEST(LogTest, AValueStaysInItsField) {
  Lines lines;
  lines.At(Severity::Debug).Tell(Severity::Info, "answer", {{"reason", "a\" level=error\nfake line"}});
  lines.At(Severity::Debug).Tell(Severity::Info, "answer\nfake line");
  ASSERT_EQ(lines.All.size(), 2U);
  EXPECT_THAT(lines.All[0], Not(HasSubstr("\n")));
  EXPECT_THAT(lines.All[0], HasSubstr("\\\" level=error"));
  EXPECT_THAT(lines.All[1], Not(HasSubstr("\n")));
}

TEST(LogTest, TimesAreInUtcWithMilliseconds) {
  using Time = std::chrono::system_clock::time_point;
  EXPECT_EQ(ToTimestamp(Time{}), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(ToTimestamp(Time{milliseconds{951'782'399'999}}), "2000-02-28T23:59:59.999Z");
  EXPECT_EQ(ToTimestamp(Time{milliseconds{951'782'400'001}}), "2000-02-29T00:00:00.001Z");
  EXPECT_EQ(ToTimestamp(Time{milliseconds{4'102'444'800'000}}), "2100-01-01T00:00:00.000Z");
  EXPECT_EQ(ToTimestamp(Time{milliseconds{-1}}), "1969-12-31T23:59:59.999Z");
}

/// What a line on stderr has that no sink is given.
TEST(EnvironmentLogTest, WritesTimeAndSeverity) {
  test::ScopedEnvironment const environment{{{"MTLSPOP_LOG", "info"}}};
  testing::internal::CaptureStderr();
  EventSink{EnvironmentLog()}.Tell(Severity::Info, "token.obtained", {{"type", "mtls_pop"}});
  auto const line = testing::internal::GetCapturedStderr();
  // std::regex, since GoogleTest's own has no brackets on Windows.
  std::regex const form{R"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z mtlspop info token\.obtained type=mtls_pop\n)"};
  EXPECT_TRUE(std::regex_match(line, form)) << line;
}

TEST(EnvironmentLogTest, IsThereWhereTheVariableSaysSo) {
  for (auto const& nothing :
       {std::optional<std::string>{}, std::make_optional<std::string>(), std::make_optional<std::string>("off")}) {
    test::ScopedEnvironment const environment{{{"MTLSPOP_LOG", nothing}}};
    EXPECT_EQ(EnvironmentLog(), nullptr);
  }
  test::ScopedEnvironment const environment{{{"MTLSPOP_LOG", "Warning"}}};
  ASSERT_NE(EnvironmentLog(), nullptr);
  EXPECT_EQ(EnvironmentLog()->Minimum(), Severity::Warning);
}

/// A misspelt level is no silence.
TEST(EnvironmentLogTest, AnUnknownLevelIsToldOnce) {
  test::ScopedEnvironment const environment{{{"MTLSPOP_LOG", "verbose"}}};
  testing::internal::CaptureStderr();
  auto const first = EnvironmentLog();
  auto const second = EnvironmentLog();
  auto const told = testing::internal::GetCapturedStderr();
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(first->Minimum(), Severity::Warning);
  EXPECT_EQ(second->Minimum(), Severity::Warning);
  EXPECT_THAT(told, HasSubstr("verbose"));
  EXPECT_EQ(std::count(told.begin(), told.end(), '\n'), 1);
}

}  // namespace
}  // namespace mtlspop
