#include "container_keys.hpp"

#include <atomic>
#include <chrono>
#include <cstring>
#include <iterator>
#include <stdexcept>
#include <string>
#include <utility>

#include "mtlspop/transport/schannel.hpp"

#include <bcrypt.h>

#include <gsl/util>

namespace mtlspop::windows_tests {
namespace {

using Bytes = std::vector<std::uint8_t>;

void Require(bool succeeded, char const* what) {
  if (!succeeded) {
    throw std::runtime_error{std::string{what} + " failed with " + std::to_string(GetLastError())};
  }
}

/// Process ids come again, and a run that was killed leaves its containers behind.
std::wstring NewContainerName() {
  static std::atomic<int> count{0};
  static auto const start = std::chrono::system_clock::now().time_since_epoch().count();
  return L"mtlspop-test-" + std::to_wstring(GetCurrentProcessId()) + L"-" + std::to_wstring(start) + L"-" +
         std::to_wstring(++count);
}

/// From CryptoAPI's PRIVATEKEYBLOB, whose numbers are little-endian, to CNG's BCRYPT_RSAPRIVATE_BLOB, whose are not.
Bytes ToCngBlob(Bytes const& privateKey) {
  constexpr std::size_t modulus = 256;
  constexpr std::size_t prime = modulus / 2;
  RSAPUBKEY header{};
  std::memcpy(&header, privateKey.data() + sizeof(BLOBHEADER), sizeof header);
  auto number = privateKey.begin() + sizeof(BLOBHEADER) + sizeof header;
  BCRYPT_RSAKEY_BLOB const own{BCRYPT_RSAPRIVATE_MAGIC, header.bitlen, 3, modulus, prime, prime};
  Bytes blob(sizeof own);
  std::memcpy(blob.data(), &own, sizeof own);
  for (unsigned const shift : {16U, 8U, 0U}) {
    blob.push_back(static_cast<std::uint8_t>(header.pubexp >> shift & 0xFFU));
  }
  for (auto const size : {modulus, prime, prime}) {
    auto const end = number + static_cast<std::ptrdiff_t>(size);
    blob.insert(blob.end(), std::make_reverse_iterator(end), std::make_reverse_iterator(number));
    number = end;
  }
  return blob;
}

/// A container with a new key in it, deleted at the end.
class Container final {
 public:
  Container() {
    HCRYPTPROV provider = 0;
    Require(Acquire(&provider, CRYPT_NEWKEYSET), "CryptAcquireContext");
    auto const release = gsl::finally([&] { CryptReleaseContext(provider, 0); });
    HCRYPTKEY key = 0;
    constexpr DWORD bits = 2048;
    Require(CryptGenKey(provider, AT_KEYEXCHANGE, bits << 16U | CRYPT_EXPORTABLE, &key) != FALSE, "CryptGenKey");
    auto const destroy = gsl::finally([&] { CryptDestroyKey(key); });
    DWORD bytes = 0;
    Require(CryptExportKey(key, 0, PRIVATEKEYBLOB, 0, nullptr, &bytes) != FALSE, "CryptExportKey");
    privateKey_.resize(bytes);
    Require(CryptExportKey(key, 0, PRIVATEKEYBLOB, 0, privateKey_.data(), &bytes) != FALSE, "CryptExportKey");
    ReadPublicKey(provider);
  }
  ~Container() {
    HCRYPTPROV none = 0;
    Acquire(&none, CRYPT_DELETEKEYSET);
  }
  Container(Container const&) = delete;
  Container& operator=(Container const&) = delete;

  std::wstring const& Name() const noexcept { return name_; }
  Bytes const& SubjectPublicKeyInfo() const noexcept { return publicKey_; }

  /// CryptoAPI has no PSS; CNG signs with the same key.
  Bytes SignPss(gsl::span<std::uint8_t const> data) const {
    BCRYPT_ALG_HANDLE rsa = nullptr;
    BCRYPT_ALG_HANDLE sha256 = nullptr;
    Require(BCryptOpenAlgorithmProvider(&rsa, BCRYPT_RSA_ALGORITHM, nullptr, 0) == 0, "RSA");
    Require(BCryptOpenAlgorithmProvider(&sha256, BCRYPT_SHA256_ALGORITHM, nullptr, 0) == 0, "SHA256");
    auto const close = gsl::finally([&] {
      BCryptCloseAlgorithmProvider(rsa, 0);
      BCryptCloseAlgorithmProvider(sha256, 0);
    });
    auto blob = ToCngBlob(privateKey_);
    BCRYPT_KEY_HANDLE key = nullptr;
    Require(
        BCryptImportKeyPair(
            rsa, nullptr, BCRYPT_RSAPRIVATE_BLOB, &key, blob.data(), static_cast<ULONG>(blob.size()), 0) == 0,
        "BCryptImportKeyPair");
    auto const destroy = gsl::finally([&] { BCryptDestroyKey(key); });
    Bytes input{data.begin(), data.end()};
    Bytes hash(32);
    Require(
        BCryptHash(sha256, nullptr, 0, input.data(), static_cast<ULONG>(input.size()), hash.data(), 32) == 0,
        "BCryptHash");
    BCRYPT_PSS_PADDING_INFO padding{BCRYPT_SHA256_ALGORITHM, 32};
    Bytes signature(256);
    ULONG bytes = 0;
    Require(
        BCryptSignHash(key, &padding, hash.data(), 32, signature.data(), 256, &bytes, BCRYPT_PAD_PSS) == 0,
        "BCryptSignHash");
    signature.resize(bytes);
    return signature;
  }

