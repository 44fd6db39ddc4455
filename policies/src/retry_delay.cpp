#include "mtlspop/policies/retry_delay.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <random>

namespace mtlspop {
namespace {

using std::chrono::milliseconds;

// More than anybody waits, and far from overflow in any unit.
constexpr std::int64_t MaximumSeconds = 10LL * 365 * 24 * 3600;

std::optional<std::int64_t> ReadNumber(std::string_view text) {
  std::int64_t number = 0;
  auto const [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc{} || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

std::optional<milliseconds> ReadMilliseconds(Headers const& fields, std::string_view name) {
  auto const number = ReadNumber(fields.Get(name));
  if (!number) return std::nullopt;
  return milliseconds{std::min(*number, MaximumSeconds * 1000)};
}

// Days from 1970-01-01 to a day of the Gregorian calendar, counting years from March so that the leap day comes last.
std::int64_t DaysSinceEpoch(std::int64_t year, std::int64_t month, std::int64_t day) noexcept {
  auto const shifted = month <= 2 ? year - 1 : year;
  auto const monthFromMarch = (month + 9) % 12;
  auto const dayOfYear = (153 * monthFromMarch + 2) / 5 + day - 1;
  return 365 * shifted + shifted / 4 - shifted / 100 + shifted / 400 + dayOfYear - 719468;
}

double RandomOfThread() {
  thread_local std::minstd_rand generator{std::random_device{}()};
  return std::uniform_real_distribution<double>{0.0, 1.0}(generator);
}

}  // namespace

std::optional<std::chrono::system_clock::time_point> ReadHttpDate(std::string_view text) {
  constexpr std::array<std::string_view, 12> Months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  // Sun, 06 Nov 1994 08:49:37 GMT
  // 0    5  8   12   17 20 23 26
  if (text.size() != 29 || text.substr(26) != "GMT" || text[19] != ':' || text[22] != ':') return std::nullopt;
  auto const month = std::find(Months.begin(), Months.end(), text.substr(8, 3));
  auto const day = ReadNumber(text.substr(5, 2));
  auto const year = ReadNumber(text.substr(12, 4));
  auto const hour = ReadNumber(text.substr(17, 2));
  auto const minute = ReadNumber(text.substr(20, 2));
  auto const second = ReadNumber(text.substr(23, 2));
  if (month == Months.end() || !day || !year || !hour || !minute || !second) return std::nullopt;
  if (*day < 1 || *day > 31 || *year < 1970 || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  auto const days = DaysSinceEpoch(*year, (month - Months.begin()) + 1, *day);
  auto const seconds = days * 86400 + *hour * 3600 + *minute * 60 + *second;
  if (seconds >
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::time_point::max().time_since_epoch())
          .count()) {
    return std::nullopt;
  }
  return std::chrono::system_clock::time_point{std::chrono::seconds{seconds}};
}

std::optional<milliseconds> ReadRetryAfter(Headers const& fields, std::chrono::system_clock::time_point now) {
  if (auto const wait = ReadMilliseconds(fields, "retry-after-ms")) return wait;
  if (auto const wait = ReadMilliseconds(fields, "x-ms-retry-after-ms")) return wait;
  auto const value = fields.Get("Retry-After");
  if (value.empty()) return std::nullopt;
  if (auto const seconds = ReadNumber(value)) {
    return milliseconds{std::chrono::seconds{std::min(*seconds, MaximumSeconds)}};
  }
  auto const date = ReadHttpDate(value);
  if (!date) return std::nullopt;
  return std::max(milliseconds{0}, std::chrono::ceil<milliseconds>(*date - now));
}

milliseconds BackOff(RetryOptions const& options, int attempt) {
  auto const doubled = std::ldexp(static_cast<double>(options.InitialDelay.count()), attempt - 1);
  auto const random = options.Random ? options.Random() : RandomOfThread();
  auto const jittered = doubled * (0.8 + 0.4 * random);
  return milliseconds{static_cast<std::int64_t>(std::min(jittered, static_cast<double>(options.MaximumDelay.count())))};
}

}  // namespace mtlspop
