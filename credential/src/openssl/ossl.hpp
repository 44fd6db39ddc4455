#pragma once

/// @file
/// OpenSSL's objects with owners, and its error queue as an `Error`.

#include <memory>
#include <string>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pkcs12.h>
#include <openssl/store.h>
#include <openssl/x509.h>
#include <gsl/util>

#include "mtlspop/transport/error.hpp"

namespace mtlspop::ossl {

/// Calls an OpenSSL release function.
template <auto Release>
struct Releaser {
  template <typename T>
  void operator()(T* object) const noexcept {
    Release(object);
  }
};

using BioPtr = std::unique_ptr<BIO, Releaser<BIO_free_all>>;
using EvpMdCtxPtr = std::unique_ptr<EVP_MD_CTX, Releaser<EVP_MD_CTX_free>>;
using EvpPkeyPtr = std::unique_ptr<EVP_PKEY, Releaser<EVP_PKEY_free>>;
using EvpPkeyCtxPtr = std::unique_ptr<EVP_PKEY_CTX, Releaser<EVP_PKEY_CTX_free>>;
using Pkcs12Ptr = std::unique_ptr<PKCS12, Releaser<PKCS12_free>>;
using StorePtr = std::unique_ptr<OSSL_STORE_CTX, Releaser<OSSL_STORE_close>>;
using StoreInfoPtr = std::unique_ptr<OSSL_STORE_INFO, Releaser<OSSL_STORE_INFO_free>>;
using X509Ptr = std::unique_ptr<X509, Releaser<X509_free>>;

/// The reason of the oldest entry of this thread's error queue, which is emptied. OpenSSL's reasons are fixed texts: no
/// data of the call is in them.
std::string TakeReason();

/// An error whose `What` ends with OpenSSL's reason.
Error Failure(ErrorCode code, std::string const& what);

}  // namespace mtlspop::ossl
