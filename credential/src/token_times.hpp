#pragma once

/// @file
/// What the answer that brings a token says: the token, when it ends, and when a new one should be had.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "json.hpp"
#include "mtlspop/transport/binding_certificate.hpp"

namespace mtlspop {

/// The `access_token` of an answer, overwritten there. Empty where it is missing, or not of the characters that a header may
/// carry behind a scheme (RFC 6750 section 2.1).
Secret TakeToken(std::string& answer);

/// From `expires_in`, or `expires_on`; numbers or texts. None where neither is there and later than
/// now.
std::optional<std::chrono::system_clock::time_point> ReadExpiry(
    json::Value const& answer, std::chrono::system_clock::time_point now);

/// From `refresh_in`; else half of a life of two hours or more; else as long before the token's usable end as that is
/// before its end, so that the background has time.
std::chrono::system_clock::time_point ReadRefresh(
    json::Value const& answer,
    std::chrono::system_clock::time_point now,
    std::chrono::system_clock::time_point expiresOn);

/// Whole days until the certificate ends, negative where it has.
std::int64_t DaysLeft(BindingCertificate const& certificate, std::chrono::system_clock::time_point now) noexcept;

}  // namespace mtlspop
