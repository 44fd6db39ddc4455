#include "finding.hpp"

#include <algorithm>
#include <ostream>

#include "hints.hpp"
#include "mtlspop/transport/redact.hpp"

namespace mtlspop::command {
namespace {

constexpr std::size_t VerdictWidth = 8;
constexpr std::size_t StepWidth = 17;

std::string Padded(std::string_view text, std::size_t width) {
  std::string padded{text};
  padded.resize(std::max(width, padded.size() + 1), ' ');
  return padded;
}

}  // namespace

std::string_view ToString(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::Ok:
      return "ok";
    case Verdict::Note:
      return "note";
    case Verdict::Warning:
      return "warning";
    case Verdict::Failed:
      return "failed";
    case Verdict::Skipped:
      break;
  }
  return "skipped";
}

Finding Failure(std::string step, std::string const& what, Error const& error) {
  Finding finding{std::move(step), Verdict::Failed, what + ": " + error.Details().What};
  finding.Action = error.Details().Action;
  if (auto const hint = HintFor(error); !hint.empty()) finding.Action += "; " + std::string{hint};
  finding.Exit = ExitCodeOf(error);
  if (finding.Exit == ExitCode::Success) finding.Exit = ExitCode::Failed;
  finding.Facts["error"] = error.Code().Name();
  finding.Facts["detail"] = DescribeWithCauses(error);
  if (!error.Details().CorrelationId.empty()) finding.Facts["correlation_id"] = error.Details().CorrelationId;
  if (error.Details().HttpStatus != 0) finding.Facts["status"] = error.Details().HttpStatus;
  return finding;
}

void Report::Add(Finding finding) {
  finding.Figure = Redact(finding.Figure);
  finding.Action = Redact(finding.Action);
  if (shown_ != nullptr) Show(finding);
  findings_.push_back(std::move(finding));
}

void Report::Show(Finding const& finding) const {
  std::string const indent(VerdictWidth + StepWidth, ' ');
  *shown_ << Padded(ToString(finding.Is), VerdictWidth) << Padded(finding.Step, StepWidth) << finding.Figure << '\n';
  for (auto const& line : finding.Lines) *shown_ << indent << Redact(line) << '\n';
  if (!finding.Action.empty()) *shown_ << indent << "-> " << finding.Action << '\n';
  shown_->flush();
}

ExitCode Report::Exit() const noexcept {
  auto const failed = std::find_if(
      findings_.begin(), findings_.end(), [](Finding const& finding) { return finding.Is == Verdict::Failed; });
  return failed == findings_.end() ? ExitCode::Success : failed->Exit;
}

nlohmann::ordered_json Report::ToJson() const {
  nlohmann::ordered_json steps = nlohmann::ordered_json::array();
  for (auto const& finding : findings_) {
    steps.push_back(
        {{"step", finding.Step},
         {"verdict", ToString(finding.Is)},
         {"figure", finding.Figure},
         {"action", finding.Action},
         {"facts", finding.Facts}});
  }
  return {
      {"verdict", Exit() == ExitCode::Success ? "ok" : "failed"},
      {"exit_status", static_cast<int>(Exit())},
      {"steps", std::move(steps)}};
}

}  // namespace mtlspop::command