 private:
  bool Acquire(HCRYPTPROV* provider, DWORD flags) const {
    return CryptAcquireContextW(provider, name_.c_str(), MS_ENH_RSA_AES_PROV_W, PROV_RSA_AES, flags) != FALSE;
  }

  void ReadPublicKey(HCRYPTPROV provider) {
    DWORD bytes = 0;
    Require(
        CryptExportPublicKeyInfo(provider, AT_KEYEXCHANGE, X509_ASN_ENCODING, nullptr, &bytes) != FALSE,
        "CryptExportPublicKeyInfo");
    std::vector<CERT_PUBLIC_KEY_INFO> info(bytes / sizeof(CERT_PUBLIC_KEY_INFO) + 1);
    Require(
        CryptExportPublicKeyInfo(provider, AT_KEYEXCHANGE, X509_ASN_ENCODING, info.data(), &bytes) != FALSE,
        "CryptExportPublicKeyInfo");
    DWORD encoded = 0;
    CryptEncodeObjectEx(X509_ASN_ENCODING, X509_PUBLIC_KEY_INFO, info.data(), 0, nullptr, nullptr, &encoded);
    publicKey_.resize(encoded);
    Require(
        CryptEncodeObjectEx(
            X509_ASN_ENCODING, X509_PUBLIC_KEY_INFO, info.data(), 0, nullptr, publicKey_.data(), &encoded) != FALSE,
        "CryptEncodeObjectEx");
  }

  std::wstring name_ = NewContainerName();
  Bytes privateKey_;
  Bytes publicKey_;
};

/// Keeps the container as long as the transport may sign with it.
class ContainerHandle final : public schannel::CertificateKey {
 public:
  explicit ContainerHandle(std::shared_ptr<Container const> container)
      : container_(std::move(container)),
        key_(schannel::UseKeyContainer(
            {container_->Name(), MS_ENH_RSA_AES_PROV_W, PROV_RSA_AES, AT_KEYEXCHANGE, false})) {}

  void AttachTo(PCCERT_CONTEXT context) const override { Key().AttachTo(context); }
  Bytes PublicKeyBlob() const override { return Key().PublicKeyBlob(); }

 private:
  schannel::CertificateKey const& Key() const { return dynamic_cast<schannel::CertificateKey const&>(*key_.get()); }

  std::shared_ptr<Container const> container_;
  gsl::not_null<std::shared_ptr<PrivateKeyHandle const>> key_;
};

class ContainerKey final : public BindingKey {
 public:
  KeyStrength Strength() const noexcept override { return KeyStrength::Software; }
  Bytes const& SubjectPublicKeyInfo() const noexcept override { return container_->SubjectPublicKeyInfo(); }
  Bytes SignPssSha256(gsl::span<std::uint8_t const> data) const override { return container_->SignPss(data); }
  gsl::not_null<std::shared_ptr<PrivateKeyHandle const>> Handle() const override { return handle_; }

 private:
  std::shared_ptr<Container const> container_ = std::make_shared<Container const>();
  gsl::not_null<std::shared_ptr<PrivateKeyHandle const>> handle_ =
      std::shared_ptr<PrivateKeyHandle const>{std::make_shared<ContainerHandle>(container_)};
};

class ContainerKeyProvider final : public KeyProvider {
 public:
  KeyStrength HighestStrength() const noexcept override { return KeyStrength::Software; }
  gsl::not_null<std::shared_ptr<BindingKey const>> GetOrCreateKey(KeyRequest const&, Context const&) override {
    return std::shared_ptr<BindingKey const>{std::make_shared<ContainerKey>()};
  }
};

}  // namespace

gsl::not_null<std::shared_ptr<KeyProvider>> MakeContainerKeyProvider() {
  return std::shared_ptr<KeyProvider>{std::make_shared<ContainerKeyProvider>()};
}

}  // namespace mtlspop::windows_tests
