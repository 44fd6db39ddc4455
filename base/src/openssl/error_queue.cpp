#include "mtlspop/base/openssl/error_queue.hpp"

#include <algorithm>
#include <new>

#include <openssl/err.h>
#include <openssl/evperr.h>

namespace mtlspop::openssl {

std::vector<QueuedError> TakeErrorQueue() {
  std::vector<QueuedError> queue;
  char const* function = nullptr;
  char const* data = nullptr;
  int flags = 0;
  while (auto const code = ERR_get_error_all(nullptr, nullptr, &function, &data, &flags)) {
    queue.push_back(
        {code, function != nullptr ? function : "", data != nullptr && (flags & ERR_TXT_STRING) != 0 ? data : ""});
  }
  return queue;
}

std::string ReasonOf(std::vector<QueuedError> const& queue) {
  for (auto const& entry : queue) {
    if (char const* const reason = ERR_reason_error_string(entry.Code)) return reason;
  }
  return "no reason given";
}

bool SaysOutOfMemory(std::vector<QueuedError> const& queue) noexcept {
  return std::any_of(queue.begin(), queue.end(), [](QueuedError const& entry) {
    return ERR_GET_REASON(entry.Code) == ERR_R_MALLOC_FAILURE;
  });
}

bool SaysOwnFailure(std::vector<QueuedError> const& queue) noexcept {
  if (queue.empty()) return false;
  auto const code = queue.front().Code;
  int const reason = ERR_GET_REASON(code);
  bool const isOfEvp = ERR_GET_LIB(code) == ERR_LIB_EVP &&
                       (reason == EVP_R_NOT_ABLE_TO_COPY_CTX || reason == EVP_R_INITIALIZATION_ERROR);
  // "EVP lib" and the like: another part failed and has left nothing.
  int const part = reason & ~ERR_RFLAG_COMMON;
  bool const isOfAnotherPart = (reason & ERR_RFLAG_COMMON) != 0 && part > ERR_LIB_NONE && part < ERR_LIB_USER;
  return isOfEvp || isOfAnotherPart || reason == ERR_R_INTERNAL_ERROR || reason == ERR_R_INIT_FAIL;
}

void RequireMemory() {
  bool isShort = false;
  while (auto const code = ERR_get_error()) isShort = isShort || ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE;
  if (isShort) throw std::bad_alloc{};
}

}  // namespace mtlspop::openssl
