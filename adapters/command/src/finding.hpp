#pragma once

/// @file
/// What `mtlspop doctor` finds out, step by step.

#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "exit_code.hpp"

namespace mtlspop::command {

enum class Verdict {
  Ok,
  /// Nothing is wrong, nothing is proven either.
  Note,
  /// It works, and something is not as it should be.
  Warning,
  Failed,
  /// Not looked at, since it does not matter here or something before it failed.
  Skipped,
};

/// "ok", "note", "warning", "failed", "skipped".
std::string_view ToString(Verdict verdict) noexcept;

struct Finding {
  /// Stable, for programs: "metadata_service".
  std::string Step;
  Verdict Is = Verdict::Ok;
  /// What was found, with its figure; a sentence without the final stop.
  std::string Figure{};
  /// What belongs to it, each on a line of its own.
  std::vector<std::string> Lines{};
  /// What to do about it; "" for nothing.
  std::string Action{};
  /// With which status the command ends, where the step failed.
  ExitCode Exit = ExitCode::Success;
  /// The same for programs.
  nlohmann::ordered_json Facts = nlohmann::ordered_json::object();
};

/// A step that an error ended.
/// @param what what was being done, before the error's own text
Finding Failure(std::string step, std::string const& what, Error const& error);

/// The findings, in the order of the steps.
///
/// Thread safety: none.
class Report final {
 public:
  /// @param shown each finding is written there as it comes; null for none
  explicit Report(std::ostream* shown) : shown_(shown) {}

  void Add(Finding finding);
  /// The status of the first step that failed.
  ExitCode Exit() const noexcept;
  nlohmann::ordered_json ToJson() const;

 private:
  void Show(Finding const& finding) const;

  std::ostream* shown_;
  std::vector<Finding> findings_;
};

}  // namespace mtlspop::command
