#include "support/report.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <stdexcept>

#include <nlohmann/json.hpp>

namespace mtlspop::bench {
namespace {

std::string Format(double value) {
  char text[32];
  std::snprintf(text, sizeof text, value >= 100 ? "%.0f" : "%.3f", value);
  return text;
}

constexpr char const* Usage = R"(usage: mtlspop-bench-NAME [OPTIONS]

  --only TEXT  only the cases whose name holds TEXT
  --quick      fewer requests a round
  --check      exit with 1 where a figure misses its limit
  --plot       draw docs/bench-NAME.svg
  --help       this text
)";

}  // namespace

bool Figure::IsMet() const noexcept { return AgainstLimit() <= 1; }

double Figure::AgainstLimit() const noexcept {
  if (!Limit || (Value == 0 && !AtLeast)) {
    return 0;
  }
  return AtLeast ? *Limit / Value : Value / *Limit;
}

BenchOptions BenchOptions::Parse(int argc, char** argv, std::string_view ownMode) {
  BenchOptions options;
  for (int index = 1; index < argc; ++index) {
    std::string const argument = argv[index];
    if (argument == "--check") {
      options.Check = true;
    } else if (argument == "--plot") {
      options.Plot = true;
    } else if (argument == "--quick") {
      options.Quick = true;
    } else if (argument == "--only" && index + 1 < argc) {
      options.Only = argv[++index];
    } else if (argument == "--help" || argument == "-h") {
      std::cout << Usage;
      std::exit(0);
    } else if (!ownMode.empty() && argument == ownMode) {
      options.Rest.assign(argv + index, argv + argc);
      break;
    } else {
      std::cerr << (argument == "--only" ? "--only takes a text" : "unknown argument: " + argument) << '\n' << Usage;
      std::exit(2);
    }
  }
  return options;
}

bool BenchOptions::Wants(std::string_view name) const {
  bool const wanted = name.find(Only) != std::string_view::npos;
  Cases.Names.emplace_back(name);
  Cases.AnyWanted = Cases.AnyWanted || wanted;
  return wanted;
}

double Median(std::vector<double> values) {
  if (values.empty()) {
    throw std::logic_error("the median of nothing");
  }
  std::sort(values.begin(), values.end());
  auto const middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

void Report::Add(Figure figure) {
  std::cerr << "   " << figure.Name << ": " << Format(figure.Value) << ' ' << figure.Unit << '\n';
  figures_.push_back(std::move(figure));
}

int Report::Finish(BenchOptions const& options) const {
  if (!options.Cases.AnyWanted) {
    std::cerr << "no case's name holds \"" << options.Only << "\"; there are:\n";
    for (auto const& name : options.Cases.Names) std::cerr << "  " << name << '\n';
    return 2;
  }
  std::printf("%-52s %10s %-8s %10s  %-4s %s\n", "figure", "measured", "unit", "limit", "", "note");
  std::size_t missed = 0;
  Figure const* worst = nullptr;
  for (auto const& figure : figures_) {
    std::string const limit = figure.Limit ? (figure.AtLeast ? ">= " : "<= ") + Format(*figure.Limit) : "";
    char const* const verdict = !figure.Limit ? "" : figure.IsMet() ? "ok" : "MISS";
    std::printf(
        "%-52s %10s %-8s %10s  %-4s %s\n", figure.Name.c_str(), Format(figure.Value).c_str(), figure.Unit.c_str(),
        limit.c_str(), verdict, figure.Note.c_str());
    missed += figure.Limit && !figure.IsMet() ? 1 : 0;
    if (figure.Limit && (worst == nullptr || figure.AgainstLimit() > worst->AgainstLimit())) {
      worst = &figure;
    }
  }
  WriteJson("build/bench/bench-" + name_ + ".json");
  if (options.Plot) {
    WriteSvg("docs/bench-" + name_ + ".svg");
  }
  for (auto const& figure : figures_) {
    if (figure.Limit && !figure.IsMet()) {
      std::printf("missed: %s\n", figure.Name.c_str());
    }
  }
  if (worst != nullptr) {
    std::printf("worst against its limit: %s of 1 (%s)\n", Format(worst->AgainstLimit()).c_str(), worst->Name.c_str());
  }
  return options.Check && missed != 0 ? 1 : 0;
}

void Report::WriteJson(std::string const& path) const {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (auto const& figure : figures_) {
    nlohmann::ordered_json one{
        {"name", figure.Name}, {"value", figure.Value}, {"unit", figure.Unit}, {"note", figure.Note}};
    if (figure.Limit) {
      one["limit"] = *figure.Limit;
      one["at_least"] = figure.AtLeast;
      one["met"] = figure.IsMet();
    }
    all.push_back(std::move(one));
  }
  std::ofstream{path} << nlohmann::ordered_json{{"benchmark", name_}, {"figures", all}}.dump(2) << '\n';
}

/// Bars of how near each figure is to its limit, which is the line at the right.
void Report::WriteSvg(std::string const& path) const {
  constexpr int row = 22;
  constexpr int left = 380;
  constexpr int full = 360;
  std::vector<Figure const*> limited;
  for (auto const& figure : figures_) {
    if (figure.Limit) {
      limited.push_back(&figure);
    }
  }
  auto const height = 40 + row * static_cast<int>(limited.size());
  std::ofstream out{path};
  out << "<svg xmlns='http://www.w3.org/2000/svg' width='" << left + full + 140 << "' height='" << height
      << "' font-family='sans-serif' font-size='12'>\n<rect width='100%' height='100%' fill='white'/>\n<text x='8' "
         "y='18'>"
      << name_ << ": measured against the limit (the line); shorter is better</text>\n";
  int y = 32;
  for (auto const* figure : limited) {
    auto const width = static_cast<int>(std::min(figure->AgainstLimit(), 1.3) * full);
    out << "<text x='8' y='" << y + 13 << "'>" << figure->Name << "</text><rect x='" << left << "' y='" << y
        << "' width='" << width << "' height='16' fill='" << (figure->IsMet() ? "#3a7d44" : "#b23a48") << "'/><text x='"
        << left + width + 6 << "' y='" << y + 13 << "'>" << Format(figure->Value) << ' ' << figure->Unit << "</text>\n";
    y += row;
  }
  out << "<line x1='" << left + full << "' x2='" << left + full << "' y1='28' y2='" << height - 6
      << "' stroke='black' stroke-dasharray='4 3'/>\n</svg>\n";
}

}  // namespace mtlspop::bench
