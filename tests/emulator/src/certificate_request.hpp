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

// The request's public key, or its first flaw. `cuId` is the compact JSON that the attribute must hold.
std::variant<KeyPtr, RequestFlaw> CheckCertificateRequest(
    std::string_view base64, Identity const& identity, std::string_view cuId);

// SubjectPublicKeyInfo in DER.
std::string PublicKeyDer(EVP_PKEY* key);

}  // namespace mtlspop_emulator
