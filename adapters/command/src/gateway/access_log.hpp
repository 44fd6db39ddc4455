#pragma once

/// @file
/// One line of JSON for each request.

#include <chrono>
#include <string>

#include "gateway/connection.hpp"

namespace mtlspop::gateway {

/// `record` as one line of JSON without its end. Query and body of a request are never part of it, nor any field but the
/// correlation id; what looks like a secret in the path is taken out.
std::string AccessLogLine(ExchangeRecord const& record, std::chrono::system_clock::time_point now);

}  // namespace mtlspop::gateway
