#pragma once

/// @file
/// A gateway in front of the emulator, for tests.

#include <functional>
#include <map>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "credential/emulator.hpp"
#include "gateway/gateway.hpp"
#include "gateway/program.hpp"

namespace mtlspop::test {

/// All managed identities that the emulator knows.
std::function<std::shared_ptr<TokenCredential>(ManagedIdentityId const&)> IdentitiesOf(Emulator const& emulator);

/// Emulator and gateway, as `run` would start it, and programs in the environment that it makes for its child.
class GatewayTest : public testing::Test {
 protected:
  explicit GatewayTest(std::vector<std::string> emulatorArguments = {});

  command::Gateway& Running() { return *gateway_; }
  void Stop() { gateway_ = nullptr; }
  Emulator& Services() { return emulator_; }
  std::map<std::string, std::string> Environment() const;
  std::string Variable(std::string const& name) const { return Environment().at(name); }

  /// curl in that environment, silent.
  ProgramResult Curl(std::vector<std::string> arguments) const;
  std::string VaultUrl(std::string const& path = "/secrets/boundsecret?api-version=7.4") const;
  std::string BlobUrl(std::string const& path) const;
  /// A handle, as a program's managed identity credential gets it.
  std::string HandleFor(std::string const& resource = "https://vault.azure.net") const;

 private:
  Emulator emulator_;
  std::unique_ptr<command::Gateway> gateway_;
};

}  // namespace mtlspop::test
