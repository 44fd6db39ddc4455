#pragma once

/// @file
/// What keys of every device have to stand in tests.

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <openssl/evp.h>

#include "credential/emulator.hpp"
#include "credential/emulator_attestation.hpp"
#include "mtlspop/credential/key_provider.hpp"

namespace mtlspop::test {

/// Whether `key` signs with PSS and its own public key says so.
bool Signs(BindingKey const& key, std::string_view text = "something");
/// Whether `key` signs: RSA with PSS or PKCS#1, EC with ECDSA.
bool Signs(std::shared_ptr<EVP_PKEY> const& key, bool pss);
/// The same from 16 threads, each several times. How many signatures were good.
int SignFromThreads(BindingKey const& key, int threads, int rounds);

/// Vouches for the key as the emulator takes it.
class HardwareAttestation final : public AttestationProvider {
 public:
  explicit HardwareAttestation(std::shared_ptr<HttpTransport> transport) : transport_(std::move(transport)) {}
  Secret Attest(AttestationRequest const& request, Context const& context) override {
    return AttestAs("hardware", *transport_, request, context);
  }

 private:
  std::shared_ptr<HttpTransport> transport_;
};

/// What came of many requests.
struct Load {
  int Good = 0;
  int Failed = 0;
  std::string FirstFailure;
  /// Bindings that were used.
  std::size_t Bindings = 0;
};

/// Asks for a secret of the emulator from 16 threads, with bound tokens of a credential with these options: 10,000 times,
/// and until four bindings have been used, but no longer than five minutes, as a slow
/// machine under a sanitizer needs.
Load AskThroughRotations(Emulator const& emulator, ManagedIdentityCredentialOptions const& options);

/// A certificate of an authority of its own for `key`, as PEM, valid from `from` to `until` from now on.
std::string IssueFor(
    EVP_PKEY* key, std::chrono::hours from = std::chrono::hours{-1}, std::chrono::hours until = std::chrono::hours{24});

}  // namespace mtlspop::test
