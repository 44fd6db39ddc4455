#include "emulator.hpp"

#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <utility>

#include "schannel/http_transport.hpp"
#include "wine_winhttp.hpp"

namespace mtlspop::windows_tests {
namespace {

Context InTime() { return Context{}.WithTimeout(std::chrono::seconds{30}); }

}  // namespace

Emulator::Emulator(char const* variable) : control_(schannel::MakeWinHttpTransport({}, WinHttpOfThisMachine()).get()) {
  char const* const startup = std::getenv(variable);
  if (startup == nullptr) {
    throw std::runtime_error{std::string{variable} + " is not set; run tests/windows/run.sh"};
  }
  startup_ = nlohmann::json::parse(startup);
  ClearFaults();
  Call("DELETE", "/emulator/log", {});
}

Emulator::~Emulator() {
  try {
    ClearFaults();
  } catch (std::exception const&) {
    // The next test that uses the emulator will say so.
    static_cast<void>(0);
  }
}

TransportOptions Emulator::Options() const {
  TransportOptions options;
  auto const file = startup_.at("ca_file").get<std::string>();
  // Of an emulator beside Wine, which shows the machine's own file system as drive Z:.
  options.Tls.Trust.CaFile = (file.front() == '/' ? "Z:" : "") + file;
  for (auto const& [from, to] : startup_.at("connect").items()) {
    options.ConnectOverrides.push_back({from, to.get<std::string>()});
  }
  options.Proxy.UseEnvironment = false;
  return options;
}

gsl::not_null<std::shared_ptr<HttpTransport>> Emulator::MakeTransport(TransportOptions options) const {
  return schannel::MakeWinHttpTransport(std::move(options), WinHttpOfThisMachine());
}

nlohmann::json Emulator::Log(std::string const& service) const {
  return nlohmann::json::parse(Call("GET", "/emulator/log?service=" + service, {}));
}

void Emulator::Arm(nlohmann::json const& fault) const { Call("POST", "/emulator/faults", fault.dump()); }
void Emulator::Register(nlohmann::json const& app) const { Call("POST", "/emulator/apps", app.dump()); }
void Emulator::ClearFaults() const { Call("DELETE", "/emulator/faults", {}); }
void Emulator::Release() const { Call("POST", "/emulator/release", {}); }

void Emulator::AwaitHeld(int count) const {
  Call("GET", "/emulator/held?timeout_ms=10000&at_least=" + std::to_string(count), {});
}

std::string Emulator::Call(char const* method, std::string const& path, std::string const& body) const {
  Request request{method, Url::Parse(Endpoint("control") + path)};
  request.NeverProxied = true;
  if (!body.empty()) {
    request.SetBody(body);
  }
  auto const context = InTime();
  auto const response = control_->Send(request, nullptr, context);
  auto text = ReadToEnd(*response->Body, DefaultBufferedBodyBytes, context);
  if (response->StatusCode / 100 != 2) {
    throw std::runtime_error{"the emulator answered " + std::to_string(response->StatusCode) + ": " + text};
  }
  return text;
}

Answer Get(
    HttpTransport& transport,
    std::string const& url,
    Headers const& fields,
    std::shared_ptr<BindingCertificate const> const& binding) {
  Request request{"GET", Url::Parse(url)};
  request.Fields = fields;
  auto const context = InTime();
  auto const response = transport.Send(request, binding, context);
  return {response->StatusCode, ReadToEnd(*response->Body, DefaultBufferedBodyBytes, context)};
}

}  // namespace mtlspop::windows_tests
