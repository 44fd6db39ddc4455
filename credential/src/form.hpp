#pragma once

/// @file
/// Request bodies that hold assertions and tokens.

#include <string_view>
#include <utility>

#include <gsl/span>

#include "mtlspop/transport/secret.hpp"

namespace mtlspop {

/// Name and value.
using FormField = std::pair<std::string_view, std::string_view>;

/// The fields as `application/x-www-form-urlencoded`. Written into one buffer of its final size: a text that grew would
/// leave pieces of itself behind in freed memory.
Secret WriteForm(gsl::span<FormField const> fields);

/// The fields as a compact JSON object of strings, which must be UTF-8; written the same way.
Secret WriteJsonObject(gsl::span<FormField const> fields);

}  // namespace mtlspop
