#include "text.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <memory>

#include "errors.hpp"
#include "platform.hpp"

namespace mtlspop::command {
namespace {

constexpr std::size_t PasswordBytes = 4096;

struct Unit {
  std::int64_t Size;
  char const* Name;
};

std::string FormatInUnits(std::int64_t count, Unit large, Unit small) {
  auto text = std::to_string(count / large.Size) + " " + large.Name;
  auto const rest = count % large.Size / small.Size;
  return rest == 0 ? text : text + " " + std::to_string(rest) + " " + small.Name;
}

}  // namespace

std::string FormatTime(std::chrono::system_clock::time_point time) {
  auto const seconds = std::chrono::system_clock::to_time_t(time);
  auto const parts = ToUtc(seconds);
  std::array<char, 64> text{};
  auto const length = std::snprintf(
      text.data(), text.size(), "%04d-%02d-%02dT%02d:%02d:%02dZ", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
      parts.tm_hour, parts.tm_min, parts.tm_sec);
  return {text.data(), static_cast<std::size_t>(length)};
}

std::string FormatDuration(std::chrono::nanoseconds duration) {
  auto const nanoseconds = duration.count() < 0 ? -duration.count() : duration.count();
  if (nanoseconds < 1'000'000) return std::to_string(nanoseconds / 1'000) + " µs";
  auto const milliseconds = nanoseconds / 1'000'000;
  if (milliseconds < 10'000 && milliseconds % 1'000 != 0) return std::to_string(milliseconds) + " ms";
  auto const seconds = milliseconds / 1'000;
  if (seconds < 60) return std::to_string(seconds) + " s";
  if (seconds < 3'600) return FormatInUnits(seconds, {60, "min"}, {1, "s"});
  if (seconds < 86'400) return FormatInUnits(seconds, {3'600, "h"}, {60, "min"});
  return FormatInUnits(seconds, {86'400, "d"}, {3'600, "h"});
}

std::string FormatBytes(std::uint64_t bytes) {
  if (bytes < 1024) return std::to_string(bytes) + " B";
  constexpr char const* Names[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  std::uint64_t size = 1024;
  std::size_t unit = 0;
  for (; unit + 1 < std::size(Names) && bytes / size >= 1024; ++unit) size *= 1024;
  // The product fits: size is 2^60 at most.
  auto const tenths = bytes % size * 10 / size;
  return std::to_string(bytes / size) + "." + std::to_string(tenths) + " " + Names[unit];
}

Url ParseUrl(std::string_view text) {
  try {
    return Url::Parse(text.find("://") == std::string_view::npos ? "https://" + std::string{text} : std::string{text});
  } catch (Error const& error) {
    Fail(errors::UrlMalformed, error.Details().What, error.Details().Action);
  }
}

std::string ReadFile(std::string const& path, std::size_t limit) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> const file{std::fopen(path.c_str(), "rb"), &std::fclose};
  auto const cannot = [&](std::string const& why) {
    Fail(errors::ReadFailed, "The file " + path + " cannot be read: " + why, "Check the path and who may read it");
  };
  if (!file) cannot(std::strerror(errno));
  std::string content(limit + 1, '\0');
  content.resize(std::fread(content.data(), 1, content.size(), file.get()));
  if (std::ferror(file.get()) != 0) cannot(std::strerror(errno));
  if (content.size() > limit) cannot("it is larger than " + FormatBytes(limit));
  return content;
}

Secret ReadPasswordFile(std::string const& path) {
  auto content = ReadFile(path, PasswordBytes);
  auto const end = content.find_first_of("\r\n");
  if (end != std::string::npos) content.resize(end);
  return Secret{std::move(content)};
}

}  // namespace mtlspop::command
