#include "key_functions.hpp"

#include <wincrypt.h>

#include <gsl/util>

#include "../crypto.hpp"
#include "mtlspop/transport/schannel.hpp"

namespace mtlspop::crypto {
namespace {

/// The key that belongs to a certificate, given back where Windows says that it is to be.
class AcquiredKey final {
 public:
  explicit AcquiredKey(PCCERT_CONTEXT context) noexcept {
    constexpr DWORD flags = CRYPT_ACQUIRE_ONLY_NCRYPT_KEY_FLAG | CRYPT_ACQUIRE_SILENT_FLAG;
    if (CryptAcquireCertificatePrivateKey(context, flags, nullptr, &key_, nullptr, &isOurs_) == FALSE) {
      key_ = 0;
    }
  }
  ~AcquiredKey() {
    if (key_ != 0 && isOurs_ != FALSE) {
      windows::SystemKeys()->FreeObject(key_);
    }
  }
  AcquiredKey(AcquiredKey const&) = delete;
  AcquiredKey& operator=(AcquiredKey const&) = delete;

  NCRYPT_KEY_HANDLE Get() const noexcept { return key_; }

 private:
  HCRYPTPROV_OR_NCRYPT_KEY_HANDLE key_ = 0;
  BOOL isOurs_ = FALSE;
};

std::optional<Bytes> Sign(NCRYPT_KEY_HANDLE key, std::array<std::uint8_t, 32> hash, RsaPadding padding) {
  BCRYPT_PSS_PADDING_INFO pss{BCRYPT_SHA256_ALGORITHM, 32};
  BCRYPT_PKCS1_PADDING_INFO pkcs1{BCRYPT_SHA256_ALGORITHM};
  bool const isPss = padding == RsaPadding::Pss;
  void* const info = isPss ? static_cast<void*>(&pss) : static_cast<void*>(&pkcs1);
  DWORD const flags = (isPss ? BCRYPT_PAD_PSS : BCRYPT_PAD_PKCS1) | NCRYPT_SILENT_FLAG;
  auto const size = static_cast<DWORD>(hash.size());
  auto const functions = windows::SystemKeys();
  DWORD bytes = 0;
  if (functions->SignHash(key, info, hash.data(), size, nullptr, 0, &bytes, flags) != 0) {
    return std::nullopt;
  }
  Bytes signature(bytes);
  if (functions->SignHash(key, info, hash.data(), size, signature.data(), bytes, &bytes, flags) != 0) {
    return std::nullopt;
  }
  signature.resize(bytes);
  return signature;
}

}  // namespace

void SignWithin(Context const& /*context*/, std::function<void()> const& action) { action(); }

std::optional<Bytes> SignSha256(BindingCertificate const& certificate, ByteView data, RsaPadding padding) {
  auto const* const key = dynamic_cast<schannel::CertificateKey const*>(&certificate.Key());
  auto const& leaf = certificate.Leaf();
  auto const context = CertCreateCertificateContext(X509_ASN_ENCODING, leaf.data(), static_cast<DWORD>(leaf.size()));
  auto const release = gsl::finally([context] {
    if (context != nullptr) {
      CertFreeCertificateContext(context);
    }
  });
  if (key == nullptr || context == nullptr) {
    return std::nullopt;
  }
  key->AttachTo(context);
  AcquiredKey const acquired{context};
  return acquired.Get() == 0 ? std::nullopt : Sign(acquired.Get(), Sha256(data), padding);
}

}  // namespace mtlspop::crypto
