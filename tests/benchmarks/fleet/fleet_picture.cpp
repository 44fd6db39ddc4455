#include "fleet/fleet_picture.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <stdexcept>

namespace mtlspop::bench {
namespace {

constexpr std::size_t MinutesOfAColumn = 15;
constexpr int Left = 90;
constexpr int RowHeight = 150;
constexpr int PlotHeight = 110;
constexpr double MostPerMinute = 1e5;

// Logarithmic, from 10 to 100,000: a wave is three hundred times the mean.
int HeightOf(int count) {
  auto const share = std::log10(std::max(count, 10) / 10.0) / std::log10(MostPerMinute / 10.0);
  return static_cast<int>(std::min(share, 1.0) * PlotHeight);
}

void DrawRow(std::ostream& out, int top, std::string const& name, std::vector<int> const& minutes) {
  auto const bottom = top + PlotHeight;
  auto const columns = minutes.size() / MinutesOfAColumn;
  out << "<text x='8' y='" << top - 8 << "' font-weight='bold'>" << name << "</text>\n";
  for (int count = 10; count <= 100'000; count *= 10) {
    auto const y = bottom - HeightOf(count);
    out << "<line x1='" << Left << "' x2='" << Left + columns << "' y1='" << y << "' y2='" << y
        << "' stroke='#dddddd'/><text x='" << Left - 6 << "' y='" << y + 4 << "' text-anchor='end'>" << count
        << "</text>\n";
  }
  out << "<path fill='#2f6690' d='M" << Left << ' ' << bottom;
  for (std::size_t column = 0; column < columns; ++column) {
    auto const begin = minutes.begin() + static_cast<std::ptrdiff_t>(column * MinutesOfAColumn);
    auto const most = *std::max_element(begin, begin + static_cast<std::ptrdiff_t>(MinutesOfAColumn));
    out << 'L' << Left + column << ' ' << bottom - HeightOf(most);
  }
  out << 'L' << Left + columns << ' ' << bottom << "Z'/>\n";
}

}  // namespace

void DrawFleet(std::string const& path, std::vector<std::pair<std::string, Traffic const*>> const& rows) {
  if (rows.empty()) throw std::logic_error("a picture of nothing");
  auto const columns = rows.front().second->Tokens.size() / MinutesOfAColumn;
  std::ofstream out{path};
  auto const width = Left + static_cast<int>(columns) + 20;
  auto const height = 60 + RowHeight * static_cast<int>(rows.size());
  out << "<svg xmlns='http://www.w3.org/2000/svg' width='" << width << "' height='" << height
      << "' font-family='sans-serif' font-size='12'>\n<rect width='100%' height='100%' fill='white'/>\n<text x='8' "
         "y='18'>Requests to the token service per minute (the busiest of each quarter of an hour), ten days of "
         "100,000 machines deployed in one minute</text>\n";
  int top = 50;
  for (auto const& [name, traffic] : rows) {
    DrawRow(out, top, name, traffic->Tokens);
    top += RowHeight;
  }
  for (std::size_t day = 0; day <= columns * MinutesOfAColumn / (24 * 60); ++day) {
    out << "<text x='" << Left + day * 24 * 60 / MinutesOfAColumn << "' y='" << height - 12
        << "' text-anchor='middle'>day " << day << "</text>\n";
  }
  out << "</svg>\n";
  if (!out) throw std::runtime_error("cannot write " + path);
}

}  // namespace mtlspop::bench
