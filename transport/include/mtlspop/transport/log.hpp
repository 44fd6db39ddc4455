#pragma once

/// @file
/// Log lines, and the redactor that is the only way to one.

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

namespace mtlspop {

enum class LogLevel { Debug, Info, Warning, Error };

/// "debug", "info", "warning", "error".
std::string_view ToString(LogLevel level) noexcept;

/// `text` without anything that looks like a secret: JWTs and their parts, long base64 and base64url runs, PEM blocks,
/// the values of authorization headers and of the members and form fields that carry tokens, assertions, passwords and
/// certificate requests, the user part of URLs. Control characters are written as `\xNN`, so that a log line stays one
/// line. What was taken out is shown as `[redacted]`.
std::string Redact(std::string_view text);

/// One field of a log line.
struct LogField {
  LogField(std::string_view name, std::string_view value) : Name(name), Value(value) {}
  LogField(std::string_view name, char const* value) : Name(name), Value(value) {}
  LogField(std::string_view name, std::string const& value) : Name(name), Value(value) {}
  LogField(std::string_view name, std::int64_t value) : Name(name), Value(std::to_string(value)) {}
  LogField(std::string_view name, int value) : Name(name), Value(std::to_string(value)) {}

  std::string_view Name;
  std::string Value;
};

/// Writes lines of the form `event name=value name="other value"` to a sink. Every value goes through `Redact()`; there
/// is no other way to the sink.
///
/// Thread safety: all members may be called from any thread; so is the sink.
class Logger final {
 public:
  using Sink = std::function<void(LogLevel level, std::string_view line)>;

  /// Writes nothing.
  Logger() noexcept = default;
  /// Writes lines of `minimum` and above to `sink`. An exception from the sink is dropped: logging never fails a
  /// request.
  Logger(Sink sink, LogLevel minimum);
  /// To stderr, from the level that the environment variable `MTLSPOP_LOG` names on; nothing where it is not set.
  static Logger FromEnvironment();

  bool IsEnabled(LogLevel level) const noexcept;
  void Write(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {}) const;

 private:
  struct State;
  std::shared_ptr<State const> state_;
};

}  // namespace mtlspop
