// Certificate and key files of the application's own: PEM, PKCS#12, base64, and whatever else lies there.
//
// No password is tried, and nothing that was asked to be hashed a million times: that is the file's right, and slow.

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string>

#include <openssl/pkcs12.h>

#include "certificate_content.hpp"
#include "mtlspop/credential/errors.hpp"
#include "openssl/certificate_choice.hpp"
#include "openssl/certificate_material.hpp"

namespace {

using namespace mtlspop;

bool IsSlow(std::string_view text) {
  auto const* position = reinterpret_cast<unsigned char const*>(text.data());
  openssl::Pkcs12Ptr const file{d2i_PKCS12(nullptr, &position, static_cast<long>(text.size()))};
  ERR_clear_error();
  if (!file) return false;
  ASN1_INTEGER const* times = nullptr;
  PKCS12_get0_mac(nullptr, nullptr, nullptr, &times, file.get());
  return times != nullptr && (ASN1_INTEGER_get(times) < 0 || ASN1_INTEGER_get(times) > 2048);
}

void Read(std::string text) {
  auto const content = ReadCertificateContent(Secret{std::move(text)}, "file");
  if (IsSlow(content.Reveal())) return;
  auto const material = crypto::ReadCertificateMaterial(content, {}, "file");
  if (material.Keys.empty()) std::abort();
  constexpr std::chrono::system_clock::time_point now{std::chrono::hours{500'000}};
  auto const choice = crypto::ChooseCertificate(material, now, "file");
  if (choice.Key == nullptr || choice.Chain.empty()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  try {
    Read({reinterpret_cast<char const*>(data), size});
  } catch (Error const& error) {
    if (error.Code() != errors::ClientCertificateUnusable) std::abort();
  }
  return 0;
}
