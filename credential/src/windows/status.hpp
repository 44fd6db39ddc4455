#pragma once

/// @file
/// What Windows' status codes are in an error's text.

#include <cstdint>
#include <string>

#include "mtlspop/transport/error.hpp"

namespace mtlspop::windows {

/// "0x80090016".
std::string StatusText(std::int32_t status);

/// `what`, with the status behind it.
Error Failure(ErrorCode code, std::string what, std::int32_t status, std::string action);

}  // namespace mtlspop::windows
