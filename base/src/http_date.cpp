#include "mtlspop/base/http_date.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

namespace mtlspop {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::system_clock;

/// More than anybody waits, and far from overflow in any unit.
constexpr std::int64_t LongestWait = 10LL * 365 * 24 * 3600;

/// Reads from left to right; once something does not fit, nothing fits any more.
class Reader final {
 public:
  explicit Reader(std::string_view text) noexcept : rest_(text) {}

  bool IsAtEnd() const noexcept { return good_ && rest_.empty(); }

  void Expect(std::string_view text) noexcept {
    good_ = good_ && rest_.substr(0, text.size()) == text;
    if (good_) rest_.remove_prefix(text.size());
  }

  /// The place, counted from 0, of the one of `names` that comes next.
  template <std::size_t Count>
  int Name(std::array<std::string_view, Count> const& names) noexcept {
    auto const found = std::find_if(
        names.begin(), names.end(), [this](auto const& name) { return rest_.substr(0, name.size()) == name; });
    good_ = good_ && found != names.end();
    if (good_) rest_.remove_prefix(found->size());
    return static_cast<int>(found - names.begin());
  }

  /// A number of exactly so many digits. A first one that is missing may be a space where `padding` is one.
  int Digits(std::size_t count, char padding = '0') noexcept {
    int number = 0;
    for (std::size_t index = 0; index < count; ++index) {
      char const c = index < rest_.size() ? rest_[index] : '\0';
      bool const isPadding = index == 0 && padding == ' ' && c == ' ';
      good_ = good_ && (isPadding || (c >= '0' && c <= '9'));
      if (!good_) return 0;
      number = isPadding ? 0 : 10 * number + (c - '0');
    }
    rest_.remove_prefix(count);
    return number;
  }

 private:
  std::string_view rest_;
  bool good_ = true;
};

constexpr std::array<std::string_view, 7> Days{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
constexpr std::array<std::string_view, 7> LongDays{"Monday", "Tuesday",  "Wednesday", "Thursday",
                                                   "Friday", "Saturday", "Sunday"};
constexpr std::array<std::string_view, 12> Months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

struct Date {
  std::int64_t Year = 0;
  int Month = 0;
  int Day = 0;
  int Hour = 0;
  int Minute = 0;
  int Second = 0;
  bool HasCentury = true;
};

void ReadTime(Reader& reader, Date& date) noexcept {
  date.Hour = reader.Digits(2);
  reader.Expect(":");
  date.Minute = reader.Digits(2);
  reader.Expect(":");
  date.Second = reader.Digits(2);
}

/// Sun, 06 Nov 1994 08:49:37 GMT
std::optional<Date> ReadImfFixdate(std::string_view text) noexcept {
  Reader reader{text};
  Date date;
  reader.Name(Days);
  reader.Expect(", ");
  date.Day = reader.Digits(2);
  reader.Expect(" ");
  date.Month = reader.Name(Months) + 1;
  reader.Expect(" ");
  date.Year = reader.Digits(4);
  reader.Expect(" ");
  ReadTime(reader, date);
  reader.Expect(" GMT");
  return reader.IsAtEnd() ? std::make_optional(date) : std::nullopt;
}

/// Sunday, 06-Nov-94 08:49:37 GMT
std::optional<Date> ReadRfc850(std::string_view text) noexcept {
  Reader reader{text};
  Date date;
  reader.Name(LongDays);
  reader.Expect(", ");
  date.Day = reader.Digits(2);
  reader.Expect("-");
  date.Month = reader.Name(Months) + 1;
  reader.Expect("-");
  date.Year = reader.Digits(2);
  date.HasCentury = false;
  reader.Expect(" ");
  ReadTime(reader, date);
  reader.Expect(" GMT");
  return reader.IsAtEnd() ? std::make_optional(date) : std::nullopt;
}

/// Sun Nov  6 08:49:37 1994
std::optional<Date> ReadAsctime(std::string_view text) noexcept {
  Reader reader{text};
  Date date;
  reader.Name(Days);
  reader.Expect(" ");
  date.Month = reader.Name(Months) + 1;
  reader.Expect(" ");
  date.Day = reader.Digits(2, ' ');
  reader.Expect(" ");
  ReadTime(reader, date);
  reader.Expect(" ");
  date.Year = reader.Digits(4);
  return reader.IsAtEnd() ? std::make_optional(date) : std::nullopt;
}

bool IsLeapYear(std::int64_t year) noexcept { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

int DaysOfMonth(std::int64_t year, int month) noexcept {
  constexpr std::array<int, 12> days{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return days.at(static_cast<std::size_t>(month - 1)) + (month == 2 && IsLeapYear(year) ? 1 : 0);
}

/// A leap second is taken for the one after it.
bool IsPossible(Date const& date) noexcept {
  return date.Year >= 1970 && date.Day >= 1 && date.Day <= DaysOfMonth(date.Year, date.Month) && date.Hour <= 23 &&
         date.Minute <= 59 && date.Second <= 60;
}

/// Seconds since 1970, counting years from March so that the leap day comes last.
std::int64_t SecondsOf(Date const& date) noexcept {
  auto const year = date.Month <= 2 ? date.Year - 1 : date.Year;
  auto const monthFromMarch = (date.Month + 9) % 12;
  auto const dayOfYear = (153 * monthFromMarch + 2) / 5 + date.Day - 1;
  auto const days = 365 * year + year / 4 - year / 100 + year / 400 + dayOfYear - 719468;
  return days * 86400 + date.Hour * 3600 + date.Minute * 60 + date.Second;
}

std::int64_t SecondsOf(system_clock::time_point time) noexcept {
  return std::chrono::duration_cast<seconds>(time.time_since_epoch()).count();
}

/// The latest year with these two digits that is no more than fifty years after `now`.
std::int64_t WithCentury(std::int64_t twoDigits, system_clock::time_point now) noexcept {
  constexpr std::int64_t secondsOfYear = 31'556'952;
  auto const latest = 1970 + SecondsOf(now) / secondsOfYear + 50;
  auto const year = latest - latest % 100 + twoDigits;
  return year > latest ? year - 100 : year;
}

std::optional<std::int64_t> ReadSeconds(std::string_view text) noexcept {
  std::int64_t number = 0;
  auto const* const end = text.data() + text.size();
  auto const [stopped, failure] = std::from_chars(text.data(), end, number);
  if (failure != std::errc{} || stopped != end || number < 0) return std::nullopt;
  return std::min(number, LongestWait);
}

}  // namespace

std::optional<system_clock::time_point> ReadHttpDate(std::string_view text, system_clock::time_point now) {
  auto date = ReadImfFixdate(text);
  if (!date) date = ReadRfc850(text);
  if (!date) date = ReadAsctime(text);
  if (!date) return std::nullopt;
  if (!date->HasCentury) date->Year = WithCentury(date->Year, now);
  if (!IsPossible(*date)) return std::nullopt;
  return system_clock::time_point{seconds{std::min(SecondsOf(*date), SecondsOf(system_clock::time_point::max()))}};
}

std::optional<milliseconds> ReadRetryAfterValue(std::string_view value, system_clock::time_point now) {
  if (auto const wait = ReadSeconds(value)) return milliseconds{seconds{*wait}};
  auto const date = ReadHttpDate(value, now);
  if (!date) return std::nullopt;
  if (*date <= now) return milliseconds{0};
  return std::min(std::chrono::ceil<milliseconds>(*date - now), milliseconds{seconds{LongestWait}});
}

}  // namespace mtlspop
