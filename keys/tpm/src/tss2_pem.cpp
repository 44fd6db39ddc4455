#include "tss2_pem.hpp"

#include <memory>
#include <vector>

#include <openssl/asn1t.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <tss2/tss2_mu.h>

#include "mtlspop/credential/errors.hpp"

namespace mtlspop::tpm {
namespace {

constexpr char PemName[] = "TSS2 PRIVATE KEY";
/// id-loadablekey.
constexpr char LoadableKey[] = "2.23.133.10.1.3";

struct TpmKeyFile {
  ASN1_OBJECT* type;
  ASN1_BOOLEAN emptyAuth;
  ASN1_INTEGER* parent;
  ASN1_OCTET_STRING* publicKey;
  ASN1_OCTET_STRING* privateKey;
};

// clang-format off
ASN1_SEQUENCE(TpmKeyFile) = {
  ASN1_SIMPLE(TpmKeyFile, type, ASN1_OBJECT),
  ASN1_EXP_OPT(TpmKeyFile, emptyAuth, ASN1_BOOLEAN, 0),
  ASN1_SIMPLE(TpmKeyFile, parent, ASN1_INTEGER),
  ASN1_SIMPLE(TpmKeyFile, publicKey, ASN1_OCTET_STRING),
  ASN1_SIMPLE(TpmKeyFile, privateKey, ASN1_OCTET_STRING)
} static_ASN1_SEQUENCE_END(TpmKeyFile)
    // clang-format on

    struct FileDeleter {
  void operator()(TpmKeyFile* file) const noexcept {
    ASN1_item_free(reinterpret_cast<ASN1_VALUE*>(file), ASN1_ITEM_rptr(TpmKeyFile));
  }
};
using FilePtr = std::unique_ptr<TpmKeyFile, FileDeleter>;
using BioPtr = std::unique_ptr<BIO, decltype(&BIO_free_all)>;

/// What PEM_read_bio gives, with an owner.
struct PemBlock {
  char* Name = nullptr;
  char* Header = nullptr;
  unsigned char* Data = nullptr;
  long Length = 0;

  PemBlock() = default;
  PemBlock(PemBlock const&) = delete;
  PemBlock& operator=(PemBlock const&) = delete;
  ~PemBlock() { Clear(); }
  void Clear() noexcept {
    OPENSSL_free(Name);
    OPENSSL_free(Header);
    OPENSSL_free(Data);
    Name = Header = nullptr;
    Data = nullptr;
  }
  bool Read(BIO* from) {
    Clear();
    return PEM_read_bio(from, &Name, &Header, &Data, &Length) == 1;
  }
};

bool Unpack(TpmKeyFile const& file, KeyMaterial& key) {
  char type[64];
  std::int64_t parent = 0;
  if (OBJ_obj2txt(type, sizeof type, file.type, 1) <= 0 || std::string_view{type} != LoadableKey ||
      ASN1_INTEGER_get_int64(&parent, file.parent) != 1) {
    return false;
  }
  // Some write the handle as a negative number of 32 bits.
  key.Parent = static_cast<TPM2_HANDLE>(static_cast<std::uint32_t>(parent));
  std::size_t offset = 0;
  if (Tss2_MU_TPM2B_PUBLIC_Unmarshal(
          ASN1_STRING_get0_data(file.publicKey), static_cast<std::size_t>(ASN1_STRING_length(file.publicKey)), &offset,
          &key.Public) != TSS2_RC_SUCCESS) {
    return false;
  }
  offset = 0;
  return Tss2_MU_TPM2B_PRIVATE_Unmarshal(
             ASN1_STRING_get0_data(file.privateKey), static_cast<std::size_t>(ASN1_STRING_length(file.privateKey)),
             &offset, &key.Private) == TSS2_RC_SUCCESS;
}

}  // namespace

std::optional<KeyMaterial> FromPem(std::string const& text) {
  BioPtr const in{BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), &BIO_free_all};
  std::optional<KeyMaterial> key;
  PemBlock block;
  while (!key && block.Read(in.get())) {
    if (std::string_view{block.Name} != PemName) continue;
    auto const* position = block.Data;
    FilePtr const file{
        reinterpret_cast<TpmKeyFile*>(ASN1_item_d2i(nullptr, &position, block.Length, ASN1_ITEM_rptr(TpmKeyFile)))};
    KeyMaterial unpacked;
    if (!file || position != block.Data + block.Length || !Unpack(*file, unpacked)) break;
    key = unpacked;
  }
  ERR_clear_error();
  return key;
}

std::string ToPem(KeyMaterial const& key, bool hasAuthorization) {
  std::vector<std::uint8_t> publicKey(sizeof key.Public);
  std::vector<std::uint8_t> privateKey(sizeof key.Private);
  std::size_t publicLength = 0;
  std::size_t privateLength = 0;
  Tss2_MU_TPM2B_PUBLIC_Marshal(&key.Public, publicKey.data(), publicKey.size(), &publicLength);
  Tss2_MU_TPM2B_PRIVATE_Marshal(&key.Private, privateKey.data(), privateKey.size(), &privateLength);
  FilePtr const file{reinterpret_cast<TpmKeyFile*>(ASN1_item_new(ASN1_ITEM_rptr(TpmKeyFile)))};
  unsigned char* der = nullptr;
  bool good = file != nullptr;
  if (good) {
    file->type = OBJ_txt2obj(LoadableKey, 1);
    file->emptyAuth = hasAuthorization ? -1 : 0xff;
    good = ASN1_INTEGER_set_uint64(file->parent, key.Parent) == 1 &&
           ASN1_OCTET_STRING_set(file->publicKey, publicKey.data(), static_cast<int>(publicLength)) == 1 &&
           ASN1_OCTET_STRING_set(file->privateKey, privateKey.data(), static_cast<int>(privateLength)) == 1;
  }
  int const length =
      good ? ASN1_item_i2d(reinterpret_cast<ASN1_VALUE*>(file.get()), &der, ASN1_ITEM_rptr(TpmKeyFile)) : -1;
  BioPtr const out{BIO_new(BIO_s_mem()), &BIO_free_all};
  good = length > 0 && out && PEM_write_bio(out.get(), PemName, "", der, length) > 0;
  OPENSSL_free(der);
  if (!good) {
    ERR_clear_error();
    throw Error{{errors::KeyUnavailable, "The sealed key of the TPM cannot be encoded", "Check the process's memory"}};
  }
  char* text = nullptr;
  auto const size = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

}  // namespace mtlspop::tpm
