#pragma once

/// @file
/// What an error of the library means for somebody who has options and no source code.

#include <exception>
#include <string_view>

namespace mtlspop::command {

/// The option that helps, as a sentence without the final stop; "" where there is none. The innermost cause that has one
/// decides.
std::string_view HintFor(std::exception const& error) noexcept;

}  // namespace mtlspop::command
