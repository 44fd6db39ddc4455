#pragma once

/// @file
/// The failures of a request whose context has ended.

#include <string_view>

#include "mtlspop/transport/context.hpp"
#include "mtlspop/transport/error.hpp"

namespace mtlspop {

/// @param what what was being done, as the beginning of a sentence
Error Cancelled(char const* what);

/// As `Context::ThrowIfEnded`, for a wait for `host` that began at `since`: where the deadline has passed, the error names both.
/// @throw Error `cancelled`, `deadline_exceeded`
void ThrowIfEnded(Context const& context, char const* what, std::string_view host, Context::TimePoint since);

}  // namespace mtlspop
