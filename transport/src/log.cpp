#include "mtlspop/transport/log.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <utility>

#include "mtlspop/base/environment_variable.hpp"
#include "mtlspop/transport/headers.hpp"
#include "mtlspop/transport/redact.hpp"

namespace mtlspop {
namespace {

using Days = std::chrono::duration<std::int64_t, std::ratio<86'400>>;

struct Date {
  int Year;
  int Month;
  int Day;
};

/// The Gregorian date, counted in years that begin in March, so that a leap day is the last one.
Date DateOf(Days sinceEpoch) noexcept {
  auto const days = sinceEpoch.count() + 719'468;
  auto const era = (days >= 0 ? days : days - 146'096) / 146'097;
  auto const ofEra = days - era * 146'097;
  auto const year = (ofEra - ofEra / 1'460 + ofEra / 36'524 - ofEra / 146'096) / 365;
  auto const ofYear = ofEra - (365 * year + year / 4 - year / 100);
  auto const month = (5 * ofYear + 2) / 153;
  auto const day = static_cast<int>(ofYear - (153 * month + 2) / 5 + 1);
  auto const calendarMonth = static_cast<int>(month < 10 ? month + 3 : month - 9);
  return {static_cast<int>(year + era * 400 + (calendarMonth <= 2 ? 1 : 0)), calendarMonth, day};
}

class Log final : public Observer {
 public:
  Log(LineSink sink, Severity minimum) : sink_(std::move(sink)), minimum_(minimum) {}

  void OnEvent(Event const& event) override { sink_(event.Severity, ToLine(event)); }
  Severity Minimum() const noexcept override { return minimum_; }

 private:
  LineSink sink_;
  Severity minimum_;
};

class StandardErrorLog final : public Observer {
 public:
  explicit StandardErrorLog(Severity minimum) noexcept : minimum_(minimum) {}

  // One call for a line: stderr has a lock of its own, and lines of several threads do not mix.
  void OnEvent(Event const& event) override {
    auto const line =
        ToTimestamp(event.Time) + " mtlspop " + std::string{ToString(event.Severity)} + ' ' + ToLine(event);
    std::fprintf(stderr, "%s\n", line.c_str());
  }
  Severity Minimum() const noexcept override { return minimum_; }

 private:
  Severity minimum_;
};

std::optional<Severity> ReadSeverity(std::string_view name) noexcept {
  for (auto const severity : {Severity::Debug, Severity::Info, Severity::Warning, Severity::Error}) {
    if (EqualsIgnoreCase(name, ToString(severity))) return severity;
  }
  return std::nullopt;
}

void SayOnceThatUnknown(char const* name) {
  static std::atomic<bool> isSaid{false};
  if (isSaid.exchange(true)) return;
  std::fprintf(
      stderr,
      "mtlspop warning MTLSPOP_LOG is \"%s\", which is none of debug, info, warning, error and off; warning is used\n",
      Redact(name).c_str());
}

}  // namespace

std::string ToLine(Event const& event) {
  std::string line{event.Name};
  for (auto const& field : event.Fields) {
    auto const value = field.ToText();
    line.append(" ").append(field.Name).append("=");
    if (!value.empty() && value.find_first_of(" \"=") == std::string::npos) {
      line += value;
      continue;
    }
    line += '"';
    for (char const character : value) {
      line.append(character == '"' || character == '\\' ? 1 : 0, '\\').append(1, character);
    }
    line += '"';
  }
  return line;
}

std::string ToTimestamp(std::chrono::system_clock::time_point time) {
  auto const milliseconds = std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch());
  auto const days = std::chrono::floor<Days>(milliseconds);
  auto const date = DateOf(days);
  auto const ofDay = static_cast<int>((milliseconds - days).count());
  char text[96];
  std::snprintf(
      text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", date.Year, date.Month, date.Day, ofDay / 3'600'000,
      ofDay / 60'000 % 60, ofDay / 1000 % 60, ofDay % 1000);
  return text;
}

std::shared_ptr<Observer> MakeLog(LineSink sink, Severity minimum) {
  if (!sink) return nullptr;
  return std::make_shared<Log>(std::move(sink), minimum);
}

std::shared_ptr<Observer> EnvironmentLog() {
  char const* const name = ReadEnvironmentVariable("MTLSPOP_LOG");
  if (name == nullptr || *name == '\0' || EqualsIgnoreCase(name, "off")) return nullptr;
  auto const severity = ReadSeverity(name);
  if (!severity) SayOnceThatUnknown(name);
  return std::make_shared<StandardErrorLog>(severity.value_or(Severity::Warning));
}

}  // namespace mtlspop
