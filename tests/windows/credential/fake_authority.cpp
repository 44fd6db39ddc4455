// The fake services' cryptography, with Windows' own.

#include "fake_authority.hpp"

#include <stdexcept>
#include <utility>

#include <windows.h>

#include <wincrypt.h>

#include "container_keys.hpp"
#include "test_certificates.hpp"

namespace mtlspop::test {
namespace {

using Bytes = std::vector<std::uint8_t>;

/// One DER value (X.690 section 8.1): where its content begins, and where it ends.
struct Value {
  std::size_t Content = 0;
  std::size_t End = 0;
};

Value ReadValue(Bytes const& der, std::size_t at) {
  std::size_t length = der.at(at + 1);
  auto content = at + 2;
  if (length >= 0x80) {
    auto const count = length - 0x80;
    length = 0;
    for (std::size_t index = 0; index < count; ++index) {
      length = length << 8U | der.at(content++);
    }
  }
  return {content, content + length};
}

/// A key that says another strength than it has.
class StatedStrength final : public BindingKey {
 public:
  StatedStrength(std::shared_ptr<BindingKey const> key, KeyStrength strength) noexcept
      : key_(std::move(key)), strength_(strength) {}
  KeyStrength Strength() const noexcept override { return strength_; }
  Bytes const& SubjectPublicKeyInfo() const noexcept override { return key_->SubjectPublicKeyInfo(); }
  Bytes SignPssSha256(gsl::span<std::uint8_t const> data) const override { return key_->SignPssSha256(data); }
  gsl::not_null<std::shared_ptr<PrivateKeyHandle const>> Handle() const override { return key_->Handle(); }

 private:
  std::shared_ptr<BindingKey const> key_;
  KeyStrength strength_;
};

}  // namespace

Bytes IssueCertificate(
    Bytes const& subjectPublicKeyInfo,
    std::chrono::system_clock::time_point from,
    std::chrono::system_clock::time_point to,
    CertificateTerms const& terms) {
  if (terms.KeyUsage != CertificateTerms{}.KeyUsage || terms.ExtendedKeyUsage != CertificateTerms{}.ExtendedKeyUsage) {
    throw std::logic_error{"on Windows all certificates are for TLS clients"};
  }
  windows_tests::CertificateText text{L"CN=fake", {szOID_PKIX_KP_CLIENT_AUTH}};
  text.From = from;
  text.To = to;
  return windows_tests::MakeCertificateFor(subjectPublicKeyInfo, text);
}

/// CertificationRequest, its certificationRequestInfo, and after version and subject the key (RFC 2986 section 4.1).
Bytes PublicKeyOfRequest(Bytes const& request) {
  auto const info = ReadValue(request, ReadValue(request, 0).Content);
  auto const version = ReadValue(request, info.Content);
  auto const begin = ReadValue(request, version.End).End;
  auto const end = ReadValue(request, begin).End;
  if (end > request.size()) {
    throw std::runtime_error{"the certificate request cannot be read"};
  }
  return {request.begin() + static_cast<std::ptrdiff_t>(begin), request.begin() + static_cast<std::ptrdiff_t>(end)};
}

std::shared_ptr<BindingKey const> ReadyKey(int number, KeyStrength strength) {
  static std::vector<std::shared_ptr<BindingKey const>> const keys = [] {
    auto const provider = windows_tests::MakeContainerKeyProvider();
    std::vector<std::shared_ptr<BindingKey const>> made;
    for (int count = 0; count < 3; ++count) {
      made.push_back(provider->GetOrCreateKey({}, {}).get());
    }
    return made;
  }();
  return std::make_shared<StatedStrength>(keys[static_cast<std::size_t>(number) % keys.size()], strength);
}

std::string ToBase64(Bytes const& data) {
  std::string text((data.size() + 2) / 3 * 4 + 1, '\0');
  auto length = static_cast<DWORD>(text.size());
  CryptBinaryToStringA(
      data.data(), static_cast<DWORD>(data.size()), CRYPT_STRING_BASE64 | CRYPT_STRING_NOCRLF, text.data(), &length);
  text.resize(length);
  return text;
}

Bytes FromBase64(std::string text) {
  Bytes data(text.size());
  auto length = static_cast<DWORD>(data.size());
  CryptStringToBinaryA(
      text.data(), static_cast<DWORD>(text.size()), CRYPT_STRING_BASE64, data.data(), &length, nullptr, nullptr);
  data.resize(length);
  return data;
}

}  // namespace mtlspop::test
