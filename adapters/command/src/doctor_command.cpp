#include <CLI/CLI.hpp>

#include <ostream>

#include "examination.hpp"
#include "observed_credential.hpp"
#include "text.hpp"

namespace mtlspop::command {
namespace {

/// What a token is asked for where neither a URL nor an option says.
constexpr char const* UsualScope = "https://vault.azure.net/.default";

struct DoctorOptions {
  std::string Url;
  ResourceOptions Resource;
  bool AsJson = false;
  double MaxTimeSeconds = 60;
};

Examination Begin(DoctorOptions const& options, SharedOptions const& shared) {
  Examination examination{shared.Identity, shared.Connection, {}, {}, MakeSurroundings(shared.Connection), {}, {}};
  if (options.Url.empty()) {
    examination.Scopes = ScopesOf(options.Resource);
    if (examination.Scopes.empty()) examination.Scopes = {UsualScope};
  } else {
    examination.Target = ParseUrl(options.Url);
    examination.Scopes = ScopesFor(options.Resource, *examination.Target);
  }
  examination.Saw = std::make_shared<Sightings>();
  examination.Surroundings.Transport = std::make_shared<ObservedTransport>(
      examination.Surroundings.Transport, [saw = examination.Saw](Exchange const& exchange) { saw->Add(exchange); });
  examination.Until = WithMaxTime(options.MaxTimeSeconds);
  return examination;
}

void AddAll(std::vector<Finding> findings, Report& report) {
  for (auto& finding : findings) report.Add(std::move(finding));
}

void Skip(std::initializer_list<char const*> steps, std::string const& why, Report& report) {
  for (auto const* const step : steps) report.Add({step, Verdict::Skipped, why});
}

/// Certificate and token. False where there is none, so that nothing else can be tried.
bool ReportToken(Examination const& examination, ObservedCredential& credential, Report& report) {
  TokenRequest request;
  request.Scopes = examination.Scopes;
  try {
    AddAll(ExamineToken(examination, credential.GetToken(request, examination.Until)), report);
    return true;
  } catch (Error const& error) {
    report.Add({"certificate", Verdict::Skipped, "There is no token"});
    report.Add(Failure("token", "No token for " + request.Scopes.front(), error));
    return false;
  }
}

/// Where only the resource says what it wants, it is asked first, and the token is looked at afterwards.
void ReportWhatIsLearned(
    Examination const& examination, std::shared_ptr<ObservedCredential> const& credential, Report& report) {
  auto url = ExamineUrl(examination, credential);
  if (auto const token = credential->Last()) {
    AddAll(ExamineToken(examination, *token), report);
  } else {
    Skip({"certificate", "token"}, "The resource was asked first what token it wants, and none was had", report);
  }
  AddAll(std::move(url), report);
}

void ReportCalls(Examination const& examination, Report& report) {
  std::shared_ptr<ObservedCredential> credential;
  try {
    credential = std::make_shared<ObservedCredential>(MakeCredential(examination.Identity, examination.Surroundings));
  } catch (Error const& error) {
    report.Add(Failure("certificate", "The identity cannot be used", error));
    Skip({"token", "connection", "url"}, "There is no identity", report);
    return;
  }
  if (examination.Scopes.empty()) {
    ReportWhatIsLearned(examination, credential, report);
  } else if (!ReportToken(examination, *credential, report)) {
    Skip({"connection", "url"}, "There is no token", report);
  } else if (!examination.Target) {
    Skip({"connection", "url"}, "No URL was given", report);
  } else {
    AddAll(ExamineUrl(examination, credential), report);
  }
}

int Run(DoctorOptions const& options, SharedOptions const& shared, Terminal& terminal) {
  auto const examination = Begin(options, shared);
  Report report{options.AsJson ? nullptr : &terminal.Out};
  report.Add(ExamineEnvironment(examination));
  report.Add(ExamineMetadataService(examination));
  AddAll(ExamineKeys(examination), report);
  ReportCalls(examination, report);
  report.Add(ExamineClock(examination));
  if (options.AsJson) {
    terminal.Out << report.ToJson().dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << '\n';
  }
  return static_cast<int>(report.Exit());
}

}  // namespace

Subcommand AddDoctorCommand(CLI::App& root) {
  auto const options = std::make_shared<DoctorOptions>();
  auto* const app = root.add_subcommand("doctor", "Say step by step what this machine can do, and why not");
  app->add_option("url", options->Url, "What is to be called; nothing is changed there");
  AddResourceOptions(*app, options->Resource);
  app->add_flag("--json", options->AsJson, "Say it as JSON");
  AddMaxTime(*app, options->MaxTimeSeconds);
  return {app, [options](SharedOptions const& shared, Terminal& terminal) { return Run(*options, shared, terminal); }};
}

}  // namespace mtlspop::command
