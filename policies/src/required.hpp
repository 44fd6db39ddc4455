#pragma once

#include <string>
#include <utility>

#include "mtlspop/transport/error.hpp"

namespace mtlspop {

/// `pointer`, where it is not null.
/// @throw Error `invalid_argument`, with `what` as what is wrong
template <typename Pointer>
Pointer Required(Pointer pointer, char const* what) {
  if (pointer) return pointer;
  throw Error{{errors::InvalidArgument, what, "Pass a pointer that is not null"}};
}

}  // namespace mtlspop
