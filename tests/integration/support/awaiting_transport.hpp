#pragma once

/// @file
/// Has tests that send and wait take the asynchronous way.

#include <memory>

#include "mtlspop/transport/http_transport.hpp"

namespace mtlspop::test {

/// A transport whose `Send` is `transport`'s `SendAsync` and a wait for it, and whose answers' `Read` is their `ReadAsync`.
std::shared_ptr<HttpTransport> AwaitAsynchronous(std::shared_ptr<HttpTransport> transport);

}  // namespace mtlspop::test
