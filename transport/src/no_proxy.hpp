#pragma once

/// @file
/// Hosts that are reached without a proxy.

#include <string>
#include <string_view>
#include <vector>

namespace mtlspop {

/// Whether a host is on a `NO_PROXY` list: "*" for all, names with everything below them, addresses, and networks as
/// "10.0.0.0/8".
bool IsDirect(std::vector<std::string> const& list, std::string_view host);

/// Splits a `NO_PROXY` list at commas and blanks.
std::vector<std::string> SplitNoProxy(std::string_view text);

}  // namespace mtlspop
