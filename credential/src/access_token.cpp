#include "mtlspop/credential/access_token.hpp"

#include "mtlspop/credential/token_credential.hpp"

namespace mtlspop {

std::string_view ToString(TokenType type) noexcept { return type == TokenType::MtlsPop ? "mtls_pop" : "Bearer"; }

std::string_view ToString(TokenSource source) noexcept {
  switch (source) {
    case TokenSource::Cache:
      return "cache";
    case TokenSource::Service:
      return "service";
    case TokenSource::Fallback:
      break;
  }
  return "fallback";
}

std::string_view ToString(RefusalReason reason) noexcept {
  switch (reason) {
    case RefusalReason::TokenRejected:
      return "token_rejected";
    case RefusalReason::BindingNoLongerGood:
      return "binding_no_longer_good";
    case RefusalReason::PrivateKeyUnusable:
      break;
  }
  return "private_key_unusable";
}

std::string AccessToken::AuthorizationHeader() const {
  auto const scheme = ToString(Type);
  auto const text = Token.Reveal();
  std::string header;
  header.reserve(scheme.size() + 1 + text.size());
  header.append(scheme).append(1, ' ').append(text);
  return header;
}

}  // namespace mtlspop
