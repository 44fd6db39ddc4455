#include <CLI/CLI.hpp>

#include <array>

#include "errors.hpp"
#include "get_request.hpp"
#include "mtlspop/policies/bound_pipeline.hpp"
#include "mtlspop/transport/log.hpp"
#include "mtlspop/transport/redact.hpp"
#include "output.hpp"
#include "progress.hpp"
#include "resource_options.hpp"
#include "subcommand.hpp"
#include "verbose.hpp"

namespace mtlspop::command {
namespace {

constexpr std::size_t PieceBytes = std::size_t{64} * 1024;

struct GetOptions {
  GetRequestOptions Request;
  ResourceOptions Resource;
  std::string Output;
  bool IncludesHead = false;
  bool IsVerbose = false;
  bool IsSilent = false;
  bool Fails = false;
  bool FailsWithBody = false;
  double MaxTimeSeconds = 0;
  int Retries = 3;
};

HttpPipeline MakePipeline(
    GetOptions const& options, SharedOptions const& shared, Request const& request, Terminal& terminal) {
  auto surroundings = MakeSurroundings(shared.Connection);
  if (options.IsVerbose) {
    auto const verbose = std::make_shared<Verbose>(terminal.Error, request.Target.GetOrigin());
    surroundings.Transport = std::make_shared<ObservedTransport>(
        surroundings.Transport, [verbose](Exchange const& exchange) { (*verbose)(exchange); });
    surroundings.Observer = TellAll({EnvironmentLog(), verbose});
  }
  BoundPipelineOptions pipeline;
  pipeline.Scopes = ScopesFor(options.Resource, request.Target);
  pipeline.Binding = ParseBinding(shared.Identity.Binding);
  pipeline.AdditionallyAllowedTenants = shared.Identity.AllowedTenants;
  pipeline.Retry.MaximumRetries = options.Retries;
  pipeline.Observer = surroundings.Observer;
  return MakeBoundPipeline(MakeCredential(shared.Identity, surroundings), surroundings.Transport, std::move(pipeline));
}

void WriteHead(Response const& response, Output& output) {
  auto head = "HTTP/1.1 " + std::to_string(response.StatusCode) + " " + response.ReasonPhrase + "\r\n";
  for (auto const& [name, value] : response.Fields) head += name + ": " + value + "\r\n";
  output.Write(head + "\r\n");
}

void WriteBody(BodyStream& body, Output& output, Progress* progress, Context const& context) {
  std::array<std::uint8_t, PieceBytes> piece{};
  while (auto const count = body.Read(piece, context)) {
    output.Write({reinterpret_cast<char const*>(piece.data()), count});
    if (progress != nullptr) progress->Add(count);
  }
}

/// The request's body, with a bar that shows how far it is.
class ShownBody final : public BodyStream {
 public:
  ShownBody(std::shared_ptr<BodyStream> body, std::ostream& out) : body_(std::move(body)), out_(out) {}

  std::size_t Read(gsl::span<std::uint8_t> buffer, Context const& context) override {
    if (!progress_) progress_.emplace(out_, body_->Length());
    auto const count = body_->Read(buffer, context);
    progress_->Add(count);
    if (count == 0) progress_.reset();
    return count;
  }
  std::optional<std::uint64_t> Length() const noexcept override { return body_->Length(); }
  bool TryRewind() override {
    progress_.reset();
    return body_->TryRewind();
  }

