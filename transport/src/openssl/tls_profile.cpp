#include "openssl/tls_profile.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace mtlspop::openssl {
namespace {

using Code = std::uint16_t;

/// RFC 9325 section 4.2 for TLS 1.2, RFC 8446 section 9.1 for TLS 1.3: AES-128-GCM, AES-256-GCM and ChaCha20-Poly1305, the
/// key exchange ECDHE with ECDSA or RSA signatures. No static RSA, no CBC, nothing anonymous, no pre-shared keys.
constexpr std::array<Code, 9> CipherSuites{0xC02B, 0xC02C, 0xCCA9, 0xC02F, 0xC030, 0xCCA8, 0x1301, 0x1302, 0x1303};

/// P-256, P-384, P-521, X25519, X448, and the hybrids of them with ML-KEM where OpenSSL has those.
constexpr std::array<Code, 8> Groups{0x0017, 0x0018, 0x0019, 0x001D, 0x001E, 0x11EB, 0x11EC, 0x11ED};

/// RSA PKCS#1 and PSS and ECDSA over SHA-256, 384 and 512, and EdDSA (RFC 8446 section 4.2.3).
constexpr std::array<Code, 14> SignatureSchemes{0x0401, 0x0501, 0x0601, 0x0403, 0x0503, 0x0603, 0x0804,
                                                0x0805, 0x0806, 0x0807, 0x0808, 0x0809, 0x080A, 0x080B};

/// RSA of 2048 bits, SHA-256, 112 bits of security.
constexpr int MinimumSecurityLevel = 2;

/// What a configuration can switch on that weakens a client: renegotiation without RFC 5746, key exchange without
/// forward secrecy, resumption without RFC 7627, an end of the connection that anybody can forge.
constexpr std::uint64_t LaxOptions = SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION | SSL_OP_LEGACY_SERVER_CONNECT |
                                     SSL_OP_ALLOW_NO_DHE_KEX | SSL_OP_NO_EXTENDED_MASTER_SECRET |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_CRYPTOPRO_TLSEXT_BUG;

using SecurityCallback = int (*)(SSL const*, SSL_CTX const*, int, int, int, void*, void*);

template <std::size_t Size>
bool Holds(std::array<Code, Size> const& codes, Code code) noexcept {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

/// Groups and signature schemes come in the two bytes of the wire.
Code ReadCode(void const* wire) noexcept {
  auto const* const bytes = static_cast<unsigned char const*>(wire);
  return static_cast<Code>(bytes[0] << 8U | bytes[1]);
}

bool IsInProfile(int operation, void const* object) noexcept {
  switch (operation & static_cast<int>(SSL_SECOP_OTHER_TYPE)) {
    case SSL_SECOP_OTHER_CIPHER:
      return Holds(CipherSuites, SSL_CIPHER_get_protocol_id(static_cast<SSL_CIPHER const*>(object)));
    case SSL_SECOP_OTHER_CURVE:
      return Holds(Groups, ReadCode(object));
    case SSL_SECOP_OTHER_SIGALG:
      return Holds(SignatureSchemes, ReadCode(object));
    default:
      return true;
  }
}

/// OpenSSL asks here about everything that it is about to offer, to accept or to use, so what the profile forbids is
/// out whoever put it on a list. `library` is OpenSSL's own answer by the security level.
int Allow(SSL const* ssl, SSL_CTX const* context, int operation, int bits, int nid, void* object, void* library) {
  auto const own = *static_cast<SecurityCallback const*>(library);
  return IsInProfile(operation, object) ? own(ssl, context, operation, bits, nid, object, nullptr) : 0;
}

}  // namespace

void ApplyTlsProfile(SSL_CTX* context, TlsVersion minimum) noexcept {
  static SecurityCallback const library = SSL_CTX_get_security_callback(context);
  SSL_CTX_set0_security_ex_data(context, const_cast<SecurityCallback*>(&library));
  SSL_CTX_set_security_callback(context, &Allow);
  SSL_CTX_set_security_level(context, std::max(SSL_CTX_get_security_level(context), MinimumSecurityLevel));
  int const lowest = minimum == TlsVersion::Tls13 ? TLS1_3_VERSION : TLS1_2_VERSION;
  SSL_CTX_set_min_proto_version(context, std::max(static_cast<int>(SSL_CTX_get_min_proto_version(context)), lowest));
  SSL_CTX_clear_options(context, LaxOptions);
  // What was read out of a record is overwritten there: it may have been a token.
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_CLEANSE_PLAINTEXT);
}

void LimitTlsVersion(SSL* ssl, TlsVersion maximum) noexcept {
  auto const allowed = SSL_get_max_proto_version(ssl);  // 0 for the highest that OpenSSL has
  if (maximum == TlsVersion::Tls12 && (allowed == 0 || allowed > TLS1_2_VERSION)) {
    SSL_set_max_proto_version(ssl, TLS1_2_VERSION);
  }
}

}  // namespace mtlspop::openssl
