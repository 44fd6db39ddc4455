#pragma once

/// @file
/// The daemon of tpm2-abrmd before a TPM of a test's own, on a message bus of its own.

#include <memory>
#include <string>
#include <vector>

#include "software_tpm.hpp"
#include "support/scoped_environment.hpp"
#include "support/server_process.hpp"
#include "support/temporary_directory.hpp"

namespace mtlspop::test {

/// One for a process: GLib keeps the bus that it found first.
class ResourceManager final {
 public:
  explicit ResourceManager(SoftwareTpm const& tpm);

  static std::string Tcti() { return "tabrmd:bus_type=session"; }
  /// Runs a program of tpm2-tools through it.
  /// @throw std::runtime_error where it fails
  void Run(std::vector<std::string> arguments) const;

 private:
  TemporaryDirectory folder_;
  std::string const address_ = "unix:path=" + folder_.PathOf("bus");
  ScopedEnvironment const environment_{{{"DBUS_SESSION_BUS_ADDRESS", address_}}};
  ServerProcess bus_;
  std::unique_ptr<ServerProcess> daemon_;
};

}  // namespace mtlspop::test
