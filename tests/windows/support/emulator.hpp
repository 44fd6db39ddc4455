#pragma once

/// @file
/// The emulator, a program of its own.

#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "mtlspop/transport/http_transport.hpp"

namespace mtlspop::windows_tests {

/// The emulator whose startup line is in an environment variable. Its log is emptied and its faults are
/// cleared when this is made and when it is destroyed.
class Emulator final {
 public:
  /// @throw std::runtime_error where the variable is not set: run tests/windows/run.sh.
  explicit Emulator(char const* variable = "MTLSPOP_EMULATOR");
  ~Emulator();
  Emulator(Emulator const&) = delete;
  Emulator& operator=(Emulator const&) = delete;

  std::string Endpoint(char const* name) const { return startup_.at(name).get<std::string>(); }
  nlohmann::json const& Startup() const noexcept { return startup_; }

  /// Trusts the emulator's authority alone, connects where its real host names lead.
  TransportOptions Options() const;
  /// A transport with these options, or with others.
  gsl::not_null<std::shared_ptr<HttpTransport>> MakeTransport() const { return MakeTransport(Options()); }
  gsl::not_null<std::shared_ptr<HttpTransport>> MakeTransport(TransportOptions options) const;

  /// What it saw of a service: "imds", "sts", "vault".
  nlohmann::json Log(std::string const& service) const;
  void Arm(nlohmann::json const& fault) const;
  void ClearFaults() const;
  /// Registers an app.
  void Register(nlohmann::json const& app) const;
  void Release() const;
  /// Waits until so many calls are held.
  void AwaitHeld(int count) const;

 private:
  std::string Call(char const* method, std::string const& path, std::string const& body) const;

  nlohmann::json startup_;
  std::shared_ptr<HttpTransport> control_;
};

/// Status and body of an answer.
struct Answer {
  int Status = 0;
  std::string Body;
};

Answer Get(
    HttpTransport& transport,
    std::string const& url,
    Headers const& fields = {},
    std::shared_ptr<BindingCertificate const> const& binding = nullptr);

}  // namespace mtlspop::windows_tests
