#include "emulator.hpp"

#include <stdexcept>

#include "support/emulator_here.hpp"

namespace mtlspop::test {
namespace {

using nlohmann::json;

std::unique_ptr<ServerProcess> Start(std::vector<std::string> const& arguments) {
  auto command = EmulatorCommand();
  command.insert(command.end(), arguments.begin(), arguments.end());
  auto process = std::make_unique<ServerProcess>(ServerCommand{std::move(command), {}, SIGTERM});
  if (!process->WaitForOutput("}\n")) throw std::runtime_error("the emulator did not start: " + process->Output());
  return process;
}

}  // namespace

Emulator::Emulator(std::vector<std::string> const& arguments) {
  do {
    process_ = Start(arguments);
    startup_ = json::parse(process_->Output());
  } while (!IsUsable(MakeTransportOptions()));
  transport_ = MakeTransportToEmulator(MakeTransportOptions());
}

TransportOptions Emulator::MakeTransportOptions() const {
  TransportOptions options;
  options.Tls.Trust.CaFile = startup_.at("ca_file");
  options.Proxy.UseEnvironment = false;
  for (auto const& [from, to] : startup_.at("connect").items()) {
    options.ConnectOverrides.push_back({from, to.get<std::string>()});
  }
  auto const sts = startup_.at("sts").get<std::string>().substr(std::string{"https://"}.size());
  options.ConnectOverrides.push_back({"mtlsauth.microsoft.com:443", sts});
  options.ConnectOverrides.push_back({"*.mtlsauth.microsoft.com:443", sts});
  return options;
}

ManagedIdentityCredentialOptions Emulator::CredentialOptions() const {
  ManagedIdentityCredentialOptions options;
  options.ImdsEndpoint = ImdsEndpoint();
  options.Keys = KeysForEmulator();
  options.Transport = transport_;
  options.Environment = [](char const*) { return std::string{}; };
  options.Random = [] { return 0.0; };
  return options;
}

json Emulator::Log(std::string const& service) const { return Get(service.empty() ? "log" : "log?service=" + service); }

int Emulator::Count(std::string const& path) const {
  int count = 0;
  for (auto const& entry : Log()) {
    if (entry.at("path").get<std::string>().find(path) != std::string::npos) ++count;
  }
  return count;
}

void Emulator::ArmFault(json const& fault) const { Control("faults", fault); }

json Emulator::Control(std::string const& name, json const& body) const { return Send("POST", name, body.dump()); }

json Emulator::Get(std::string const& name) const { return Send("GET", name, ""); }

json Emulator::Send(std::string const& method, std::string const& name, std::string const& body) const {
  Request request{method, Url::Parse(startup_.at("control").get<std::string>() + "/emulator/" + name)};
  if (!body.empty()) request.SetBody(body);
  auto const response = transport_->Send(request, nullptr, {});
  auto const text = ReadToEnd(*response->Body, DefaultBufferedBodyBytes, {});
  if (response->StatusCode != 200) throw std::runtime_error("the emulator refused " + name + ": " + text);
  return json::parse(text);
}

int Emulator::ReadSecret(AccessToken const& token) const { return ReadSecretOver(*transport_, token); }

int Emulator::ReadSecretOver(HttpTransport& transport, AccessToken const& token) const {
  Request request{
      "GET",
      Url::Parse("https://" + startup_.at("vault_host").get<std::string>() + "/secrets/boundsecret?api-version=7.4")};
  // What has no certificate cannot be sent but as a bearer token.
  request.Fields.Set(
      "Authorization", token.Binding ? token.AuthorizationHeader() : "Bearer " + std::string{token.Token.Reveal()});
  if (token.Binding) request.Fields.Set("x-ms-tokenboundauth", "true");
  auto const response = transport.Send(request, token.Binding, {});
  ReadToEnd(*response->Body, DefaultBufferedBodyBytes, {});
  return response->StatusCode;
}

TokenRequest VaultRequest() {
  TokenRequest request;
  request.Scopes = {"https://vault.azure.net/.default"};
  return request;
}

}  // namespace mtlspop::test
