#include "mtlspop/policies/retry_delay.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>

#include "mtlspop/base/http_date.hpp"
#include "mtlspop/base/random_numbers.hpp"

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

}  // namespace

std::optional<milliseconds> ReadRetryAfter(Headers const& fields, std::chrono::system_clock::time_point now) {
  if (auto const wait = ReadMilliseconds(fields, "retry-after-ms")) return wait;
  if (auto const wait = ReadMilliseconds(fields, "x-ms-retry-after-ms")) return wait;
  return ReadRetryAfterValue(fields.Get("Retry-After"), now);
}

milliseconds BackOff(RetryOptions const& options, int attempt) {
  auto const doubled = std::ldexp(static_cast<double>(options.InitialDelay.count()), attempt - 1);
  auto const jittered = doubled * (0.8 + 0.4 * RandomOr(options.Random)());
  return milliseconds{static_cast<std::int64_t>(std::min(jittered, static_cast<double>(options.MaximumDelay.count())))};
}

}  // namespace mtlspop