 private:
  std::shared_ptr<BodyStream> body_;
  std::ostream& out_;
  std::optional<Progress> progress_;
};

[[noreturn]] void FailForStatus(Response const& response) {
  auto const status = std::to_string(response.StatusCode);
  throw Error{ErrorDetails{
      errors::HttpStatus, "The answer is " + status + " " + Redact(response.ReasonPhrase),
      response.StatusCode == 401 || response.StatusCode == 403
          ? "mtlspop doctor with the same URL and identity says which step is refused"
          : "Leave out --fail to see what the service says of it",
      response.StatusCode}};
}

int Run(GetOptions const& options, SharedOptions const& shared, Terminal& terminal) {
  PipelineRequest request{MakeGetRequest(options.Request, terminal.In)};
  Output output{options.Output, terminal};
  auto const showsProgress = terminal.IsErrorTerminal && !options.IsSilent && !options.IsVerbose &&
                             (output.IsFile() || !terminal.IsOutTerminal);
  if (showsProgress && request.Message.Body) {
    request.Message.Body = std::make_shared<ShownBody>(request.Message.Body, terminal.Error);
  }
  auto const pipeline = MakePipeline(options, shared, request.Message, terminal);
  auto const context = WithMaxTime(options.MaxTimeSeconds);
  auto const response = pipeline.Send(request, context);

  auto const isFailure = response->StatusCode >= 400 && (options.Fails || options.FailsWithBody);
  if (isFailure && options.Fails) FailForStatus(*response);
  if (options.IncludesHead || options.Request.IsHead) WriteHead(*response, output);
  {
    std::optional<Progress> progress;
    if (showsProgress) progress.emplace(terminal.Error, response->Body->Length());
    WriteBody(*response->Body, output, progress ? &*progress : nullptr, context);
  }
  output.Finish();
  if (isFailure) FailForStatus(*response);
  return 0;
}

void AddRequest(CLI::App& app, GetRequestOptions& options) {
  app.add_option("url", options.Url, "The URL; https:// may be left out")->required();
  app.add_option(
      "-X,--request", options.Method, "The method, where it is not GET, POST (with data) or PUT (with a file)");
  app.add_option(
         "-H,--header", options.Headers, "\"Name: value\"; \"Name:\" leaves one out; @FILE takes them from a file")
      ->allow_extra_args(false);
  auto* const data =
      app.add_option("-d,--data", options.Data, "The body; @FILE without its line ends, @- standard input")
          ->allow_extra_args(false);
  auto* const raw =
      app.add_option("--data-raw", options.DataRaw, "The same, and @ means nothing")->allow_extra_args(false);
  auto* const binary = app.add_option("--data-binary", options.DataBinary, "The body; @FILE as it is, streamed")
                           ->excludes(data)
                           ->excludes(raw);
  auto* const json = app.add_option("--json", options.Json, "The same, as application/json");
  json->excludes(data)->excludes(raw)->excludes(binary);
  auto* const upload =
      app.add_option("-T,--upload-file", options.UploadFile, "PUT this file, streamed; - standard input");
  upload->excludes(data)->excludes(raw)->excludes(binary)->excludes(json);
  auto* const head = app.add_flag("-I,--head", options.IsHead, "HEAD: the answer's header alone");
  head->excludes(data)->excludes(raw)->excludes(binary)->excludes(json)->excludes(upload);
}

}  // namespace

Subcommand AddGetCommand(CLI::App& root) {
  auto const options = std::make_shared<GetOptions>();
  auto* const app =
      root.add_subcommand("get", "Send a request with a bound token, as curl would; redirects are not followed");
  AddRequest(*app, options->Request);
  AddResourceOptions(*app, options->Resource);
  app->add_option("-o,--output", options->Output, "Write the answer to this file")->type_name("FILE");
  app->add_flag("-i,--include", options->IncludesHead, "Show the answer's header too");
  app->add_flag("-v,--verbose", options->IsVerbose, "Show what travels, without secrets");
  app->add_flag("-s,--silent", options->IsSilent, "No progress bar");
  auto* const fails = app->add_flag("-f,--fail", options->Fails, "End with 22, without a body, from status 400 on");
  app->add_flag("--fail-with-body", options->FailsWithBody, "The same with the body")->excludes(fails);
  app->add_option("--retry", options->Retries, "How often a request is sent again that may do better then")
      ->check(CLI::Range(0, 100))
      ->capture_default_str();
  AddMaxTime(*app, options->MaxTimeSeconds);
  return {app, [options](SharedOptions const& shared, Terminal& terminal) { return Run(*options, shared, terminal); }};
}

}  // namespace mtlspop::command
