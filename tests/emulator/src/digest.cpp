#include "digest.hpp"

#include <openssl/rand.h>
#include <openssl/sha.h>

#include <stdexcept>

#include "encoding.hpp"

namespace mtlspop_emulator {
namespace {

std::string GuidFrom(std::string bytes) {
  bytes[6] = static_cast<char>((static_cast<unsigned char>(bytes[6]) & 0x0F) | 0x40);
  bytes[8] = static_cast<char>((static_cast<unsigned char>(bytes[8]) & 0x3F) | 0x80);
  std::string guid = HexEncode(std::string_view(bytes).substr(0, 16));
  for (std::size_t const position : {20U, 16U, 12U, 8U}) {
    guid.insert(position, 1, '-');
  }
  return guid;
}

}  // namespace

std::string Sha256(std::string_view bytes) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(
      reinterpret_cast<unsigned char const*>(bytes.data()), bytes.size(),
      reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

std::string RandomBytes(std::size_t count) {
  std::string bytes(count, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(count)) != 1) {
    throw std::runtime_error("no random bytes from OpenSSL");
  }
  return bytes;
}

std::string RandomGuid() { return GuidFrom(RandomBytes(16)); }

std::string DerivedGuid(std::string_view seed) { return GuidFrom(Sha256(seed)); }

}  // namespace mtlspop_emulator
