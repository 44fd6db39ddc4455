#include "refused_secrets.hpp"

#include <mutex>
#include <set>

#include <openssl/evp.h>

namespace mtlspop::keys {
namespace {

std::mutex& Mutex() {
  static std::mutex mutex;
  return mutex;
}

std::set<std::string>& Refused() {
  static std::set<std::string> refused;
  return refused;
}

std::string Digest(std::string const& device, Secret const& secret) {
  std::string both;
  both.reserve(device.size() + 1 + secret.Reveal().size());
  both.append(device).append(1, '\0').append(secret.Reveal());
  Secret const text{std::move(both)};
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  unsigned int length = 0;
  EVP_Digest(
      text.Reveal().data(), text.Reveal().size(), reinterpret_cast<unsigned char*>(digest.data()), &length,
      EVP_sha256(), nullptr);
  digest.resize(length);
  return digest;
}

}  // namespace

bool WasRefused(std::string const& device, Secret const& secret) {
  auto const digest = Digest(device, secret);
  std::lock_guard<std::mutex> const lock{Mutex()};
  return Refused().count(digest) != 0;
}

void NoteRefused(std::string const& device, Secret const& secret) {
  auto digest = Digest(device, secret);
  std::lock_guard<std::mutex> const lock{Mutex()};
  Refused().insert(std::move(digest));
}

}  // namespace mtlspop::keys
