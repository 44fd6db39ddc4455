#pragma once

/// @file
/// What a signer failed with, on its way past OpenSSL to the caller.

#include <exception>

#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/signer.hpp"

namespace mtlspop::openssl {

/// Runs `action`, whose TLS may ask signers for signatures; they are given `context`. Where that is why it fails, the
/// signer's own failure becomes the cause of `private_key_unusable`; one that ended with the context is thrown as it is.
template <class Action>
auto WithSigners(Context const& context, Action action) -> decltype(action()) {
  SigningContext const signing{context};
  try {
    return action();
  } catch (Error const& error) {
    auto const failure = TakeSigningFailure();
    if (!failure || error.Code() != errors::PrivateKeyUnusable) {
      throw;
    }
    auto const outer = error;
    try {
      std::rethrow_exception(failure);
    } catch (Error const& own) {
      if (own.Code() == errors::Cancelled || own.Code() == errors::DeadlineExceeded) {
        throw;
      }
      std::throw_with_nested(outer);
    } catch (...) {
      std::throw_with_nested(outer);
    }
  }
}

}  // namespace mtlspop::openssl
