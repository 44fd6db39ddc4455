#pragma once

/// @file
/// What this layer needs from the platform's cryptography. Declared once, defined twice: `src/openssl` and
/// `src/windows`. Encodings that need no platform (base64, hexadecimal, DER) are in base and in der.hpp.

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gsl/pointers>
#include <gsl/span>

#include "mtlspop/credential/attestation_provider.hpp"
#include "mtlspop/credential/key_provider.hpp"
#include "mtlspop/transport/binding_certificate.hpp"
#include "mtlspop/transport/secret.hpp"

namespace mtlspop::crypto {

using Bytes = std::vector<std::uint8_t>;
using ByteView = gsl::span<std::uint8_t const>;

/// SHA-256 of `data` (FIPS 180-4).
/// @throw Error `system_failure`
std::array<std::uint8_t, 32> Sha256(ByteView data);

/// Fills `buffer` with bytes from the system's cryptographic random generator.
/// @throw Error `system_failure`
void FillRandom(gsl::span<std::uint8_t> buffer);

/// What has to be known of an issued certificate before it is taken.
struct CertificateFacts {
  /// The SubjectPublicKeyInfo in DER, byte for byte (RFC 5280 section 4.1.2.7).
  Bytes SubjectPublicKeyInfo;
  std::chrono::system_clock::time_point NotBefore;
  std::chrono::system_clock::time_point NotAfter;
  /// Key usage absent or with digitalSignature; extended key usage absent or with clientAuth or anyExtendedKeyUsage
  /// (RFC 5280 sections 4.2.1.3 and 4.2.1.12).
  bool AllowsClientAuthentication = false;
};

/// Reads one certificate in DER; what follows it is an error. None where it cannot be read. Never throws because of the
/// content.
std::optional<CertificateFacts> ReadCertificate(ByteView der);

/// Whether `signature` over `data` is good: RSASSA-PSS, SHA-256, MGF1 with SHA-256, salt 32 (RFC 8017 section 8.1). For
/// probing keys that may have gone stale.
bool VerifyPssSha256(ByteView subjectPublicKeyInfo, ByteView data, ByteView signature);

/// How an RSA key signs a JSON Web Signature (RFC 7518 section 3.1).
enum class RsaPadding {
  /// RSASSA-PSS with MGF1 and 32 bytes of salt: PS256.
  Pss,
  /// RSASSA-PKCS1-v1_5: RS256.
  Pkcs1,
};

/// Runs `action`; keys that it signs with give up when `context` ends, where they can: signers over OpenSSL.
/// @throw what `action` throws
void SignWithin(Context const& context, std::function<void()> const& action);

/// The signature over SHA-256 of `data` with the certificate's private key; none where that key does not sign so, or is
/// none for RSA.
/// @throw Error `system_failure`; `private_key_unusable` where the key signs so and its signer failed, which is the cause;
/// `cancelled`, `deadline_exceeded` where the signer gave up for it
std::optional<Bytes> SignSha256(BindingCertificate const& certificate, ByteView data, RsaPadding padding);

/// A binding certificate as this platform's transport wants it.
/// @throw Error `invalid_binding_certificate`
gsl::not_null<std::shared_ptr<BindingCertificate const>> MakeBindingCertificate(
    std::vector<BindingCertificate::Der> chain,
    gsl::not_null<std::shared_ptr<PrivateKeyHandle const>> key,
    KeyStrength strength);

/// The key providers of this platform, strongest first: `MakeDefaultKeyProvider()` joins them.
std::vector<std::shared_ptr<KeyProvider>> PlatformKeyProviders();

/// The attestation of this platform, null where there is none.
std::shared_ptr<AttestationProvider> PlatformAttestationProvider();

/// The certificate and key in a PKCS#12 or PEM text, already read from its file: of several certificates for the key the
/// first that is valid at `now`, else the first; above it those that issued it, without its root (RFC 5246 section
/// 7.4.2).
/// @throw Error `client_certificate_unusable`
gsl::not_null<std::shared_ptr<BindingCertificate const>> ParseClientCertificate(
    Secret const& content,
    Secret const& password,
    std::string const& nameForMessages,
    std::chrono::system_clock::time_point now);

/// The certificate and key behind a URI of the platform's store: on OpenSSL whatever `OSSL_STORE_open` takes, for
/// example `pkcs11:object=app`; on Windows `cert:/CurrentUser/My/{thumbprint}`.
/// @throw Error `client_certificate_unusable`
gsl::not_null<std::shared_ptr<BindingCertificate const>> LoadClientCertificateFromUri(
    std::string const& uri, Secret const& password, std::chrono::system_clock::time_point now);

}  // namespace mtlspop::crypto
