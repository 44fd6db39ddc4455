// What a fleet asks of its services over ten days, in virtual time: 100,000 machines that were deployed in one minute,
// with certificates of eight hours. On the fourth day the token service is away for an hour, on the seventh every
// certificate is refused at once. Other fleets have certificates of their own, good for longer than all that, so that their
// tokens are renewed by the tokens' own times; and one meets a resource that goes on refusing for an hour. A smaller fleet of
// whole credentials goes the first way, and shows that what the model of a machine says is what a credential does.

#include <algorithm>
#include <cmath>
#include <exception>
#include <iostream>
#include <memory>
#include <numeric>
#include <random>

#include "fleet/fleet_picture.hpp"
#include "fleet/machine.hpp"
#include "fleet/whole_machine.hpp"
#include "support/report.hpp"

namespace mtlspop::bench {
namespace {

using std::chrono::duration_cast;
using std::chrono::hours;
using std::chrono::minutes;

WallTime const Deployed{hours{24 * 365 * 56}};

History TenDays() {
  History story;
  story.Deployed = Deployed;
  story.End = Deployed + hours{240};
  story.DownFrom = Deployed + hours{91} + minutes{30};
  story.UpFrom = story.DownFrom + hours{1};
  story.AllRefusedFrom = Deployed + hours{160};
  return story;
}

/// With certificates of the applications' own.
History TenDaysOfTokens(hours life, minutes refreshIn) {
  auto story = TenDays();
  story.IsOwnCertificate = true;
  story.TokenLife = life;
  story.RefreshIn = refreshIn;
  return story;
}

/// With a resource that takes no certificate, old or new, for an hour.
History TenDaysWithARefusingResource() {
  auto story = TenDays();
  story.AllRefusedTo = story.AllRefusedFrom + hours{1};
  return story;
}

/// The same numbers in each run: a figure that is missed can be looked into.
RandomNumbers Seeded(std::uint64_t seed) {
  return [generator = std::make_shared<std::mt19937_64>(seed)] {
    return std::uniform_real_distribution<double>{}(*generator);
  };
}

Traffic Run(History const& story, Schedule const& schedule, RandomNumbers const& random, int machines) {
  Traffic traffic{story};
  for (int machine = 0; machine < machines; ++machine) {
    auto const start = Deployed + duration_cast<WallDuration>(minutes{1} * random());
    RunMachine(start, schedule, random, traffic);
  }
  return traffic;
}

struct Window {
  WallTime From;
  WallTime To;
};

double BusiestMinute(std::vector<int> const& counts, Window window) {
  auto const begin = counts.begin() + (window.From - Deployed) / minutes{1};
  auto const end = counts.begin() + (window.To - Deployed) / minutes{1};
  return *std::max_element(begin, end);
}

double Mean(std::vector<int> const& counts, Window window) {
  auto const begin = counts.begin() + (window.From - Deployed) / minutes{1};
  auto const end = counts.begin() + (window.To - Deployed) / minutes{1};
  return double(std::accumulate(begin, end, 0LL)) / double(end - begin);
}

void Report1(Report& report, std::string const& name, Traffic const& traffic, int machines, bool limited) {
  auto const story = traffic.Story;
  Window const calm{story.Deployed + story.CertificateLife / 2, story.DownFrom};
  Window const afterOutage{story.UpFrom, story.UpFrom + hours{24}};
  Window const afterRefusal{story.AllRefusedFrom + story.CertificateLife / 2, story.End};
  auto const limit = [limited](double value) { return limited ? std::optional{value} : std::nullopt; };
  auto const busiest = [&](char const* what, std::vector<int> const& counts, Window window, double most) {
    auto const peak = BusiestMinute(counts, window);
    report.Add(
        {name + ": " + what, peak / Mean(counts, calm), "x", limit(most), false,
         std::to_string(static_cast<int>(peak)) + " in the busiest minute"});
  };
  busiest("certificates, busiest minute / mean", traffic.Certificates, calm, 1.5);
  busiest("tokens, busiest minute / mean", traffic.Tokens, calm, 1.5);
  busiest("tokens after the outage / mean", traffic.Tokens, afterOutage, 5);
  busiest("certificates after the refusal / mean", traffic.Certificates, afterRefusal, 1.5);
  // Nothing is the limit of this one: whoever is refused has nothing else to go on with.
  auto const wave = BusiestMinute(traffic.Certificates, {story.AllRefusedFrom, story.AllRefusedFrom + hours{1}});
  report.Add(
      {name + ": certificates at the refusal itself, busiest minute / mean", wave / Mean(traffic.Certificates, calm),
       "x", std::nullopt, false, std::to_string(static_cast<int>(wave)) + " in the busiest minute"});
  // By the contract a certificate is renewed at half life, and a token comes with each.
  auto const needed = double(machines) * double((story.End - story.Deployed) / (story.CertificateLife / 2));
  report.Add({name + ": certificates / needed", double(traffic.CertificateCount) / needed, "x", limit(1.1)});
  report.Add({name + ": tokens / needed", double(traffic.TokenCount) / needed, "x", limit(1.1)});
  // Nothing is the limit; a ratio to nothing is none.
  report.Add({name + ": requests that an application noticed", double(traffic.Noticed), "", limit(0.5)});
}

/// Tokens alone. A token of an hour does not outlive the outage, and then each application asks for one with each request:
/// what is limited is that the fleet does not go on in step.
void ReportTokens(Report& report, std::string const& name, Traffic const& traffic, bool outlivesOutage) {
  auto const& story = traffic.Story;
  Window const calm{story.Deployed + hours{4}, story.DownFrom};
  auto const busiest = [&](char const* what, Window window, std::optional<double> limit) {
    auto const peak = BusiestMinute(traffic.Tokens, window);
    report.Add(
        {name + ": " + what, peak / Mean(traffic.Tokens, calm), "x", limit, false,
         std::to_string(static_cast<int>(peak)) + " in the busiest minute"});
  };
  auto const limited = [&](double value) { return outlivesOutage ? std::optional{value} : std::nullopt; };
  busiest("tokens, busiest minute / mean", calm, 1.5);
  busiest("tokens during the outage / mean", {story.DownFrom, story.UpFrom}, std::nullopt);
  busiest("tokens in the hour after the outage / mean", {story.UpFrom, story.UpFrom + hours{1}}, limited(5));
  busiest("tokens on the day after that / mean", {story.UpFrom + hours{1}, story.UpFrom + hours{25}}, 1.5);
  busiest("tokens at the refusal / mean", {story.AllRefusedFrom, story.AllRefusedFrom + minutes{5}}, std::nullopt);
  busiest("tokens after the refusal / mean", {story.AllRefusedFrom + minutes{5}, story.End}, 1.5);
  if (outlivesOutage) report.Add({name + ": requests that an application noticed", double(traffic.Noticed), "", 0.5});
}

/// One refusal is believed in five minutes and up to a quarter more; the application asks each minute.
void ReportRefusingResource(Report& report, std::string const& name, Traffic const& traffic, int machines) {
  auto const& story = traffic.Story;
  auto const peak = BusiestMinute(traffic.Certificates, {story.AllRefusedTo - minutes{20}, story.AllRefusedTo});
  report.Add(
      {name + ": certificates after 40 minutes of refusals, busiest minute / machines", peak / machines, "x",
       std::nullopt, false, std::to_string(static_cast<int>(peak)) + " in the busiest minute"});
}

/// By the hour: with so few machines a minute's requests are a matter of chance.
double BusiestHour(std::vector<int> const& counts, Window window) {
  auto const begin = counts.begin() + (window.From - Deployed) / minutes{1};
  auto const end = counts.begin() + (window.To - Deployed) / minutes{1};
  double busiest = 0;
  for (auto hour = begin; end - hour >= 60; hour += 60) {
    busiest = std::max(busiest, std::accumulate(hour, hour + 60, 0.0));
  }
  return busiest / (60 * Mean(counts, {Deployed + hours{4}, TenDays().DownFrom}));
}

double Deviation(std::size_t one, std::size_t other) { return std::abs(double(one) / double(other) - 1); }

void ReportWhole(Report& report, RandomNumbers const& random, bool isQuick) {
  int const machines = isQuick ? 40 : 300;
  Traffic whole{TenDays()};
  for (int machine = 0; machine < machines; ++machine) {
    RunWholeMachine(machine, duration_cast<WallDuration>(minutes{1} * random()), random, whole);
  }
  auto const model = Run(TenDays(), LibrarySchedule(random), random, machines);
  auto const story = whole.Story;
  Window const calm{story.Deployed + story.CertificateLife / 2, story.DownFrom};
  Window const afterOutage{story.UpFrom, story.UpFrom + hours{24}};
  auto const name = std::to_string(machines) + " whole credentials: ";
  auto const add = [&](char const* what, double value, std::string unit, double limit, std::string note = "") {
    report.Add({name + what, value, std::move(unit), limit, false, std::move(note)});
  };
  auto const busiest = [&](char const* what, auto counts, Window window, double most) {
    auto const ofModel = BusiestHour(model.*counts, window);
    // Forty machines have hours of their own.
    add(what, BusiestHour(whole.*counts, window), "x", isQuick ? 2 * most : most,
        "the model's " + std::to_string(ofModel).substr(0, 5));
  };
  busiest("certificates, busiest hour / mean", &Traffic::Certificates, calm, 1.5);
  busiest("tokens, busiest hour / mean", &Traffic::Tokens, calm, 1.5);
  busiest("tokens after the outage, busiest hour / mean", &Traffic::Tokens, afterOutage, 5);
  auto const needed = double(machines) * double((story.End - story.Deployed) / (story.CertificateLife / 2));
  add("certificates / needed", double(whole.CertificateCount) / needed, "x", 1.1);
  add("tokens / needed", double(whole.TokenCount) / needed, "x", 1.1);
  add("certificates, away from the model's", Deviation(whole.CertificateCount, model.CertificateCount), "", 0.05);
  add("tokens, away from the model's", Deviation(whole.TokenCount, model.TokenCount), "", 0.05);
  add("requests that an application noticed", double(whole.Noticed), "", 0.5);
}

int Main(int argc, char** argv) {
  auto const options = BenchOptions::Parse(argc, argv);
  Report report{"fleet"};
  if (options.Wants("fleet")) {
    int const machines = options.Quick ? 10'000 : 100'000;
    auto const random = Seeded(20261128);
    auto const before = Run(TenDays(), ScheduleWithoutJitter(), random, machines);
    auto const now = Run(TenDays(), LibrarySchedule(random), random, machines);
    Report1(report, "without jitter", before, machines, false);
    Report1(report, "with jitter", now, machines, true);
    if (options.Plot) DrawFleet("docs/fleet.svg", {{"without jitter", &before}, {"with jitter", &now}});
  }
  if (options.Wants("own certificates")) {
    int const machines = options.Quick ? 10'000 : 100'000;
    auto const random = Seeded(20261130);
    auto const ofADay = TenDaysOfTokens(hours{24}, hours{12});
    // What the library takes where the service names no time.
    auto const ofAnHour = TenDaysOfTokens(hours{1}, minutes{50});
    ReportTokens(report, "tokens of 24 h", Run(ofADay, LibrarySchedule(random), random, machines), true);
    ReportTokens(report, "tokens of 1 h", Run(ofAnHour, LibrarySchedule(random), random, machines), false);
  }
  if (options.Wants("refusing resource")) {
    int const machines = options.Quick ? 10'000 : 100'000;
    auto const random = Seeded(20261201);
    auto const story = TenDaysWithARefusingResource();
    ReportRefusingResource(report, "without jitter", Run(story, ScheduleWithoutJitter(), random, machines), machines);
    ReportRefusingResource(report, "with jitter", Run(story, LibrarySchedule(random), random, machines), machines);
  }
  if (options.Wants("whole credentials")) ReportWhole(report, Seeded(20261129), options.Quick);
  if (options.Plot) report.WriteJson("docs/fleet.json");
  // It has a picture of its own.
  auto withoutPicture = options;
  withoutPicture.Plot = false;
  return report.Finish(withoutPicture);
}

}  // namespace
}  // namespace mtlspop::bench

int main(int argc, char** argv) {
  try {
    return mtlspop::bench::Main(argc, argv);
  } catch (std::exception const& exception) {
    std::cerr << "mtlspop-bench-fleet: " << exception.what() << '\n';
    return 1;
  }
}
