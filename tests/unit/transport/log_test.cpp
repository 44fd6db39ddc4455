#include "mtlspop/transport/log.hpp"

#include <gmock/gmock.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "support/scoped_environment.hpp"

namespace mtlspop {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

/// A logger and the lines it wrote.
struct Lines {
  std::vector<std::string> All;

  Logger At(LogLevel minimum) {
    return Logger{
        [this](LogLevel level, std::string_view line) {
          All.push_back(std::string{ToString(level)} + "|" + std::string{line});
        },
        minimum};
  }
};

TEST(LoggerTest, DefaultWritesNothing) {
  Logger const logger;
  EXPECT_FALSE(logger.IsEnabled(LogLevel::Error));
  logger.Write(LogLevel::Error, "event");
}

TEST(LoggerTest, AnEmptySinkWritesNothing) {
  Logger const logger{Logger::Sink{}, LogLevel::Debug};
  EXPECT_FALSE(logger.IsEnabled(LogLevel::Error));
  logger.Write(LogLevel::Error, "event");
}

TEST(LoggerTest, WritesFromALevelOn) {
  Lines lines;
  auto const logger = lines.At(LogLevel::Info);
  EXPECT_FALSE(logger.IsEnabled(LogLevel::Debug));
  EXPECT_TRUE(logger.IsEnabled(LogLevel::Info));
  logger.Write(LogLevel::Debug, "one");
  logger.Write(LogLevel::Info, "two");
  logger.Write(LogLevel::Error, "three");
  EXPECT_THAT(lines.All, ElementsAre("info|two", "error|three"));
}

TEST(LoggerTest, WritesFieldsAsNameAndValue) {
  Lines lines;
  lines.At(LogLevel::Debug)
      .Write(LogLevel::Warning, "retry", {{"host", "a.example"}, {"attempt", 2}, {"why", "connection lost"}});
  EXPECT_THAT(lines.All, ElementsAre("warning|retry host=a.example attempt=2 why=\"connection lost\""));
}

/// A value can neither end its field nor begin another line.
TEST(LoggerTest, AValueStaysInItsField) {
  Lines lines;
  lines.At(LogLevel::Debug).Write(LogLevel::Info, "answer", {{"reason", "a\" level=error\nfake line"}});
  ASSERT_EQ(lines.All.size(), 1U);
  EXPECT_THAT(lines.All[0], Not(HasSubstr("\n")));
  EXPECT_THAT(lines.All[0], HasSubstr("\\\" level=error"));
}

TEST(LoggerTest, RedactsEveryValue) {
  Lines lines;
  lines.At(LogLevel::Debug)
      .Write(
          LogLevel::Info, "request", {{"field", "Authorization: mtls_pop eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln"}});
  ASSERT_EQ(lines.All.size(), 1U);
  EXPECT_THAT(lines.All[0], Not(HasSubstr("eyJ")));
  EXPECT_THAT(lines.All[0], HasSubstr("[redacted]"));
}

TEST(LoggerTest, RedactsTheEvent) {
  Lines lines;
  lines.At(LogLevel::Debug).Write(LogLevel::Info, "got eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln\n");
  ASSERT_EQ(lines.All.size(), 1U);
  EXPECT_THAT(lines.All[0], Not(HasSubstr("eyJ")));
  EXPECT_THAT(lines.All[0], Not(HasSubstr("\n")));
}

/// A secret that would be cut out of a line as a whole must not come through because its name and it are two things
/// here.
TEST(LoggerTest, RedactsAFieldWhoseNameTellsThatItIsSecret) {
  Lines lines;
  lines.At(LogLevel::Debug)
      .Write(
          LogLevel::Info, "request",
          {{"authorization", "hunter2"}, {"password", "hunter2"}, {"access_token", "hunter2"}});
  ASSERT_EQ(lines.All.size(), 1U);
  EXPECT_THAT(lines.All[0], Not(HasSubstr("hunter2")));
}

TEST(LoggerTest, LoggingNeverFailsARequest) {
  Logger const logger{[](LogLevel, std::string_view) { throw std::runtime_error{"disk full"}; }, LogLevel::Debug};
  EXPECT_NO_THROW(logger.Write(LogLevel::Error, "event"));
}

TEST(LoggerTest, EnvironmentNamesTheLevel) {
  {
    test::ScopedEnvironment const environment{{{"MTLSPOP_LOG", std::nullopt}}};
    EXPECT_FALSE(Logger::FromEnvironment().IsEnabled(LogLevel::Error));
  }
  {
    test::ScopedEnvironment const environment{{{"MTLSPOP_LOG", "warning"}}};
    EXPECT_FALSE(Logger::FromEnvironment().IsEnabled(LogLevel::Info));
    EXPECT_TRUE(Logger::FromEnvironment().IsEnabled(LogLevel::Warning));
  }
}

TEST(LogLevelTest, HasANameEach) {
  EXPECT_EQ(ToString(LogLevel::Debug), "debug");
  EXPECT_EQ(ToString(LogLevel::Info), "info");
  EXPECT_EQ(ToString(LogLevel::Warning), "warning");
  EXPECT_EQ(ToString(LogLevel::Error), "error");
}

}  // namespace
}  // namespace mtlspop
