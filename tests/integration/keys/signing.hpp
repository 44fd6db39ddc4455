#pragma once

/// @file
/// What keys of every device have to stand in tests.

#include <memory>
#include <string>
#include <vector>

#include <openssl/evp.h>

#include "mtlspop/credential/key_provider.hpp"

namespace mtlspop::test {

/// Whether `key` signs with PSS and its own public key says so.
bool Signs(BindingKey const& key, std::string_view text = "something");
/// Whether `key` signs: RSA with PSS or PKCS#1, EC with ECDSA.
bool Signs(std::shared_ptr<EVP_PKEY> const& key, bool pss);
/// The same from 16 threads, each several times. How many signatures were good.
int SignFromThreads(BindingKey const& key, int threads, int rounds);

/// A certificate of an authority of its own for `key`, as PEM.
std::string IssueFor(EVP_PKEY* key);

}  // namespace mtlspop::test
