#pragma once

/// @file
/// A failed allocation as an error like any other.

#include <new>
#include <utility>

#include "mtlspop/export.hpp"

namespace mtlspop {

/// Throws the transient `system_failure` that tells of it, made beforehand: there may be no memory left to make it with.
/// @throw Error `system_failure`, always
[[noreturn]] MTLSPOP_EXPORT void ThrowOutOfMemory();

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
