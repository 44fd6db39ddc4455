#pragma once

/// @file
/// The failure of what its caller has cancelled.

#include "mtlspop/transport/error.hpp"

namespace mtlspop {

/// @param what what was being done, as the beginning of a sentence
Error Cancelled(char const* what);

}  // namespace mtlspop
