#include "narrator.hpp"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <utility>

namespace demo {
namespace {

/// Behind the time with which a line begins.
constexpr std::string_view LogMark = "Z mtlspop ";

using Fields = std::map<std::string, std::string, std::less<>>;

struct LogLine {
  std::string_view Event;
  Fields Values;
};

std::string_view TakeWord(std::string_view& text, char end) {
  auto const length = text.find(end);
  auto const word = text.substr(0, length);
  text.remove_prefix(length == std::string_view::npos ? text.size() : length + 1);
  return word;
}

std::string TakeValue(std::string_view& text) {
  if (text.empty() || text.front() != '"') return std::string{TakeWord(text, ' ')};
  std::string value;
  text.remove_prefix(1);
  while (!text.empty() && text.front() != '"') {
    if (text.front() == '\\') text.remove_prefix(1);
    value += text.front();
    text.remove_prefix(1);
  }
  text.remove_prefix(text.size() < 2 ? text.size() : 2);
  return value;
}

// "TIME mtlspop SEVERITY EVENT name=value name="other value""
LogLine Parse(std::string_view line) {
  line.remove_prefix(line.find(LogMark) + LogMark.size());
  TakeWord(line, ' ');
  LogLine parsed{TakeWord(line, ' '), {}};
  while (!line.empty()) {
    auto const name = TakeWord(line, '=');
    parsed.Values.emplace(name, TakeValue(line));
  }
  return parsed;
}

std::string Member(Fields const& values, std::string_view name) {
  auto const found = values.find(name);
  return found == values.end() ? std::string{} : found->second;
}

std::string DescribeResourceRequest(Fields const& values) {
  auto const x5tS256 = Member(values, "x5t_s256");
  auto const certificate = x5tS256.empty() ? std::string{"no certificate"} : "certificate " + x5tS256;
  return Member(values, "method") + " " + Member(values, "path") + " on " + Member(values, "host") + ": " +
         Member(values, "status") + " (" + certificate + ", " + Member(values, "tls") + ")";
}

std::string DescribeService(std::string const& step) {
  if (step == "get_platform_metadata") return "IMDS: platform metadata";
  if (step == "issue_credential") return "IMDS: issue credential";
  if (step == "request_token") return "token service: token request over TLS with this certificate";
  return step;
}

std::string Describe(LogLine const& line) {
  auto const status = ": " + Member(line.Values, "status");
  if (line.Event == "key.made") return "key made, " + Member(line.Values, "strength");
  if (line.Event == "key.signed_certificate_request") return "certificate request signed with the key";
  if (line.Event == "binding.issued") return "certificate checked: x5t#S256 " + Member(line.Values, "x5t_s256");
  if (line.Event == "token.obtained") return "token checked: type " + Member(line.Values, "type") + ", cnf matches";
  if (line.Event == "service.answered") return DescribeService(Member(line.Values, "step")) + status;
  if (line.Event == "request.answered") return DescribeResourceRequest(line.Values);

  std::string text{line.Event};
  for (auto const& [name, value] : line.Values) {
    if (!value.empty()) text.append(" ").append(name).append("=").append(value);
  }
  return text;
}

}  // namespace

void Narrator::Begin(std::string_view what) {
  last_ = Clock::now();
  std::printf("\n%.*s\n", static_cast<int>(what.size()), what.data());
  std::fflush(stdout);
}

void Narrator::Step(std::string_view what) {
  auto const now = Clock::now();
  Print(now - last_, what);
  last_ = now;
}

void Narrator::ApplicationLine(std::string_view line) {
  if (line.find(LogMark) != std::string_view::npos) {
    auto const parsed = Parse(line);
    // The key is made while the metadata is fetched: its own time is in the line, the time since the last line is not it.
    auto const own = parsed.Event == "key.made" ? Member(parsed.Values, "duration_ms") : std::string{};
    if (own.empty()) {
      Step(Describe(parsed));
    } else {
      last_ = Clock::now();
      Print(std::chrono::milliseconds{std::strtoll(own.c_str(), nullptr, 10)}, Describe(parsed));
    }
  } else {
    Step("the application says: " + std::string{line});
  }
}

void Narrator::Print(std::chrono::duration<double, std::milli> duration, std::string_view what) const {
  std::printf("  %8.1f ms  %.*s\n", duration.count(), static_cast<int>(what.size()), what.data());
  std::fflush(stdout);
}

}  // namespace demo
