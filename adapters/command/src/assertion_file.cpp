#include "assertion_file.hpp"

#include "claims.hpp"
#include "errors.hpp"
#include "mtlspop/credential/errors.hpp"
#include "text.hpp"

namespace mtlspop::command {
namespace {

constexpr std::size_t MostTokenBytes = std::size_t{64} * 1024;

Secret ReadToken(std::string const& path) {
  auto text = ReadFile(path, MostTokenBytes);
  text.erase(text.find_last_not_of(" \t\r\n") + 1);
  return Secret{std::move(text)};
}

}  // namespace

AccessToken AssertionFile::GetToken(TokenRequest const& /*request*/, Context const& /*context*/) {
  AccessToken token;
  token.Token = ReadToken(path_);
  token.Binding = certificate_();
  token.Type = TokenType::MtlsPop;
  auto const claims = ReadClaims(token.Token.Reveal());
  auto const expiry = claims ? ExpiryOf(*claims) : std::nullopt;
  if (!expiry) {
    Fail(
        errors::TokenMalformed, "What is in " + path_ + " is no JWT with an expiry",
        "Have a bound token written there, alone in the file");
  }
  if (BoundTo(*claims) != token.Binding->X5tS256()) {
    auto const to = BoundTo(*claims);
    Fail(
        errors::TokenBindingMismatch,
        "The token in " + path_ + (to.empty() ? " is bound to no certificate" : " is bound to the certificate " + to) +
            ", and --cert gives " + token.Binding->X5tS256(),
        "Give --cert the certificate that the token was issued for");
  }
  token.ExpiresOn = *expiry;
  token.RefreshOn = *expiry;
  return token;
}

}  // namespace mtlspop::command
