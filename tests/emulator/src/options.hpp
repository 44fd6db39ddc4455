// What the command line can set.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace mtlspop_emulator {

// How Key Vault asks for the client's certificate.
enum class CertificateRequestMode { Renegotiate, PostHandshake, Handshake };

// What the token service does with a client that negotiates TLS 1.3.
enum class TokenServiceTls13 { NeverAsks, Asks };

// What a key has to be attested as. The order is that of the strength; software keys need no attestation.
enum class KeyStrength { Software, Hardware, KeyGuard };

struct Throttle {
  unsigned Requests = 0;
  std::chrono::seconds Period{0};
};

struct Options {
  std::string Bind = "127.0.0.1";
  std::uint16_t ImdsPort = 0;
  std::uint16_t StsPort = 0;
  std::uint16_t VaultPort = 0;
  std::uint16_t AttestationPort = 0;

  CertificateRequestMode ClientCertificate = CertificateRequestMode::Renegotiate;
  TokenServiceTls13 StsTls13 = TokenServiceTls13::NeverAsks;
  int MinimumTls = 0;  // As OpenSSL numbers protocol versions; filled in by ParseOptions.
  int MaximumTls = 0;
  std::chrono::seconds CertificateWait{30};

  std::chrono::seconds CertificateLifetime{std::chrono::hours(8)};
  std::optional<std::chrono::seconds> CertificateBackdate;
  bool VaultRefusesExpiredCertificates = true;
  std::chrono::seconds TokenLifetime{std::chrono::hours(24)};
  std::optional<std::chrono::seconds> TokenRefreshIn;
  std::chrono::seconds AttestationLifetime{std::chrono::hours(8)};

  bool ImdsV2 = true;
  bool OnlyNetRequests = false;
  std::string ResourceIdName = "mi_res_id";  // Of IMDS v2; v1 has msi_res_id.
  std::string Region = "westeurope";
  Throttle ImdsThrottle;
  std::string CuId = "both";
  bool RequireAttestation = false;
  KeyStrength Accept = KeyStrength::Software;

  std::string IdentitiesFile;
  std::size_t UserAssignedCount = 3;
  std::string AppsFile;
  std::map<std::string, std::string> Secrets;
  bool AllowBearer = true;
  std::vector<std::string> BearerOnlyResources;

  std::string StsEndpointName;
  std::string StsHost = "westeurope.mtlsauth.microsoft.com";
  std::string VaultHost = "contoso.vault.azure.net";
  std::string BlobHost = "contoso.blob.core.windows.net";

  bool RecordSecrets = false;
  std::size_t LogLimit = 1'000'000;
  std::size_t MaximumConnections = 4096;
  std::uint64_t BodyLimit = 1ULL << 30;
  bool ExitWithStdin = false;
  bool PrintEnvironment = false;
  std::vector<std::string> Program;  // Of `run`: the program and its arguments.
  bool Quiet = false;
  bool KeepServing = false;
  bool ShowHelp = false;
};

// The command line is wrong; the text names the option and what it accepts.
struct OptionError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// `run`, options, `--`, a program; or options alone.
Options ParseOptions(std::vector<std::string> const& arguments);

std::string HelpText();

}  // namespace mtlspop_emulator
