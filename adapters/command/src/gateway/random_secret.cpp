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

bool EqualInConstantTime(std::string_view left, std::string_view right) noexcept {
  return left.size() == right.size() && CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

}  // namespace mtlspop::gateway
