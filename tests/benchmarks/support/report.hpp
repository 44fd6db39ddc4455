#pragma once

/// @file
/// What a benchmark found: printed as a table, written as JSON, drawn as SVG, and held against its limits.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mtlspop::bench {

/// One line of the result.
struct Figure {
  std::string Name;
  double Value = 0;
  /// "x" for a ratio, otherwise a unit.
  std::string Unit = "x";
  /// What must not be passed; none for a figure that is only reported.
  std::optional<double> Limit{};
  /// Whether the limit is one from below.
  bool AtLeast = false;
  /// More about it, for the table: medians, counts.
  std::string Note{};

  bool IsMet() const noexcept;
  /// 1 at the limit, above 1 where it is missed.
  double AgainstLimit() const noexcept;
};

/// `--check`, `--plot`, `--only TEXT` (figures whose case holds it), `--quick` (fewer requests a round).
struct BenchOptions {
  bool Check = false;
  bool Plot = false;
  bool Quick = false;
  std::string Only;
  /// A mode of the benchmark's own with what stands behind it; empty without one.
  std::vector<std::string> Rest;

  /// Ends the program where there is nothing to measure: with status 0 after `--help`, with 2 after an argument that
  /// nobody knows.
  /// @param ownMode the option that begins `Rest`; "" for none
  static BenchOptions Parse(int argc, char** argv, std::string_view ownMode = "");
  /// Whether the case of that name is to be measured.
  bool Wants(std::string_view name) const;
  /// The cases that were asked for, and whether one of them was wanted: for who mistyped `Only`.
  struct Asked {
    std::vector<std::string> Names;
    bool AnyWanted = false;
  };
  mutable Asked Cases{};
};

class Report final {
 public:
  /// `name` is that of the benchmark: "transport".
  explicit Report(std::string name) : name_(std::move(name)) {}

  void Add(Figure figure);
  /// Writes the table, the JSON beside the program and, where asked for, the picture in docs/. Returns the exit status:
  /// 1 where a limit is missed and that counts, 2 where `BenchOptions::Only` chose nothing.
  int Finish(BenchOptions const& options) const;
  void WriteJson(std::string const& path) const;

 private:
  void WriteSvg(std::string const& path) const;

  std::string name_;
  std::vector<Figure> figures_;
};

double Median(std::vector<double> values);

}  // namespace mtlspop::bench
