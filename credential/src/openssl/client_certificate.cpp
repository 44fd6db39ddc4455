#include <string_view>
#include <utility>

#include <openssl/pem.h>
#include <openssl/ui.h>

#include "../crypto.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/transport/log.hpp"
#include "mtlspop/transport/openssl.hpp"
#include "ossl.hpp"

namespace mtlspop::crypto {
namespace {

/// What was found in a file or store, in the order in which it was found.
struct Found {
  std::vector<ossl::X509Ptr> Certificates;
  ossl::EvpPkeyPtr Key;
};

[[noreturn]] void Refuse(std::string what) {
  throw Error{
      {errors::ClientCertificateUnusable, std::move(what) + " (OpenSSL: " + ossl::TakeReason() + ")",
       "Check that it holds the certificate and its private key as PEM or PKCS#12, that the password is right, and "
       "that the "
       "certificate is for TLS client authentication"}};
}

int GivePassword(char* buffer, int size, int, void* data) {
  auto const& password = static_cast<Secret const*>(data)->Reveal();
  if (password.empty() || password.size() > static_cast<std::size_t>(size)) return -1;
  password.copy(buffer, password.size());
  return static_cast<int>(password.size());
}

Found ReadPem(std::string const& content, Secret const& password) {
  Found found;
  auto const length = static_cast<int>(content.size());
  ossl::BioPtr const certificates{BIO_new_mem_buf(content.data(), length)};
  while (ossl::X509Ptr certificate{PEM_read_bio_X509(certificates.get(), nullptr, nullptr, nullptr)}) {
    found.Certificates.push_back(std::move(certificate));
  }
  ERR_clear_error();
  ossl::BioPtr const key{BIO_new_mem_buf(content.data(), length)};
  Secret copy = password;
  found.Key.reset(PEM_read_bio_PrivateKey(key.get(), nullptr, GivePassword, &copy));
  return found;
}

Found ReadPkcs12(std::string const& content, Secret const& password) {
  Found found;
  auto const* position = reinterpret_cast<unsigned char const*>(content.data());
  ossl::Pkcs12Ptr const file{d2i_PKCS12(nullptr, &position, static_cast<long>(content.size()))};
  if (!file) return found;
  EVP_PKEY* key = nullptr;
  X509* leaf = nullptr;
  STACK_OF(X509)* above = nullptr;
  if (PKCS12_parse(file.get(), password.Reveal().c_str(), &key, &leaf, &above) != 1) return found;
  found.Key.reset(key);
  if (leaf != nullptr) found.Certificates.emplace_back(leaf);
  while (sk_X509_num(above) > 0) found.Certificates.emplace_back(sk_X509_shift(above));
  sk_X509_free(above);
  return found;
}

Found ReadStore(std::string const& uri, Secret const& password) {
  Found found;
  using MethodPtr = std::unique_ptr<UI_METHOD, ossl::Releaser<UI_destroy_method>>;
  MethodPtr const method{UI_UTIL_wrap_read_pem_callback(GivePassword, 0)};
  Secret copy = password;
  ossl::StorePtr const store{OSSL_STORE_open(uri.c_str(), method.get(), &copy, nullptr, nullptr)};
  while (store && OSSL_STORE_eof(store.get()) == 0) {
    ossl::StoreInfoPtr const info{OSSL_STORE_load(store.get())};
    if (!info) continue;
    int const type = OSSL_STORE_INFO_get_type(info.get());
    if (type == OSSL_STORE_INFO_CERT) found.Certificates.emplace_back(OSSL_STORE_INFO_get1_CERT(info.get()));
    if (type == OSSL_STORE_INFO_PKEY && !found.Key) found.Key.reset(OSSL_STORE_INFO_get1_PKEY(info.get()));
  }
  return found;
}

BindingCertificate::Der ToDer(X509* certificate) {
  unsigned char* der = nullptr;
  int const length = i2d_X509(certificate, &der);
  auto const release = gsl::finally([&der] { OPENSSL_free(der); });
  if (length <= 0) Refuse("A certificate cannot be encoded");
  return {der, der + length};
}

gsl::not_null<std::shared_ptr<BindingCertificate const>> ToBinding(Found const& found, std::string const& name) {
  if (!found.Key) Refuse("The private key of the client certificate " + name + " cannot be read");
  std::vector<BindingCertificate::Der> chain;
  for (auto const& certificate : found.Certificates) {
    bool const isLeaf = X509_check_private_key(certificate.get(), found.Key.get()) == 1;
    chain.insert(isLeaf ? chain.begin() : chain.end(), ToDer(certificate.get()));
  }
  ERR_clear_error();
  if (chain.empty()) Refuse("No certificate can be read from the client certificate " + name);
  try {
    auto key = openssl::WrapPrivateKey(gsl::make_not_null(found.Key.get()));
    return openssl::MakeBindingCertificate(std::move(chain), std::move(key), KeyStrength::Software);
  } catch (Error const&) {
    std::throw_with_nested(Error{
        {errors::ClientCertificateUnusable, "The client certificate " + name + " cannot be used",
         "See the cause: the private key must belong to the certificate, which must allow TLS client authentication"}});
  }
}

}  // namespace

gsl::not_null<std::shared_ptr<BindingCertificate const>> ParseClientCertificate(
    std::string const& content, Secret const& password, std::string const& nameForMessages) {
  ERR_clear_error();
  bool const isPem = content.find("-----BEGIN ") != std::string::npos;
  return ToBinding(isPem ? ReadPem(content, password) : ReadPkcs12(content, password), Redact(nameForMessages));
}

gsl::not_null<std::shared_ptr<BindingCertificate const>> LoadClientCertificateFromUri(
    std::string const& uri, Secret const& password) {
  ERR_clear_error();
  // What follows '?' in a PKCS#11 URI can be a PIN.
  return ToBinding(ReadStore(uri, password), Redact(uri.substr(0, uri.find('?'))));
}

}  // namespace mtlspop::crypto
