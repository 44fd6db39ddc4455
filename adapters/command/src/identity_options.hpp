#pragma once

/// @file
/// Who the command is: the options, as they were given.

#include <string>
#include <vector>

#include "mtlspop/credential/managed_identity_id.hpp"
#include "mtlspop/credential/token_credential.hpp"

namespace CLI {
class App;
}

namespace mtlspop::command {

/// A managed identity unless `Certificate` or `IsFederated` says otherwise.
struct IdentityOptions {
  /// "system", "client_id=...", "object_id=..." or "resource_id=...".
  std::string ManagedIdentity = "system";
  /// A file, a URI of the platform's store, "pkcs11:..." or "tpm:..."; "" for a managed identity.
  std::string Certificate;
  /// The file of the certificate whose key is at `tpm:`.
  std::string CertificateChain;
  /// Its first line is the password of `Certificate`, or the PIN.
  std::string PasswordFile;
  /// The application exchanges a bound token of another identity for its own.
  bool IsFederated = false;
  /// A file with that token; "" where it is the managed identity's.
  std::string AssertionFile;
  std::string TenantId;
  std::string ClientId;
  std::string AuthorityHost = "https://login.microsoftonline.com";
  std::string Region;
  std::vector<std::string> AllowedTenants;
  /// "required", "preferred" or "none".
  std::string Binding = "required";
  /// Where a managed identity's key is: "default", "software", "tpm", "tpm:0x81010001", "pkcs11:...".
  std::string Key = "default";
  /// "none", "software", "hardware" or "keyguard".
  std::string MinimumStrength = "none";
  bool Attest = false;
  /// A folder where binding certificates outlive the command; "" for none.
  std::string BindingStore;
  /// "" for the environment's, or else the usual one.
  std::string MetadataEndpoint;
};

/// Adds the options to `app`, which write to `options`; both must live until the parsing is over.
void AddIdentityOptions(CLI::App& app, IdentityOptions& options);

/// @throw Error `usage` for other than the four forms
ManagedIdentityId ParseManagedIdentity(std::string const& text);
TokenBinding ParseBinding(std::string const& text);

}  // namespace mtlspop::command
