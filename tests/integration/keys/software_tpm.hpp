#pragma once

/// @file
/// swtpm, started by a test.

#include <memory>
#include <string>
#include <vector>

#include "support/server_process.hpp"
#include "support/temporary_directory.hpp"

namespace mtlspop::test {

/// A TPM of its own, without a resource manager: it serves one connection at a time.
class SoftwareTpm final {
 public:
  SoftwareTpm();

  std::string Tcti() const { return "swtpm:path=" + socket_; }
  /// Runs a program of tpm2-tools. Its output.
  /// @throw std::runtime_error where it fails
  std::string Run(std::vector<std::string> arguments) const;
  std::string PathOf(std::string_view name) const { return directory_.PathOf(name); }
  ServerProcess& Process() noexcept { return *process_; }
  void Restart();

 private:
  void Start();

  TemporaryDirectory directory_;
  std::string const socket_ = directory_.PathOf("tpm");
  std::unique_ptr<ServerProcess> process_;
};

/// Runs a program to its end. What it wrote.
/// @throw std::runtime_error where it fails
std::string RunProgram(std::vector<std::string> const& arguments, std::vector<std::string> const& environment);

}  // namespace mtlspop::test
