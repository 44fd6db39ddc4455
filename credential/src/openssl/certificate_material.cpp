#include "certificate_material.hpp"

#include <algorithm>
#include <new>
#include <string_view>
#include <utility>

#include <openssl/pem.h>
#include <openssl/ui.h>

#include "mtlspop/base/openssl/error_queue.hpp"
#include "mtlspop/credential/errors.hpp"

namespace mtlspop::crypto {
namespace {

constexpr char const* CheckFile =
    "Check that it holds the certificate and its private key as PEM or PKCS#12, and that the password is right";

/// What OpenSSL's error queue of this thread says; it is emptied.
struct Trouble {
  /// An algorithm that no loaded provider has, "" for none.
  std::string Algorithm;
  bool IsWrongPassword = false;
  /// The oldest entry's fixed text.
  std::string Reason = "no reason given";
};

/// "Global default library context, Algorithm (RC2-40-CBC : 0), Properties ()": the name, "" where there is none.
std::string AlgorithmIn(std::string_view data) {
  constexpr std::string_view before = "Algorithm (";
  auto const at = data.find(before);
  if (at == std::string_view::npos) return {};
  auto const name = data.substr(at + before.size());
  return std::string{name.substr(0, name.find_first_of(" :)"))};
}

bool SaysWrongPassword(unsigned long code) noexcept {
  int const library = ERR_GET_LIB(code);
  int const reason = ERR_GET_REASON(code);
  return (library == ERR_LIB_PKCS12 && (reason == PKCS12_R_MAC_VERIFY_FAILURE || reason == PKCS12_R_DECODE_ERROR)) ||
         (library == ERR_LIB_EVP && reason == EVP_R_BAD_DECRYPT) ||
         (library == ERR_LIB_PROV && ERR_reason_error_string(code) == std::string_view{"bad decrypt"}) ||
         (library == ERR_LIB_PEM && reason == PEM_R_BAD_DECRYPT);
}

/// @throw std::bad_alloc where OpenSSL says that memory was short
Trouble TakeTrouble() {
  auto const queue = openssl::TakeErrorQueue();
  if (openssl::SaysOutOfMemory(queue)) throw std::bad_alloc{};
  Trouble trouble;
  trouble.Reason = openssl::ReasonOf(queue);
  for (auto const& entry : queue) {
    char const* const reason = ERR_reason_error_string(entry.Code);
    bool const isUnsupported = reason != nullptr && reason == std::string_view{"unsupported"};
    if (isUnsupported && trouble.Algorithm.empty()) trouble.Algorithm = AlgorithmIn(entry.Data);
    trouble.IsWrongPassword = trouble.IsWrongPassword || SaysWrongPassword(entry.Code);
  }
  return trouble;
}

/// Where nothing special is known of what cannot be read.
[[noreturn]] void RefuseFor(
    std::string const& name, Trouble const& trouble, std::string const& what, bool hasPassword) {
  if (!trouble.Algorithm.empty()) {
    RefuseClientCertificate(
        name, what + ": it is encrypted with " + trouble.Algorithm + ", which OpenSSL does not offer here",
        "Encrypt it anew with AES: openssl pkcs12 -legacy -in OLD -out KEY.pem, then openssl pkcs12 -export -in "
        "KEY.pem "
        "-out NEW; or give the PEM. Algorithms like RC2-40 are in OpenSSL's legacy provider only, and weak");
  }
  if (trouble.IsWrongPassword) {
    RefuseClientCertificate(
        name, what + (hasPassword ? ": the password is wrong" : ": it is encrypted, and no password was given"),
        "Set Password to the one that the file was made with");
  }
  RefuseClientCertificate(name, what + " (OpenSSL: " + trouble.Reason + ")", CheckFile);
}

int GivePassword(char* buffer, int size, int, void* data) {
  auto const password = static_cast<Secret const*>(data)->Reveal();
  if (password.empty() || password.size() > static_cast<std::size_t>(size)) return -1;
  password.copy(buffer, password.size());
  return static_cast<int>(password.size());
}

/// One block of a PEM text (RFC 7468), from its first line to its last.
struct PemBlock {
  std::string_view Label;
  std::string_view Text;
};

std::vector<PemBlock> FindBlocks(std::string_view text) {
  constexpr std::string_view begin = "-----BEGIN ";
  constexpr std::string_view dashes = "-----";
  std::vector<PemBlock> blocks;
  for (auto start = text.find(begin); start != std::string_view::npos; start = text.find(begin, start)) {
    auto const labelStart = start + begin.size();
    auto const labelEnd = text.find(dashes, labelStart);
    if (labelEnd == std::string_view::npos) break;
    auto const label = text.substr(labelStart, labelEnd - labelStart);
    auto const last = "-----END " + std::string{label} + "-----";
    auto const end = text.find(last, labelEnd);
    auto const stop = end == std::string_view::npos ? labelEnd : end + last.size();
    if (end != std::string_view::npos) blocks.push_back({label, text.substr(start, stop - start)});
    start = stop;
  }
  return blocks;
}

bool IsEncrypted(PemBlock const& block) noexcept {
  return block.Label == "ENCRYPTED PRIVATE KEY" || block.Text.find("Proc-Type: 4,ENCRYPTED") != std::string_view::npos;
}

openssl::EvpPkeyPtr ReadKey(PemBlock const& block, Secret const& password, std::string const& name) {
  if (block.Label == "OPENSSH PRIVATE KEY") {
    RefuseClientCertificate(
        name, "holds its private key in OpenSSH's own format", "Convert the key: ssh-keygen -p -m PKCS8 -f KEY");
  }
  if (IsEncrypted(block) && password.Empty()) {
    RefuseClientCertificate(
        name, "holds an encrypted private key, and no password was given",
        "Set Password, or decrypt the key: openssl pkey -in OLD -out NEW");
  }
  openssl::BioPtr const in{BIO_new_mem_buf(block.Text.data(), static_cast<int>(block.Text.size()))};
  Secret copy = password;
  openssl::EvpPkeyPtr key{PEM_read_bio_PrivateKey(in.get(), nullptr, GivePassword, &copy)};
  if (!key) {
    auto const trouble = TakeTrouble();
    RefuseFor(name, trouble, "holds a private key that cannot be read", !password.Empty());
  }
  return key;
}

CertificateMaterial ReadPem(std::string_view content, Secret const& password, std::string const& name) {
  constexpr std::string_view keySuffix = "PRIVATE KEY";
  CertificateMaterial found;
  for (auto const& block : FindBlocks(content)) {
    auto const& label = block.Label;
    if (label.size() >= keySuffix.size() && label.substr(label.size() - keySuffix.size()) == keySuffix) {
      found.Keys.push_back(ReadKey(block, password, name));
    } else if (label == "CERTIFICATE" || label == "X509 CERTIFICATE" || label == "TRUSTED CERTIFICATE") {
      openssl::BioPtr const in{BIO_new_mem_buf(block.Text.data(), static_cast<int>(block.Text.size()))};
      openssl::X509Ptr certificate{PEM_read_bio_X509_AUX(in.get(), nullptr, nullptr, nullptr)};
      if (certificate) found.Certificates.push_back(std::move(certificate));
      openssl::RequireMemory();
    }
  }
  if (!found.Keys.empty()) return found;
  RefuseClientCertificate(
      name, "holds no private key",
      "Add the PRIVATE KEY block of the certificate's key to the PEM text; for a key that cannot leave where it is, "
      "set "
      "CertificateUri");
}

CertificateMaterial ReadPkcs12(std::string_view content, Secret const& password, std::string const& name) {
  CertificateMaterial found;
  auto const* position = reinterpret_cast<unsigned char const*>(content.data());
  openssl::Pkcs12Ptr const file{d2i_PKCS12(nullptr, &position, static_cast<long>(content.size()))};
  if (!file) {
    openssl::RequireMemory();
    RefuseClientCertificate(name, "is neither PEM nor PKCS#12, and holds no private key as such", CheckFile);
  }
  EVP_PKEY* key = nullptr;
  X509* leaf = nullptr;
  STACK_OF(X509)* above = nullptr;
  if (PKCS12_parse(file.get(), password.Reveal().data(), &key, &leaf, &above) != 1) {
    RefuseFor(name, TakeTrouble(), "is a PKCS#12 file that cannot be opened", !password.Empty());
  }
  if (key != nullptr) found.Keys.emplace_back(key);
  if (leaf != nullptr) found.Certificates.emplace_back(leaf);
  while (sk_X509_num(above) > 0) found.Certificates.emplace_back(sk_X509_shift(above));
  sk_X509_free(above);
  ERR_clear_error();
  if (!found.Keys.empty()) return found;
  RefuseClientCertificate(
      name, "is a PKCS#12 file with certificates only and no private key",
      "Export it again with its private key (in Windows: \"Yes, export the private key\"; in Key Vault: download the "
      "certificate's secret and not the certificate)");
}

}  // namespace

void RefuseClientCertificate(std::string const& name, std::string const& what, std::string const& action) {
  throw Error{{errors::ClientCertificateUnusable, "The client certificate " + name + " " + what, action}};
}

CertificateMaterial ReadCertificateMaterial(Secret const& content, Secret const& password, std::string const& name) {
  auto const text = content.Reveal();
  bool const isPem = text.find("-----BEGIN ") != std::string_view::npos;
  return isPem ? ReadPem(text, password, name) : ReadPkcs12(text, password, name);
}

CertificateMaterial ReadCertificateMaterialFromUri(
    std::string const& uri, Secret const& password, std::string const& name) {
  CertificateMaterial found;
  using MethodPtr = std::unique_ptr<UI_METHOD, openssl::Deleter<&UI_destroy_method>>;
  MethodPtr const method{UI_UTIL_wrap_read_pem_callback(GivePassword, 0)};
  Secret copy = password;
  openssl::StorePtr const store{OSSL_STORE_open(uri.c_str(), method.get(), &copy, nullptr, nullptr)};
  while (store && OSSL_STORE_eof(store.get()) == 0) {
    openssl::StoreInfoPtr const info{OSSL_STORE_load(store.get())};
    if (!info) continue;
    int const type = OSSL_STORE_INFO_get_type(info.get());
    if (type == OSSL_STORE_INFO_CERT) found.Certificates.emplace_back(OSSL_STORE_INFO_get1_CERT(info.get()));
    if (type == OSSL_STORE_INFO_PKEY) found.Keys.emplace_back(OSSL_STORE_INFO_get1_PKEY(info.get()));
  }
  if (found.Keys.empty()) {
    RefuseFor(name, TakeTrouble(), "is a store whose private key cannot be read", !password.Empty());
  }
  ERR_clear_error();
  return found;
}

}  // namespace mtlspop::crypto
