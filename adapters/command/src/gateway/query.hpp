#pragma once

/// @file
/// The query of a URL.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mtlspop::gateway {

/// Names and values of the query in `target`, decoded. None where an escape is broken or stands for a control character.
std::optional<std::vector<std::pair<std::string, std::string>>> ParseQuery(std::string_view target);

}  // namespace mtlspop::gateway
