#pragma once

/// @file
/// What a service's answer says to people, fit for an error's text.

#include <chrono>
#include <string>
#include <string_view>

#include "service_client.hpp"

namespace mtlspop {

/// "status 400, invalid_request, Identity not found": the status, and of a JSON object `error` (a text, or an object with
/// `code` and `message`), `error_description` and `message`; of anything else the first line. Shortened and without
/// secrets.
std::string DescribeAnswer(ServiceResponse const& response);

/// The first line of `text` with something to read on it, without the tags of a page. Shortened and without secrets; "" where
/// there is none.
std::string FirstLine(std::string_view text);

/// Whether it is a page for people.
bool LooksLikeHtml(std::string_view text) noexcept;

/// "1.5 s".
std::string DescribeDuration(std::chrono::milliseconds duration);

}  // namespace mtlspop
