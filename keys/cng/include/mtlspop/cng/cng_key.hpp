#pragma once

/// @file
/// Keys of CNG under OpenSSL 3 on Windows, so that any program that uses OpenSSL there (curl, Boost.Asio, cpprestsdk over
/// Boost.Asio) can present a certificate whose key is in KeyGuard or a TPM. Component `cng` of the package, built where
/// OpenSSL is found: `mtlspop::cng`. This library's own transport on Windows is WinHTTP and needs none of it; its transport over
/// OpenSSL needs POSIX's sockets and is not built on Windows.
///
/// @code
/// NCRYPT_KEY_HANDLE handle = 0;
/// DWORD kind = 0;
/// BOOL isOurs = FALSE;  // true, as nothing is cached: the handle is ours to give away
/// if (CryptAcquireCertificatePrivateKey(
///         certificate, CRYPT_ACQUIRE_ONLY_NCRYPT_KEY_FLAG, nullptr, &handle, &kind, &isOurs)) {
///   auto const key = mtlspop::openssl::MakeCngKey(handle);
///   SSL_CTX_use_PrivateKey(context, key.get().get());
/// }
/// @endcode

#include <memory>
#include <vector>

#include <windows.h>

#include <ncrypt.h>

#include <openssl/evp.h>
#include <gsl/pointers>

#include "mtlspop/cng/export.hpp"
#include "mtlspop/transport/signer.hpp"

namespace mtlspop::openssl {

/// Options of `MakeCngKey`.
struct CngKeyOptions {
  /// What is asked of an RSA key. EC keys do ECDSA, whatever stands here.
  std::vector<SignatureAlgorithm> RsaAlgorithms{SignatureAlgorithm::RsaPss, SignatureAlgorithm::RsaPkcs1};
};

/// A key for OpenSSL whose signatures `NCryptSignHash` makes: RSA of 2048 bits or more, P-256 or P-384. The hook is at the
/// signature, where digest and salt are known: keys in KeyGuard do not decrypt, so that they cannot be had as bare RSA.
///
/// Takes the handle: it is freed with the key's last reference, and here where this throws.
/// Thread safety: as `MakeSignerKey`; CNG signs from several threads at once.
/// @throw Error `invalid_argument` where the key is of another kind or its public half cannot be read;
/// `private_key_unusable` where it does not sign
MTLSPOP_CNG_EXPORT gsl::not_null<std::shared_ptr<EVP_PKEY>> MakeCngKey(
    NCRYPT_KEY_HANDLE key, CngKeyOptions options = {});

}  // namespace mtlspop::openssl
