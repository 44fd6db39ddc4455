#pragma once

/// @file
/// Log lines, and the redactor that is the only way to one.

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "mtlspop/export.hpp"

namespace mtlspop {

/// How much a line matters, in rising order.
enum class LogLevel {
  /// For whoever looks for a fault: each step on the way.
  Debug,
  /// What normally happens.
  Info,
  /// Something is not as it should be, and the library goes on.
  Warning,
  /// Something failed.
  Error,
};

/// "debug", "info", "warning", "error".
MTLSPOP_EXPORT std::string_view ToString(LogLevel level) noexcept;

/// `text` without anything that looks like a secret: JWTs and their parts, long base64 and base64url runs, PEM blocks,
/// the values of authorization headers and of the members and form fields that carry tokens, assertions, passwords and
/// certificate requests, the user part of URLs. Control characters are written as `\xNN`, so that a log line stays one
/// line. What was taken out is shown as `[redacted]`.
MTLSPOP_EXPORT std::string Redact(std::string_view text);

/// One field of a log line.
struct LogField {
  /// A text. It is copied; `name` is borrowed until the line is written, as in all that follow.
  LogField(std::string_view name, std::string_view value) : Name(name), Value(value) {}
  /// A text that ends with a null character.
  LogField(std::string_view name, char const* value) : Name(name), Value(value) {}
  /// A text.
  LogField(std::string_view name, std::string const& value) : Name(name), Value(value) {}
  /// A number, written in decimal.
  LogField(std::string_view name, std::int64_t value) : Name(name), Value(std::to_string(value)) {}
  /// A number, written in decimal.
  LogField(std::string_view name, int value) : Name(name), Value(std::to_string(value)) {}

  /// The name, in snake_case, for example "duration_ms".
  std::string_view Name;
  /// The value, not redacted yet: `Logger::Write` does that.
  std::string Value;
};

/// Writes lines of the form `event name=value name="other value"` to a sink. Every value goes through `Redact()`; there
/// is no other way to the sink.
///
/// Thread safety: all members may be called from any thread; so is the sink.
class MTLSPOP_EXPORT Logger final {
 public:
  /// Takes one line without its final newline. Called from any thread, several at a time; `line` is good for the
  /// duration of the call.
  using Sink = std::function<void(LogLevel level, std::string_view line)>;

  /// Writes nothing.
  Logger() noexcept = default;
  /// Writes lines of `minimum` and above to `sink`. An exception from the sink is dropped: logging never fails a
  /// request.
  Logger(Sink sink, LogLevel minimum);
  /// To stderr, from the level that the environment variable `MTLSPOP_LOG` names on; nothing where it is not set.
  static Logger FromEnvironment();

  /// Whether lines of this level are written. To be asked first where a field costs something.
  bool IsEnabled(LogLevel level) const noexcept;
  /// Writes one line, where the level is enabled. Never throws what the sink throws.
  /// @param level how much it matters
  /// @param event the name of what happened, for example "binding.issued"
  /// @param fields in the order in which they are written
  void Write(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {}) const;

 private:
  struct State;
  std::shared_ptr<State const> state_;
};

}  // namespace mtlspop
