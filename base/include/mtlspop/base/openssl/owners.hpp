#pragma once

/// @file
/// OpenSSL's objects behind `std::unique_ptr`.

#include <memory>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pkcs12.h>
#include <openssl/ssl.h>
#include <openssl/store.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

namespace mtlspop::openssl {

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* object) const noexcept {
    Free(object);
  }
};

using BioPtr = std::unique_ptr<BIO, Deleter<&BIO_free_all>>;
using EvpMdCtxPtr = std::unique_ptr<EVP_MD_CTX, Deleter<&EVP_MD_CTX_free>>;
using EvpPkeyCtxPtr = std::unique_ptr<EVP_PKEY_CTX, Deleter<&EVP_PKEY_CTX_free>>;
using EvpPkeyPtr = std::unique_ptr<EVP_PKEY, Deleter<&EVP_PKEY_free>>;
using Pkcs12Ptr = std::unique_ptr<PKCS12, Deleter<&PKCS12_free>>;
using StorePtr = std::unique_ptr<OSSL_STORE_CTX, Deleter<&OSSL_STORE_close>>;
using StoreInfoPtr = std::unique_ptr<OSSL_STORE_INFO, Deleter<&OSSL_STORE_INFO_free>>;
using X509Ptr = std::unique_ptr<X509, Deleter<&X509_free>>;
using X509CrlPtr = std::unique_ptr<X509_CRL, Deleter<&X509_CRL_free>>;
using X509StorePtr = std::unique_ptr<X509_STORE, Deleter<&X509_STORE_free>>;
using SslPtr = std::unique_ptr<SSL, Deleter<&SSL_free>>;
using SslContextPtr = std::unique_ptr<SSL_CTX, Deleter<&SSL_CTX_free>>;
using SslSessionPtr = std::unique_ptr<SSL_SESSION, Deleter<&SSL_SESSION_free>>;

}  // namespace mtlspop::openssl
