#pragma once

/// @file
/// Which file a program's name means.

#include <string>
#include <string_view>

namespace mtlspop::command {

/// `name` itself where it has a slash, else the first executable file of that name in the folders of `path`, which are
/// separated by colons; an empty one is the current folder.
/// @throw Error `program_not_found`; `program_not_executable` where it is there and cannot be executed
std::string FindProgram(std::string const& name, std::string_view path);

}  // namespace mtlspop::command
