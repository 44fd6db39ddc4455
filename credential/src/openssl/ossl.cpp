#include "ossl.hpp"

#include <new>
#include <utility>

#include "mtlspop/base/openssl/error_queue.hpp"

namespace mtlspop::ossl {

std::string TakeReason() {
  auto const queue = openssl::TakeErrorQueue();
  if (openssl::SaysOutOfMemory(queue)) throw std::bad_alloc{};
  return openssl::ReasonOf(queue);
}

Error Failure(ErrorCode code, std::string const& what) {
  auto const queue = openssl::TakeErrorQueue();
  if (openssl::SaysOutOfMemory(queue)) throw std::bad_alloc{};
  // Nothing at all is what it says where there was no memory for saying something.
  bool const isOwn = queue.empty() || openssl::SaysOwnFailure(queue);
  ErrorDetails details{
      isOwn ? errors::SystemFailure : code, what + " (OpenSSL: " + openssl::ReasonOf(queue) + ")",
      isOwn ? "Most likely memory is short: give the process more of it, or look for what takes it"
            : "Check that OpenSSL 3 is installed whole and that its configuration (openssl.cnf, FIPS provider) allows "
              "RSA "
              "with PSS and SHA-256"};
  details.Transient = isOwn;
  return Error{std::move(details)};
}

}  // namespace mtlspop::ossl
