#pragma once

/// @file
/// The environment in wide characters: the narrow ones are of the machine's code page, which need not have those of a path.

#include <cstdlib>

namespace mtlspop {

/// The variable's value, null where it is not set. Windows starts no program with more rights than the one who gives it its
/// environment: what runs elevated was started so by the user whose variables these are. The pointer is good until the
/// environment changes.
inline wchar_t const* ReadEnvironmentVariable(wchar_t const* name) noexcept { return ::_wgetenv(name); }

}  // namespace mtlspop
