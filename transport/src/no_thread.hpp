#pragma once

#include <system_error>

namespace mtlspop {

/// The system had no thread for an asynchronous call, or the process is ending.
/// @throw Error `system_failure`
[[noreturn]] void ThrowNoThread(std::system_error const& cause);

}  // namespace mtlspop
