#pragma once

/// @file
/// The emulator as the demo sees it: a program with endpoints, a log of what it saw, and a record of the tokens it
/// gave.

#include <memory>
#include <string>
#include <vector>

#include <gsl/pointers>

#include "child_process.hpp"
#include "mtlspop/transport/http_transport.hpp"

namespace demo {

/// One line of the emulator's log. Empty texts where it saw nothing of the kind.
struct SeenRequest {
  std::string Service;
  std::string Method;
  std::string Path;
  int Status = 0;
  /// Of the certificate on this connection.
  std::string X5tS256;
  /// In the token's `cnf`.
  std::string TokenX5tS256;
  /// The authorization scheme.
  std::string TokenType;
  std::string TlsVersion;
};

class Emulator final {
 public:
  /// Starts `program` with a vault that has one secret. It ends with this object, and with this process at the latest.
  /// @throw Failure where it does not come up.
  Emulator(std::string program, std::string const& secretName, std::string const& secretValue);

  /// As an environment for a program that is to use the emulator in place of the real services.
  std::vector<std::pair<std::string, std::string>> Environment() const;
  /// The same for a transport of this process.
  mtlspop::TransportOptions TransportOptions() const;

  /// "http://127.0.0.1:port"
  std::string const& ImdsEndpoint() const noexcept { return imds_; }
  /// "http://127.0.0.1:port/", which shows what happens.
  std::string PageUrl() const { return control_ + "/"; }
  /// "https://name.vault.azure.net"
  std::string VaultUrl() const { return "https://" + vaultHost_; }
  /// The client id of an identity other than the machine's own.
  std::string const& OtherIdentity() const noexcept { return otherIdentity_; }

  /// Every request so far, oldest first.
  std::vector<SeenRequest> Log();
  /// Every access token given out so far, oldest first: what somebody who can listen inside the machine would have.
  std::vector<std::string> TokensGiven();

 private:
  std::string Get(std::string const& path);
  void TakeEndpoints(std::string_view startupLine);

  ChildProcess process_;
  std::string imds_;
  std::string control_;
  std::string caFile_;
  std::string vaultHost_;
  std::string otherIdentity_;
  std::vector<mtlspop::ConnectOverride> overrides_;
  std::shared_ptr<mtlspop::HttpTransport> transport_;
};

}  // namespace demo
