#pragma once

/// @file
/// Binding keys from OpenSSL 3, for key providers of one's own. Not on Windows.

#include <memory>
#include <string>

#include <openssl/evp.h>
#include <gsl/pointers>

#include "mtlspop/credential/key_provider.hpp"
#include "mtlspop/export.hpp"

namespace mtlspop::openssl {

/// A binding key over any RSA key that OpenSSL can sign with: in memory, behind a provider, or a signer's
/// (`MakeSignerKey`). Takes a reference of its own on `key`. `reference` is what `BindingKey::Reference()` says.
/// @throw Error `key_unavailable` where the key is not RSA or has fewer than 2048 bits; `invalid_argument` where it is null.
MTLSPOP_EXPORT gsl::not_null<std::shared_ptr<BindingKey const>> WrapBindingKey(
    EVP_PKEY* key, KeyStrength strength, std::string reference = {});

}  // namespace mtlspop::openssl
