#include "gateway/random_secret.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <gsl/span>
#include <gsl/util>

#include "mtlspop/base/encoding.hpp"
#include "mtlspop/transport/error.hpp"

namespace mtlspop::gateway {

namespace {

void Fill(gsl::span<std::uint8_t> bytes) {
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) == 1) return;
  throw Error{
      {errors::SystemFailure, "The cryptographic library gave the gateway no random numbers",
       "See whether the machine has a working /dev/urandom, and OpenSSL's configuration"}};
}

}  // namespace

Secret RandomSecret() {
  std::array<std::uint8_t, 32> bytes{};
  auto const cleanse = gsl::finally([&] { Cleanse(bytes.data(), bytes.size()); });
  Fill(bytes);
  return Secret{encoding::ToBase64Url(bytes)};
}

std::string RandomId() {
  std::array<std::uint8_t, 16> bytes{};
  Fill(bytes);
  bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0f) | 0x40);
  bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3f) | 0x80);
  auto text = encoding::ToHex(bytes);
  for (auto const at : {8U, 13U, 18U, 23U}) text.insert(at, 1, '-');
  std::transform(text.begin(), text.end(), text.begin(), [](char letter) {
    return letter >= 'A' && letter <= 'F' ? static_cast<char>(letter + 32) : letter;
  });
  return text;
}

bool EqualInConstantTime(std::string_view left, std::string_view right) noexcept {
  return left.size() == right.size() && CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

}  // namespace mtlspop::gateway
