#include "mtlspop/credential/verify_binding.hpp"

#include "jwt.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/transport/redact.hpp"

namespace mtlspop {

void VerifyBinding(Secret const& token, BindingCertificate const& certificate) {
  auto const claims = ReadJwt(token.Reveal());
  if (!claims) {
    throw Error{
        {errors::TokenMalformed,
         "The token is not a JWT of three parts with a JSON payload, so its binding cannot be seen",
         "Check that the resource issues its tokens as JWTs; a token that is opaque or encrypted cannot be used "
         "bound"}};
  }
  if (!claims->BoundX5tS256) {
    throw Error{
        {errors::TokenBindingMismatch,
         "The token names no certificate that it is bound to (no cnf claim with x5t#S256)",
         "The token service answered a request for a bound token with another one: check that token binding is enabled "
         "for "
         "the tenant and resource, and report the correlation id to its owners"}};
  }
  if (*claims->BoundX5tS256 != certificate.X5tS256()) {
    throw Error{
        {errors::TokenBindingMismatch,
         "The token is bound to the certificate " + Redact(*claims->BoundX5tS256) + " and not to " +
             certificate.X5tS256(),
         "Token and certificate are of different generations: ask for a new token, and use only the certificate that "
         "came "
         "with it"}};
  }
}

}  // namespace mtlspop
