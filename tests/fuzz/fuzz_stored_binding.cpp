// A stored binding's file, as whoever can write there may leave it: nothing of it is believed because it can be read.
//
// Most changes only spoil the digest, which whoever writes the file could write too. So the first character chooses: with
// "D" the digest is made right and the key left out, with "K" made right with the key, whose probing signature is slow;
// anything else is read as it stands.

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "crypto.hpp"
#include "json.hpp"
#include "mtlspop/base/encoding.hpp"
#include "mtlspop/transport/error.hpp"
#include "openssl/stored_binding_text.hpp"
#include "service_endpoint.hpp"

namespace {

using namespace mtlspop;

constexpr std::string_view Name = "name";
constexpr std::chrono::system_clock::time_point Now{std::chrono::hours{500'000}};

/// The same text with the digest that the library would give it; as it is where it is no object.
std::string WithDigest(std::string text, bool hasKey) {
  std::string key{json::TakeSecret(text, "key").Reveal()};
  auto object = json::ParseObject(text);
  if (!object) return text;
  if (!hasKey) key.clear();
  object->Erase("key");
  object->Erase("sha256");
  object->Set("sha256", encoding::ToBase64Url(crypto::Sha256(encoding::AsBytes(object->ToText() + "\n" + key))));
  object->Set("key", key);
  return object->ToText();
}

void Read(std::string text) {
  auto const binding = ReadStoredBinding(text, Name, nullptr, Now);
  if (!binding) return;
  bool const isGood = binding->Certificate && binding->Key && !binding->ClientId.empty() &&
                      ToHttpsEndpoint(binding->MtlsEndpoint) &&
                      (binding->TokenEndpoint.empty() || ToHttpsEndpoint(binding->TokenEndpoint)) &&
                      text.find("PRIVATE KEY") == std::string::npos;
  if (!isGood) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (size == 0) return 0;
  auto const mode = static_cast<char>(*data);
  std::string text{reinterpret_cast<char const*>(data), size};
  if (mode == 'D' || mode == 'K') text = WithDigest(text.substr(1), mode == 'K');
  try {
    Read(std::move(text));
  } catch (Error const& error) {
    // A certificate and a key that do not belong together.
    if (error.Code() != errors::InvalidBindingCertificate && error.Code() != errors::PrivateKeyUnusable) std::abort();
  }
  return 0;
}
