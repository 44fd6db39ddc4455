#pragma once

/// @file
/// WinHTTP as Windows has it, made of Wine's.

#include <memory>

#include "schannel/winhttp_functions.hpp"

namespace mtlspop::windows_tests {

/// Wine 8 differs from Windows in one way that matters here: closing a request handle while
/// WINHTTP_CALLBACK_STATUS_SENDING_REQUEST is being reported does not keep the request from being sent. This closes the
/// socket as well. (It also shares connections between sessions; the transport itself sees to that, and is tested by it.)
/// On Windows it is plain WinHTTP.
std::shared_ptr<schannel::WinHttpFunctions> WinHttpOfThisMachine();

}  // namespace mtlspop::windows_tests
