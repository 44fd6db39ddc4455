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

#include "mtlspop/export.hpp"

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
MTLSPOP_EXPORT std::string_view ToString(KeyStrength strength) noexcept;

/// The handle on a private key, as the platform's TLS library wants it. Opaque here; `mtlspop/transport/openssl.hpp`
/// and `mtlspop/transport/schannel.hpp` make and read it.
class MTLSPOP_EXPORT PrivateKeyHandle {
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
class MTLSPOP_EXPORT BindingCertificate final {
 public:
  /// One certificate in DER (X.690), as it stands in a TLS handshake.
  using Der = std::vector<std::uint8_t>;
  /// Wall clock time, in UTC.
  using TimePoint = std::chrono::system_clock::time_point;

  /// What the factories of the platform headers fill in. Use those.
  struct Parts {
    /// Leaf first, then what is above it, each in DER.
    std::vector<Der> Chain;
    /// The private key of the leaf. Never null.
    std::shared_ptr<PrivateKeyHandle const> Key;
    /// How well that key is kept.
    KeyStrength Strength = KeyStrength::None;
    /// As `BindingCertificate::X5tS256()`. Never empty.
    std::string X5tS256;
    /// As `BindingCertificate::Sha1Thumbprint()`.
    std::string Sha1Thumbprint;
    /// As `BindingCertificate::Sha256Thumbprint()`.
    std::string Sha256Thumbprint;
    /// As `BindingCertificate::Subject()`.
    std::string Subject;
    /// The first moment of the leaf's validity (RFC 5280 section 4.1.2.5).
    TimePoint NotBefore;
    /// The end of the leaf's validity.
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
  /// The first moment of the leaf's validity (RFC 5280 section 4.1.2.5).
  TimePoint NotBefore() const noexcept { return parts_.NotBefore; }
  /// The end of the leaf's validity.
  TimePoint NotAfter() const noexcept { return parts_.NotAfter; }
  /// Whether `when` lies within the validity: from `NotBefore()` on, and before `NotAfter()`. Of the chain only the
  /// leaf is looked at.
  bool IsValidAt(TimePoint when) const noexcept { return parts_.NotBefore <= when && when < parts_.NotAfter; }
  /// How well the private key is kept, as whoever made the certificate said. It is not proved by the certificate.
  KeyStrength Strength() const noexcept { return parts_.Strength; }
  /// Leaf first, each in DER.
  std::vector<Der> const& Chain() const noexcept { return parts_.Chain; }
  /// The leaf in DER. The reference is valid for as long as this object lives.
  Der const& Leaf() const noexcept { return parts_.Chain.front(); }
  /// Leaf and chain as PEM. The private key is not in it.
  std::string ToPem() const;
  /// The handle on the leaf's private key. Borrowed: valid for as long as this object lives.
  PrivateKeyHandle const& Key() const noexcept { return *parts_.Key; }
  /// The handle itself, for whoever keeps the key longer than the certificate.
  std::shared_ptr<PrivateKeyHandle const> const& SharedKey() const noexcept { return parts_.Key; }

 private:
  Parts parts_;
};

}  // namespace mtlspop
