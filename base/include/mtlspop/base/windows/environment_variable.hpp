#pragma once

/// @file
/// The environment in wide characters: the narrow ones are of the machine's code page, which need not have those of a path.

#include <cstdlib>

namespace mtlspop {

/// The variable's value, null where it is not set. Windows gives no program the environment of another user. What runs
/// elevated has its own user's, also what that one's programs without these rights have written there: code is not to be
/// loaded from where it says. The pointer is good until the environment changes.
inline wchar_t const* ReadEnvironmentVariable(wchar_t const* name) noexcept { return ::_wgetenv(name); }

}  // namespace mtlspop
