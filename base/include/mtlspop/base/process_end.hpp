#pragma once

/// @file
/// The end of the process.

namespace mtlspop {

/// Has `handler` called when the process ends by `exit` or by return from `main`, before what this library is built on
/// (OpenSSL) takes itself down. Does nothing where the system ends all other threads first (Windows).
void CallAtProcessEnd(void (*handler)()) noexcept;

}  // namespace mtlspop
