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
#include "gateway/raw_client.hpp"

namespace mtlspop::test {

/// All managed identities that the emulator knows.
std::function<std::shared_ptr<TokenCredential>(ManagedIdentityId const&)> IdentitiesOf(Emulator const& emulator);

/// Emulator and gateway, as `run` would start it, and programs in the environment that it makes for its child.
class GatewayTest : public testing::Test {
 protected:
  explicit GatewayTest(std::vector<std::string> emulatorArguments = {});

  command::Gateway& Running() { return *gateway_; }
  void Stop() { gateway_ = nullptr; }
  /// Ends it and starts another one, with options that `change` has changed.
  void StartAnew(std::function<void(command::GatewayOptions&)> const& change);
  Emulator& Services() { return emulator_; }
  std::map<std::string, std::string> Environment() const;
  std::string Variable(std::string const& name) const { return Environment().at(name); }

  /// curl in that environment, silent.
  ProgramResult Curl(std::vector<std::string> arguments) const;
  std::string VaultUrl(std::string const& path = "/secrets/boundsecret?api-version=7.4") const;
  std::string BlobUrl(std::string const& path) const;
  /// A handle, as a program's managed identity credential gets it.
  std::string HandleFor(std::string const& resource = "https://vault.azure.net") const;

  /// The field, with its line's end, that opens the proxy of this run.
  std::string ProxyCredentials() const;
  /// A client that has TLS with `host`, as the gateway shows it, through a tunnel that it asked for with these fields too.
  RawClient TunnelTo(std::string const& host, std::string const& fields = {}) const;

 private:
  Emulator emulator_;
  std::unique_ptr<command::Gateway> gateway_;
};

}  // namespace mtlspop::test
