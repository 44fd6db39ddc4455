#include "metrics.hpp"

namespace metrics {
namespace {

/// `{a="1",b="2"}`, with one more label where that has a name.
std::string ToText(Labels const& labels, std::string const& name = {}, std::string const& value = {}) {
  std::string text;
  auto const add = [&](std::string const& label, std::string const& content) {
    text += (text.empty() ? "{" : ",") + label + "=\"";
    for (char const character : content) {
      if (character == '\\' || character == '"') text += '\\';
      text += character;
    }
    text += '"';
  };
  for (auto const& [label, content] : labels) add(label, content);
  if (!name.empty()) add(name, value);
  return text.empty() ? text : text + "}";
}

void AddHistogram(std::string const& name, Labels const& labels, Histogram const& histogram, std::string& text) {
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < histogram.Buckets.size(); ++i) {
    below += histogram.Buckets[i];
    auto const bound = i < Bounds.size() ? std::to_string(Bounds[i]) : std::string{"+Inf"};
    text += name + "_bucket" + ToText(labels, "le", bound) + " " + std::to_string(below) + "\n";
  }
  text += name + "_sum" + ToText(labels) + " " + std::to_string(histogram.Sum) + "\n";
  text += name + "_count" + ToText(labels) + " " + std::to_string(histogram.Count) + "\n";
}

}  // namespace

std::string ToPrometheus(Snapshot const& figures) {
  std::string text;
  for (auto const& [name, values] : figures.Counters) {
    text += "# TYPE " + name + "_total counter\n";
    for (auto const& [labels, value] : values)
      text += name + "_total" + ToText(labels) + " " + std::to_string(value) + "\n";
  }
  for (auto const& [name, values] : figures.Gauges) {
    text += "# TYPE " + name + " gauge\n";
    for (auto const& [labels, value] : values) text += name + ToText(labels) + " " + std::to_string(value) + "\n";
  }
  for (auto const& [name, values] : figures.Histograms) {
    text += "# TYPE " + name + " histogram\n";
    for (auto const& [labels, histogram] : values) AddHistogram(name, labels, histogram, text);
  }
  return text;
}

}  // namespace metrics
