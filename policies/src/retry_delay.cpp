#include "mtlspop/policies/retry_delay.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>

#include "mtlspop/base/http_date.hpp"
#include "mtlspop/base/random_numbers.hpp"
#include "mtlspop/base/saturated_time.hpp"

namespace mtlspop {
namespace {

using std::chrono::milliseconds;

std::optional<std::int64_t> ReadNumber(std::string_view text) {
  std::int64_t number = 0;
  auto const [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc{} || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

std::optional<milliseconds> ReadMilliseconds(Headers const& fields, std::string_view name) {
  auto const number = ReadNumber(fields.Get(name));
  if (!number) return std::nullopt;
  return AtMostTenYears(milliseconds{*number});
}

}  // namespace

std::optional<milliseconds> ReadRetryAfter(Headers const& fields, std::chrono::system_clock::time_point now) {
  if (auto const wait = ReadMilliseconds(fields, "retry-after-ms")) return wait;
  if (auto const wait = ReadMilliseconds(fields, "x-ms-retry-after-ms")) return wait;
  return ReadRetryAfterValue(fields.Get("Retry-After"), now);
}

milliseconds BackOff(RetryOptions const& options, int attempt) {
  auto const doubled = std::ldexp(static_cast<double>(options.InitialDelay.count()), attempt - 1);
  auto const random = RandomOr(options.Random)();
  // Where it is capped it differs, too: there everybody is who waits for long.
  auto const longest = WithinAtRandom(AtMostTenYears(options.MaximumDelay), [random] { return random; });
  return milliseconds{
      static_cast<std::int64_t>(std::min(doubled * (0.8 + 0.4 * random), static_cast<double>(longest.count())))};
}

}  // namespace mtlspop
