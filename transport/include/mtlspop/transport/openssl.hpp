#pragma once

/// @file
/// Binding certificates whose key OpenSSL 3 can sign with: in memory, behind a provider, or anywhere with a signer of one's
/// own (`MakeSignerKey`).
/// Not on Windows; see `mtlspop/transport/schannel.hpp` there.

#include <memory>
#include <string_view>
#include <vector>

#include <openssl/evp.h>
#include <gsl/pointers>

#include "mtlspop/export.hpp"
#include "mtlspop/transport/binding_certificate.hpp"
#include "mtlspop/transport/signer.hpp"

namespace mtlspop::openssl {

/// A private key for OpenSSL. Takes a reference of its own on `key`.
/// @throw Error `invalid_argument` where `key` is null
MTLSPOP_EXPORT gsl::not_null<std::shared_ptr<PrivateKeyHandle const>> WrapPrivateKey(EVP_PKEY* key);

/// The `EVP_PKEY` behind a handle. Borrowed: valid for as long as `handle` lives.
/// @throw Error `invalid_binding_certificate` where the handle was not made by `WrapPrivateKey`.
MTLSPOP_EXPORT gsl::not_null<EVP_PKEY*> GetPrivateKey(PrivateKeyHandle const& handle);

/// A binding certificate from DER certificates, leaf first, and the leaf's private key.
/// @throw Error `invalid_binding_certificate` where a certificate cannot be read, the key does not belong to the leaf,
/// or the leaf may not be used for TLS client authentication (key usage, extended key usage; RFC 5280 section 4.2.1).
MTLSPOP_EXPORT gsl::not_null<std::shared_ptr<BindingCertificate const>> MakeBindingCertificate(
    std::vector<BindingCertificate::Der> chain, std::shared_ptr<PrivateKeyHandle const> key, KeyStrength strength);

/// The same from PEM: one or more CERTIFICATE blocks, leaf first, and a PRIVATE KEY block, in one text or in two.
/// @throw Error `invalid_binding_certificate`, also where the private key is encrypted or missing.
MTLSPOP_EXPORT gsl::not_null<std::shared_ptr<BindingCertificate const>> MakeBindingCertificateFromPem(
    std::string_view certificates, std::string_view privateKey);

/// Certificates from PEM, leaf first, for a key that is somewhere else.
/// @throw Error `invalid_binding_certificate`
MTLSPOP_EXPORT gsl::not_null<std::shared_ptr<BindingCertificate const>> MakeBindingCertificateFromPem(
    std::string_view certificates, std::shared_ptr<PrivateKeyHandle const> key, KeyStrength strength);

}  // namespace mtlspop::openssl
