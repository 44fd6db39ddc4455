#pragma once

/// @file
/// Numbers that Windows gives instead of reasons, as text for an error.

#include <cstdint>
#include <string>

namespace mtlspop::schannel {

/// "0x80090016", and what Windows says about it where it says something. For Win32 errors, HRESULTs and SECURITY_STATUS.
std::string DescribeStatus(std::uint32_t status);

}  // namespace mtlspop::schannel
