#pragma once

/// @file
/// A transport's asynchronous way behind the blocking one, so that the same tests try both.

#include <memory>

#include "mtlspop/transport/http_transport.hpp"

namespace mtlspop::windows_tests {

/// `Send` is `inner`'s `SendAsync`, awaited; the bodies of its answers are read with `ReadAsync`.
std::shared_ptr<HttpTransport> AwaitingTransport(std::shared_ptr<HttpTransport> inner);

}  // namespace mtlspop::windows_tests
