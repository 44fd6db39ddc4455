#pragma once

/// @file
/// A signer in another process: this one never has the private key. The same shape serves an HSM's daemon, an agent like
/// ssh-agent, or a cloud's key service.
///
/// One connection for each signature, so that nothing is shared between threads, nor with a child of fork().
/// The client sends a byte 'p' (PSS) or '1' (PKCS#1 v1.5), a byte with the digest's length (32, 48, 64), two bytes with the
/// salt's length, the higher first, and the digest; or the byte 'k' for the public key. The daemon answers with two bytes of
/// length, too, and the signature or key; 0 for no.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <openssl/evp.h>

#include "mtlspop/transport/signer.hpp"

namespace remote_signer {

class DaemonSigner final : public mtlspop::openssl::Signer {
 public:
  /// Asks the daemon for its public key.
  /// @throw mtlspop::Error `signing_daemon_unreachable`
  DaemonSigner(std::string socketPath, mtlspop::Context const& context);

  std::vector<std::uint8_t> const& SubjectPublicKeyInfo() const noexcept override { return publicKey_; }
  std::vector<mtlspop::openssl::SignatureAlgorithm> Algorithms() const override;
  std::vector<std::uint8_t> Sign(
      mtlspop::openssl::SignatureRequest const& request, mtlspop::Context const& context) const override;

 private:
  std::vector<std::uint8_t> Ask(std::vector<std::uint8_t> const& question, mtlspop::Context const& context) const;

  std::string socketPath_;
  std::vector<std::uint8_t> publicKey_;
};

/// The daemon: listens on `socketPath` (mode 0600) and signs with `key` until the process ends. Calls `ready` when clients
/// can connect.
void Serve(std::string const& socketPath, EVP_PKEY* key, void (*ready)());

}  // namespace remote_signer
