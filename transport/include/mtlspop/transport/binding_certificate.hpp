#pragma once

/// @file
/// The certificate that a bound token is bound to, with a live handle on its private key (RFC 8705 section 3).

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gsl/pointers>

namespace mtlspop {

/// How well the private key is kept. The order is that of the strength.
enum class KeyStrength {
  /// No key at all.
  None = 0,
  /// In the process's memory or in a file.
  Software = 1,
  /// In a TPM or a token; it cannot leave.
  Hardware = 2,
  /// In KeyGuard: isolated by virtualization-based security, made anew at each boot.
  KeyGuard = 3,
};

/// "none", "software", "hardware", "keyguard".
std::string_view ToString(KeyStrength strength) noexcept;

/// The handle on a private key, as the platform's TLS library wants it. Opaque here; `mtlspop/transport/openssl.hpp`
/// and `mtlspop/transport/schannel.hpp` make and read it.
class PrivateKeyHandle {
 public:
  virtual ~PrivateKeyHandle() = default;

 protected:
  PrivateKeyHandle() = default;
  PrivateKeyHandle(PrivateKeyHandle const&) = delete;
  PrivateKeyHandle& operator=(PrivateKeyHandle const&) = delete;
};

/// A leaf certificate, the chain above it, and a handle on the private key of the leaf. Never the key's bytes.
///
/// Two certificates with the same key are two bindings: the `x5t#S256` covers the whole certificate.
///
/// Ownership: always behind `std::shared_ptr<BindingCertificate const>`; whoever holds one keeps the key alive.
/// Thread safety: immutable.
class BindingCertificate final {
 public:
  using Der = std::vector<std::uint8_t>;
  using TimePoint = std::chrono::system_clock::time_point;

  /// What the factories of the platform headers fill in. Use those.
  struct Parts {
    /// Leaf first, then what is above it, each in DER.
    std::vector<Der> Chain;
    std::shared_ptr<PrivateKeyHandle const> Key;
    KeyStrength Strength = KeyStrength::None;
    std::string X5tS256;
    std::string Sha1Thumbprint;
    std::string Sha256Thumbprint;
    std::string Subject;
    TimePoint NotBefore;
    TimePoint NotAfter;
  };
  /// @throw Error `invalid_argument` where there is no key, no certificate or no `x5t#S256`
  explicit BindingCertificate(Parts parts);

  /// `x5t#S256`: base64url without padding of SHA-256 over the leaf's DER (RFC 8705 section 3.1). 43 characters.
  std::string const& X5tS256() const noexcept { return parts_.X5tS256; }
  /// SHA-1 over the leaf's DER, 40 upper-case hexadecimal digits, as Windows shows it.
  std::string const& Sha1Thumbprint() const noexcept { return parts_.Sha1Thumbprint; }
  /// SHA-256 over the leaf's DER, 64 upper-case hexadecimal digits.
  std::string const& Sha256Thumbprint() const noexcept { return parts_.Sha256Thumbprint; }
  /// The subject, RFC 2253 form.
  std::string const& Subject() const noexcept { return parts_.Subject; }
  TimePoint NotBefore() const noexcept { return parts_.NotBefore; }
  TimePoint NotAfter() const noexcept { return parts_.NotAfter; }
  bool IsValidAt(TimePoint when) const noexcept { return parts_.NotBefore <= when && when < parts_.NotAfter; }
  KeyStrength Strength() const noexcept { return parts_.Strength; }
  /// Leaf first, each in DER.
  std::vector<Der> const& Chain() const noexcept { return parts_.Chain; }
  Der const& Leaf() const noexcept { return parts_.Chain.front(); }
  /// Leaf and chain as PEM. The private key is not in it.
  std::string ToPem() const;
  PrivateKeyHandle const& Key() const noexcept { return *parts_.Key; }
  /// The handle itself, for whoever keeps the key longer than the certificate.
  std::shared_ptr<PrivateKeyHandle const> const& SharedKey() const noexcept { return parts_.Key; }

 private:
  Parts parts_;
};

}  // namespace mtlspop
