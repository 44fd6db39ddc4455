#pragma once

/// @file
/// What a signer failed with, on its way past OpenSSL to the caller.

#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/signer.hpp"

namespace mtlspop::openssl {

/// Runs `action`, whose TLS may ask signers for signatures; they are given `context`. Where that is why it fails, the
/// signer's own failure becomes the cause of `private_key_unusable`; one that ended with the context is thrown as it is.
template <class Action>
auto WithSigners(Context const& context, Action action) -> decltype(action()) {
  SigningContext const signing{context};
  TakeSigningFailure();  // of somebody who did not ask
  try {
    return action();
  } catch (Error const& error) {
    if (error.Code() == errors::PrivateKeyUnusable) {
      ThrowSigningFailure(error);
    }
    throw;
  }
}

}  // namespace mtlspop::openssl
