#pragma once

/// @file
/// Stands in for the header of the same name of tests/integration: what the emulator and its clients need under Wine.

#include <chrono>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gsl/pointers>

#include "container_keys.hpp"
#include "schannel/http_transport.hpp"
#include "wine_winhttp.hpp"

namespace mtlspop::test {

/// Wine's SChannel can answer neither a renegotiation nor post-handshake authentication, and matches no IP addresses in
/// certificates.
inline std::vector<std::string> EmulatorCommand() {
  char const* const program = std::getenv("MTLSPOP_EMULATOR_PROGRAM");
  if (program == nullptr) throw std::runtime_error("MTLSPOP_EMULATOR_PROGRAM is not set; run tests/windows/run.sh");
  return {program,     "--exit-with-stdin",   "--client-certificate",
          "handshake", "--sts-endpoint-name", "westeurope.mtlsauth.microsoft.com"};
}

inline gsl::not_null<std::shared_ptr<HttpTransport>> MakeTransportToEmulator(TransportOptions options) {
  return schannel::MakeWinHttpTransport(std::move(options), windows_tests::WinHttpOfThisMachine());
}

/// Wine takes the signature of a good certificate for a wrong one, seldom: then not with others. All of the emulator's servers
/// have the same one; the service that is asked is one that no other test asks.
inline bool IsUsable(TransportOptions const& options) {
  Request request{"GET", Url::Parse("https://shared.attest.azure.net/certs")};
  try {
    MakeTransportToEmulator(options)->Send(request, nullptr, Context{}.WithTimeout(std::chrono::seconds{30}));
    return true;
  } catch (Error const& error) {
    if (error.Code() != errors::ServerCertificateRejected) throw;
    return false;
  }
}

inline std::shared_ptr<KeyProvider> KeysForEmulator() { return windows_tests::MakeContainerKeyProvider(); }

}  // namespace mtlspop::test
