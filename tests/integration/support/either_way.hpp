#pragma once

/// @file
/// One source for the tests of both ways of waiting.

#include <cstdlib>

#include "mtlspop/credential/token_credential.hpp"
#include "support/told.hpp"

namespace mtlspop::test {

/// Whether this run of a test program is the one that makes asynchronous calls.
inline bool IsAsynchronous() {
  static bool const is = std::getenv("MTLSPOP_TEST_ASYNCHRONOUS") != nullptr;
  return is;
}

/// A token, in the way that this run is for.
inline AccessToken GetEitherWay(TokenCredential& credential, TokenRequest const& request, Context const& context) {
  if (!IsAsynchronous()) return credential.GetToken(request, context);
  Told<AccessToken> const told;
  credential.GetTokenAsync(request, context, told.Done());
  return told.Wait();
}

}  // namespace mtlspop::test
