#pragma once

/// @file
/// Why a certificate is not valid now, for whoever has to find out which of the two dates or the clock is wrong.

#include <chrono>
#include <string>

namespace mtlspop {

/// "from A until B, and this machine's clock says C (D local time)": A, B and C in UTC, D with its offset.
std::string DescribeValidity(
    std::chrono::system_clock::time_point notBefore,
    std::chrono::system_clock::time_point notAfter,
    std::chrono::system_clock::time_point now);

}  // namespace mtlspop
