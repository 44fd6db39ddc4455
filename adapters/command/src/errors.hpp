#pragma once

/// @file
/// What can go wrong in the command itself, beside what the library reports.

#include <string>

#include "mtlspop/transport/error.hpp"

namespace mtlspop::command::errors {

using namespace mtlspop::errors;  // NOLINT(google-build-using-namespace): the layers' codes under one roof

/// An option or argument, or two together, that cannot be used.
inline constexpr ErrorCode Usage{"usage"};
/// The URL cannot be read.
inline constexpr ErrorCode UrlMalformed{"url_malformed"};
/// A file that was to be read, or standard input.
inline constexpr ErrorCode ReadFailed{"read_failed"};
/// A file that was to be written, or standard output.
inline constexpr ErrorCode WriteFailed{"write_failed"};
/// This build has no support for what was asked for.
inline constexpr ErrorCode NotBuilt{"not_built"};
/// The status is 400 or above, and `--fail` was given.
inline constexpr ErrorCode HttpStatus{"http_status"};
/// There is no such program.
inline constexpr ErrorCode ProgramNotFound{"program_not_found"};
/// The program is there and cannot be executed.
inline constexpr ErrorCode ProgramNotExecutable{"program_not_executable"};

}  // namespace mtlspop::command::errors

namespace mtlspop::command {

/// The usual way to end a command: `what` failed, `action` is what to do, each a sentence without the final stop.
[[noreturn]] inline void Fail(ErrorCode code, std::string what, std::string action) {
  throw Error{ErrorDetails{code, std::move(what), std::move(action)}};
}

}  // namespace mtlspop::command
