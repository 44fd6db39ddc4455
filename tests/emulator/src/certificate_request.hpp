// Reads a PKCS#10 certificate request as strictly as the contract (section 3) words it.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "openssl_types.hpp"

namespace mtlspop_emulator {

struct Identity;

// What exactly the request gets wrong.
struct RequestFlaw {
  std::string Text;
};

// The request's public key, or its first flaw. `cuId` is the compact JSON that the attribute must hold. Two forms are
// known: .NET's (DC, then CN as PrintableString, no NULL in the PSS parameters), and with `onlyNet` no other, and Java's
// (CN, then DC, with NULL). A mixture is a flaw: nobody sends one.
std::variant<KeyPtr, RequestFlaw> CheckCertificateRequest(
    std::string_view base64, Identity const& identity, std::string_view cuId, bool onlyNet);

// SubjectPublicKeyInfo in DER.
std::string PublicKeyDer(EVP_PKEY* key);

}  // namespace mtlspop_emulator
