// What the services share.
#pragma once

#include <string>

#include "certificate_authority.hpp"
#include "claims_challenge.hpp"
#include "directory.hpp"
#include "issued_certificates.hpp"
#include "json_web_token.hpp"
#include "options.hpp"
#include "secret_record.hpp"
#include "statistics.hpp"

namespace mtlspop_emulator {

// Where the servers listen; known once they are bound, fixed before the first request.
struct Endpoints {
  std::string Imds;
  std::string Sts;
  std::string Vault;
  std::string Attestation;
};

struct World {
  explicit World(Options options) : Settings(std::move(options)), People(Settings), Secrets(Settings.RecordSecrets) {}

  Options const Settings;
  Directory People;
  CertificateAuthority Authority;
  TokenKey StsKey{std::launch::async};
  TokenKey AttestationKey{std::launch::deferred};
  ClaimsChallenge Challenge;
  SecretRecord Secrets;
  Statistics Counters;
  IssuedCertificates Issued;
  Endpoints Urls;
};

}  // namespace mtlspop_emulator
