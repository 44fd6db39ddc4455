#pragma once

/// @file
/// The redactor: what is the only way to an observer, a log line and the text of an error.

#include <string>
#include <string_view>

#include "mtlspop/export.hpp"

namespace mtlspop {

/// `text` without anything that looks like a secret: JWTs and their parts, long base64 and base64url runs, PEM blocks,
/// the values of authorization headers and of the members and form fields that carry tokens, assertions, passwords and
/// certificate requests, the user part of URLs. Control characters are written as `\xNN`, so that a log line stays one
/// line. What was taken out is shown as `[redacted]`.
MTLSPOP_EXPORT std::string Redact(std::string_view text);

/// `value`, of a field with this name, without anything that looks like a secret; nothing but `[redacted]` where the name
/// says that it is one (`authorization`, `password`, `access_token` and the like).
MTLSPOP_EXPORT std::string RedactField(std::string_view name, std::string_view value);

}  // namespace mtlspop
