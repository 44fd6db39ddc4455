#include "examination.hpp"

#include "text.hpp"

namespace mtlspop::command {
namespace {

namespace chrono = std::chrono;

/// Tokens and certificates are dated, and services allow for five minutes.
constexpr auto WrongFrom = chrono::minutes{5};
constexpr auto DoubtfulFrom = chrono::minutes{1};

}  // namespace

void Sightings::Add(Exchange const& exchange) {
  if (exchange.Answer == nullptr) return;
  Seen seen{
      exchange.Sent.Target.GetOrigin(), std::string{exchange.Answer->Fields.Get("Server")}, std::nullopt, exchange.Took,
      exchange.Answer->StatusCode};
  auto const now = chrono::system_clock::now();
  if (auto const date = ReadHttpDate(exchange.Answer->Fields.Get("Date"), now)) {
    seen.ClockDifference = chrono::duration_cast<chrono::seconds>(*date - now);
  }
  std::lock_guard<std::mutex> const lock{mutex_};
  all_.push_back(std::move(seen));
}

std::vector<Seen> Sightings::All() const {
  std::lock_guard<std::mutex> const lock{mutex_};
  return all_;
}

Finding ExamineClock(Examination const& examination) {
  Finding finding{"clock"};
  std::optional<Seen> furthest;
  for (auto const& seen : examination.Saw->All()) {
    if (!seen.ClockDifference) continue;
    finding.Facts[seen.From.ToString()] = seen.ClockDifference->count();
    if (!furthest || chrono::abs(*seen.ClockDifference) > chrono::abs(*furthest->ClockDifference)) furthest = seen;
  }
  if (!furthest) {
    finding.Is = Verdict::Note;
    finding.Figure = "No service said what time it is";
    return finding;
  }
  auto const difference = *furthest->ClockDifference;
  auto const size = chrono::abs(difference);
  finding.Figure =
      size <= chrono::seconds{1}
          ? "As the services' clocks"
          : FormatDuration(size) + (difference.count() > 0 ? " behind " : " ahead of ") + furthest->From.ToString();
  if (size >= DoubtfulFrom) {
    finding.Is = size >= WrongFrom ? Verdict::Failed : Verdict::Warning;
    finding.Exit = size >= WrongFrom ? ExitCode::ClockWrong : ExitCode::Success;
    finding.Action =
        "Set this machine's clock (timedatectl set-ntp true): certificates and tokens are taken for expired "
        "or not yet valid otherwise";
  }
  return finding;
}

}  // namespace mtlspop::command
