#pragma once

/// @file
/// The parts of the OpenSSL provider behind `MakeSignerKey` (provider-keymgmt(7), provider-signature(7)).

#include <exception>
#include <memory>

#include <openssl/core_dispatch.h>

#include "openssl/signer_key.hpp"

namespace mtlspop::openssl {

/// What OpenSSL calls a key of the provider: a signer's, or only the public half that came from another provider to be
/// compared with one.
struct ProviderKey {
  std::shared_ptr<SignerKey const> Signer;
  EvpPkeyPtr Imported;

  EVP_PKEY* Public() const noexcept { return Signer ? Signer->Public() : Imported.get(); }
};

/// The one parameter that makes a key of a signer: the address of a `std::shared_ptr<SignerKey const>`, which is copied.
inline constexpr char SignerParameter[] = "mtlspop-signer";

extern OSSL_DISPATCH const RsaKeyFunctions[];
extern OSSL_DISPATCH const EcKeyFunctions[];
extern OSSL_DISPATCH const RsaSignatureFunctions[];
extern OSSL_DISPATCH const EcdsaSignatureFunctions[];

/// Raises an error of the provider's in OpenSSL's queue. Returns 0.
int RaiseError(char const* what) noexcept;

/// Runs `action`; what it throws becomes 0 and an entry in OpenSSL's queue: no exception may pass through OpenSSL.
template <class Action>
int Guarded(Action action) noexcept {
  try {
    return action();
  } catch (...) {
    KeepSigningFailure(std::current_exception());
    return RaiseError("the signer failed");
  }
}

}  // namespace mtlspop::openssl
