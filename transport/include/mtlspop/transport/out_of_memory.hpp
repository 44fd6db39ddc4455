#pragma once

/// @file
/// A failed allocation as an error like any other.

#include <exception>
#include <new>
#include <utility>

#include "mtlspop/export.hpp"

namespace mtlspop {

/// Throws the transient `system_failure` that tells of it, made beforehand: there may be no memory left to make it with.
/// @throw Error `system_failure`, always
[[noreturn]] MTLSPOP_EXPORT void ThrowOutOfMemory();

/// Within a handler: what is being handled; where that is a failed allocation, what `ThrowOutOfMemory` throws.
inline std::exception_ptr CurrentOrOutOfMemory() noexcept {
  try {
    throw;
  } catch (std::bad_alloc const&) {
    try {
      ThrowOutOfMemory();
    } catch (...) {
      return std::current_exception();
    }
  } catch (...) {
    return std::current_exception();
  }
}

/// What `work` returns. A failed allocation of it becomes an error like any other.
/// @throw Error `system_failure` in place of `std::bad_alloc`, and what `work` throws
template <typename Work>
auto OrOutOfMemory(Work&& work) {
  try {
    return std::forward<Work>(work)();
  } catch (std::bad_alloc const&) {
    ThrowOutOfMemory();
  }
}

}  // namespace mtlspop
