// Errors in the words of the token service.
#pragma once

#include <string>
#include <string_view>

#include "http_message.hpp"

namespace mtlspop_emulator {

// `error` is the OAuth 2.0 error (RFC 6749, 5.2), `code` the AADSTS number.
Response EntraError(unsigned status, std::string_view error, unsigned code, std::string_view text);

// The error that the service words for a code such as "AADSTS392196".
Response EntraErrorByCode(std::string_view code);

}  // namespace mtlspop_emulator
