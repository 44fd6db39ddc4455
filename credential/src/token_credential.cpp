#include "mtlspop/credential/token_credential.hpp"

#include <utility>

#include "mtlspop/transport/blocking_call.hpp"

namespace mtlspop {

void TokenCredential::GetTokenAsync(TokenRequest const& request, Context const& context, Completion<AccessToken> done) {
  CallBlocking(
      BlockingWork::Tokens, context, [this, request](Context const& limited) { return GetToken(request, limited); },
      std::move(done));
}

}  // namespace mtlspop
