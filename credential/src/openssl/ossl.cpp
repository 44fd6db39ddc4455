#include "ossl.hpp"

namespace mtlspop::ossl {

std::string TakeReason() {
  auto const code = ERR_peek_error();
  ERR_clear_error();
  char const* const reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "no reason given" : reason;
}

Error Failure(ErrorCode code, std::string const& what) {
  return Error{
      {code, what + " (OpenSSL: " + TakeReason() + ")",
       "Check that OpenSSL 3 is installed whole and that its configuration (openssl.cnf, FIPS provider) allows RSA "
       "with "
       "PSS and SHA-256"}};
}

}  // namespace mtlspop::ossl
