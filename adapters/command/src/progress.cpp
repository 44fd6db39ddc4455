#include "progress.hpp"

#include <algorithm>

#include "text.hpp"

namespace mtlspop::command {
namespace {

constexpr std::uint64_t BarWidth = 30;
constexpr auto Interval = std::chrono::milliseconds{100};
constexpr char const* EraseLine = "\r\x1b[K";

std::string Bar(std::uint64_t percent) {
  auto const filled = static_cast<std::size_t>(percent * BarWidth / 100);
  std::string bar(BarWidth, ' ');
  std::fill_n(bar.begin(), filled, '=');
  if (filled < BarWidth) bar[filled] = '>';
  auto const number = std::to_string(percent);
  return "[" + bar + "] " + std::string(3 - number.size(), ' ') + number + " %  ";
}

}  // namespace

std::string ProgressLine(
    std::uint64_t done, std::optional<std::uint64_t> whole, std::chrono::steady_clock::duration elapsed) {
  auto const seconds = std::max(std::chrono::duration<double>{elapsed}.count(), 0.001);
  auto const rate = static_cast<double>(done) / seconds;
  auto const perSecond = "  " + FormatBytes(static_cast<std::uint64_t>(rate)) + "/s";
  if (!whole || *whole == 0) return FormatBytes(done) + perSecond;
  auto const part = std::min(static_cast<double>(done) / static_cast<double>(*whole), 1.0);
  auto line =
      Bar(static_cast<std::uint64_t>(part * 100)) + FormatBytes(done) + " of " + FormatBytes(*whole) + perSecond;
  if (rate >= 1 && done < *whole) {
    std::chrono::duration<double> const left{static_cast<double>(*whole - done) / rate};
    line += "  " + FormatDuration(std::chrono::duration_cast<std::chrono::seconds>(left) + std::chrono::seconds{1}) +
            " left";
  }
  return line;
}

Progress::~Progress() {
  if (isDrawn_) out_ << EraseLine << std::flush;
}

void Progress::Add(std::uint64_t bytes, Clock::time_point now) {
  done_ += bytes;
  if (now < next_) return;
  next_ = now + Interval;
  isDrawn_ = true;
  out_ << EraseLine << ProgressLine(done_, whole_, now - begin_) << std::flush;
}

}  // namespace mtlspop::command
