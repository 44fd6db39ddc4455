#include "emulator.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "failure.hpp"

namespace demo {
namespace {

using nlohmann::json;

// The name that the real service has in one of its regions.
constexpr char const* TokenServiceHost = "westeurope.mtlsauth.microsoft.com";

std::string Text(json const& object, char const* member) {
  auto const found = object.find(member);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

Command StartCommand(std::string program, std::string const& secretName, std::string const& secretValue) {
  return {
      {std::move(program), "--exit-with-stdin", "--record-secrets", "--sts-endpoint-name", TokenServiceHost, "--secret",
       secretName + "=" + secretValue},
      {}};
}

}  // namespace

Emulator::Emulator(std::string program, std::string const& secretName, std::string const& secretValue)
    : process_(StartCommand(std::move(program), secretName, secretValue)) {
  std::string startupLine;
  std::string complaints;
  process_.ReadLines(
      [&](Stream stream, std::string_view line) {
        if (stream == Stream::Output) {
          startupLine = line;
        } else {
          complaints.append(line).append("\n");
        }
        return startupLine.empty();
      },
      ChildProcess::Clock::now() + std::chrono::seconds{20});
  if (startupLine.empty()) {
    throw Failure{"the emulator did not start: " + complaints, "Start mtlspop-emulator by hand to see why"};
  }
  TakeEndpoints(startupLine);
}

void Emulator::TakeEndpoints(std::string_view startupLine) {
  auto const line = json::parse(startupLine);
  imds_ = line.at("imds");
  control_ = line.at("control");
  caFile_ = line.at("ca_file");
  vaultHost_ = line.at("vault_host");
  for (auto const& [from, to] : line.at("connect").items()) {
    overrides_.push_back({from, to.get<std::string>()});
  }
  for (auto const& identity : line.at("identities")) {
    if (Text(identity, "type") == "UserAssigned") {
      otherIdentity_ = Text(identity, "client_id");
      break;
    }
  }
  transport_ = mtlspop::MakeHttpTransport(TransportOptions());
}

std::vector<std::pair<std::string, std::string>> Emulator::Environment() const {
  std::string overrides;
  for (auto const& entry : overrides_) {
    overrides.append(overrides.empty() ? "" : ",").append(entry.From).append("=").append(entry.To);
  }
  return {
      {"AZURE_POD_IDENTITY_AUTHORITY_HOST", imds_},
      {"MTLSPOP_CA_FILE", caFile_},
      {"MTLSPOP_CONNECT_OVERRIDES", overrides}};
}

mtlspop::TransportOptions Emulator::TransportOptions() const {
  mtlspop::TransportOptions options;
  options.Tls.Trust.CaFile = caFile_;
  options.ConnectOverrides = overrides_;
  options.Proxy.UseEnvironment = false;
  return options;
}

std::string Emulator::Get(std::string const& path) {
  mtlspop::Request request{"GET", mtlspop::Url::Parse(control_ + path)};
  auto const context = mtlspop::Context{}.WithTimeout(std::chrono::seconds{10});
  auto const response = transport_->Send(request, nullptr, context);
  auto body = mtlspop::ReadToEnd(*response->Body, mtlspop::DefaultBufferedBodyBytes, context);
  if (response->StatusCode != 200) {
    throw Failure{
        "the emulator answered " + std::to_string(response->StatusCode) + " to " + path,
        "Build the demo and the emulator from the same sources"};
  }
  return body;
}

std::vector<SeenRequest> Emulator::Log() {
  std::vector<SeenRequest> log;
  for (auto const& entry : json::parse(Get("/emulator/log"))) {
    log.push_back(
        {Text(entry, "service"), Text(entry, "method"), Text(entry, "path"), entry.value("status", 0),
         Text(entry, "x5t_s256"), Text(entry, "token_x5t_s256"), Text(entry, "token_type"),
         Text(entry, "tls_version")});
  }
  return log;
}

std::vector<std::string> Emulator::TokensGiven() {
  std::vector<std::string> tokens;
  for (auto const& entry : json::parse(Get("/emulator/wire-secrets"))) {
    if (Text(entry, "kind") == "token") tokens.push_back(Text(entry, "value"));
  }
  return tokens;
}

}  // namespace demo
