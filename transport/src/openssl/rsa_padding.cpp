#include "openssl/rsa_padding.hpp"

#include <algorithm>
#include <array>

#include <openssl/evp.h>
#include <openssl/rand.h>

#include "mtlspop/transport/error.hpp"

namespace mtlspop::openssl {
namespace {

using Bytes = std::vector<std::uint8_t>;
using ByteView = gsl::span<std::uint8_t const>;

Bytes Hash(DigestAlgorithm algorithm, ByteView data) {
  Bytes digest(DigestBytes(algorithm));
  auto const* const type = EVP_get_digestbyname(DigestName(algorithm));
  if (type != nullptr && EVP_Digest(data.data(), data.size(), digest.data(), nullptr, type, nullptr) == 1) {
    return digest;
  }
  throw Error{
      {errors::SystemFailure, "A digest for a signature could not be computed",
       "Check that OpenSSL's default provider can be loaded"}};
}

/// Changes `target` by the mask that `seed` gives (appendix B.2.1).
void ApplyMask(DigestAlgorithm algorithm, ByteView seed, gsl::span<std::uint8_t> target) {
  Bytes block{seed.begin(), seed.end()};
  block.resize(seed.size() + 4);
  std::uint32_t counter = 0;
  for (std::size_t done = 0; done < target.size(); ++counter) {
    for (std::size_t index = 0; index < 4; ++index) {
      block[seed.size() + index] = static_cast<std::uint8_t>(counter >> (24U - 8U * index));
    }
    for (auto const byte : Hash(algorithm, block)) {
      if (done == target.size()) {
        break;
      }
      target[done++] ^= byte;
    }
  }
}

}  // namespace

std::size_t DigestBytes(DigestAlgorithm algorithm) noexcept {
  return algorithm == DigestAlgorithm::Sha256 ? 32 : algorithm == DigestAlgorithm::Sha384 ? 48 : 64;
}

char const* DigestName(DigestAlgorithm algorithm) noexcept {
  return algorithm == DigestAlgorithm::Sha256 ? "SHA256" : algorithm == DigestAlgorithm::Sha384 ? "SHA384" : "SHA512";
}

std::vector<std::uint8_t> EncodeDigestInfo(DigestAlgorithm algorithm, gsl::span<std::uint8_t const> digest) {
  // SEQUENCE {SEQUENCE {OBJECT IDENTIFIER 2.16.840.1.101.3.4.2.n, NULL}, OCTET STRING}; lengths are below 128.
  auto const length = static_cast<std::uint8_t>(digest.size());
  auto const arc = static_cast<std::uint8_t>(
      algorithm == DigestAlgorithm::Sha256   ? 1
      : algorithm == DigestAlgorithm::Sha384 ? 2
                                             : 3);
  std::array<std::uint8_t, 19> const head{0x30,  static_cast<std::uint8_t>(17 + length),
                                          0x30,  0x0d,
                                          0x06,  0x09,
                                          0x60,  0x86,
                                          0x48,  0x01,
                                          0x65,  0x03,
                                          0x04,  0x02,
                                          arc,   0x05,
                                          0x00,  0x04,
                                          length};
  Bytes info(head.size() + length);
  std::copy(digest.begin(), digest.end(), std::copy(head.begin(), head.end(), info.begin()));
  return info;
}

Bytes PadPkcs1(DigestAlgorithm algorithm, ByteView digest, std::size_t modulusBytes) {
  auto const info = EncodeDigestInfo(algorithm, digest);
  Bytes block(modulusBytes, 0xff);
  block[0] = 0x00;
  block[1] = 0x01;
  block[modulusBytes - info.size() - 1] = 0x00;
  std::copy(info.begin(), info.end(), block.end() - static_cast<std::ptrdiff_t>(info.size()));
  return block;
}

Bytes PadPss(DigestAlgorithm algorithm, ByteView digest, std::size_t saltBytes, std::size_t modulusBits) {
  auto const hashBytes = DigestBytes(algorithm);
  auto const modulusBytes = (modulusBits + 7) / 8;
  auto const encodedBits = modulusBits - 1;
  auto const encodedBytes = (encodedBits + 7) / 8;
  if (encodedBytes < hashBytes + saltBytes + 2) {
    throw Error{
        {errors::InvalidArgument,
         "The key is too short for RSASSA-PSS with " + std::to_string(saltBytes) + " bytes of salt",
         "Ask for a salt as long as the digest"}};
  }
  Bytes seed(8, 0x00);
  seed.insert(seed.end(), digest.begin(), digest.end());
  Bytes salt(saltBytes);
  if (RAND_bytes(salt.data(), static_cast<int>(salt.size())) != 1) {
    throw Error{
        {errors::SystemFailure, "The random generator gave no salt for a signature",
         "Check that OpenSSL's default provider can be loaded"}};
  }
  seed.insert(seed.end(), salt.begin(), salt.end());
  auto const hash = Hash(algorithm, seed);

  Bytes block(modulusBytes, 0x00);
  auto const encoded = gsl::span<std::uint8_t>{block}.subspan(modulusBytes - encodedBytes);
  auto const masked = encoded.first(encodedBytes - hashBytes - 1);
  masked[masked.size() - saltBytes - 1] = 0x01;
  std::copy(salt.begin(), salt.end(), masked.end() - static_cast<std::ptrdiff_t>(saltBytes));
  ApplyMask(algorithm, hash, masked);
  masked[0] &= static_cast<std::uint8_t>(0xffU >> (8 * encodedBytes - encodedBits));
  std::copy(hash.begin(), hash.end(), encoded.begin() + static_cast<std::ptrdiff_t>(masked.size()));
  encoded[encodedBytes - 1] = 0xbc;
  return block;
}

}  // namespace mtlspop::openssl
