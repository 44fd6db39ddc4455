#pragma once

/// @file
/// Failures to begin an asynchronous call.

#include <exception>
#include <utility>

#include "failure.hpp"
#include "mtlspop/credential/access_token.hpp"
#include "mtlspop/transport/executor.hpp"
#include "mtlspop/transport/outcome.hpp"

namespace mtlspop {

/// What is being handled, as an `Error`.
inline std::exception_ptr CurrentError() noexcept {
  try {
    throw;
  } catch (Error const&) {
    return std::current_exception();
  } catch (...) {
    return Failure::Current().Pointer();
  }
}

/// Calls `start(done)`. What that throws, `done` is told, as it is told what comes later.
template <typename Start>
void StartOrTell(Completion<AccessToken> done, Start start) {
  try {
    start(done);
  } catch (...) {
    DefaultExecutor()([done = std::move(done), failure = CurrentError()] { done(failure); });
  }
}

/// Calls `next()` from a completion, and tells `done` what that throws.
template <typename Next>
void ContinueOrTell(Completion<AccessToken> const& done, Next next) {
  std::exception_ptr failure;
  try {
    return next();
  } catch (...) {
    failure = CurrentError();
  }
  done(std::move(failure));
}

}  // namespace mtlspop
