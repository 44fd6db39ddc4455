#pragma once

/// @file
/// When a token ends and when a new one should be had.

#include <chrono>
#include <optional>

#include "json.hpp"

namespace mtlspop {

/// From `expires_in`, or `expires_on`; numbers or texts. None where neither is there and positive.
std::optional<std::chrono::system_clock::time_point> ReadExpiry(
    nlohmann::json const& answer, std::chrono::system_clock::time_point now);

/// From `refresh_in`; else half of a life of two hours or more; else as long before the token's usable end as that is
/// before its end, so that the background has time.
std::chrono::system_clock::time_point ReadRefresh(
    nlohmann::json const& answer,
    std::chrono::system_clock::time_point now,
    std::chrono::system_clock::time_point expiresOn);

}  // namespace mtlspop
