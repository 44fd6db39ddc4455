#pragma once

/// @file
/// The paddings of RFC 8017, for devices that can do the bare RSA operation only.

#include <cstddef>
#include <cstdint>
#include <vector>

#include <gsl/span>

#include "mtlspop/transport/signer.hpp"

namespace mtlspop::openssl {

std::size_t DigestBytes(DigestAlgorithm algorithm) noexcept;
/// For example "SHA256", as OpenSSL's providers know it.
char const* DigestName(DigestAlgorithm algorithm) noexcept;

/// EMSA-PKCS1-v1_5 (section 9.2).
/// @param modulusBytes 256 at the least
std::vector<std::uint8_t> PadPkcs1(
    DigestAlgorithm algorithm, gsl::span<std::uint8_t const> digest, std::size_t modulusBytes);

/// EMSA-PSS (section 9.1.1) with MGF1 over the same digest (appendix B.2.1) and random salt, filled up to whole
/// `modulusBits`.
/// @throw Error `invalid_argument` where the salt is too long; `system_failure`
std::vector<std::uint8_t> PadPss(
    DigestAlgorithm algorithm, gsl::span<std::uint8_t const> digest, std::size_t saltBytes, std::size_t modulusBits);

}  // namespace mtlspop::openssl
