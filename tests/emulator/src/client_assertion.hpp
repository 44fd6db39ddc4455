// A JWT with which an app proves itself (RFC 7523, section 2.2), signed with the key of its certificate.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mtlspop_emulator {

struct ClientCertificate;

struct AssertionTerms {
  std::string ClientId;
  std::string Audience;  // The URL of the token endpoint.
};

// What is wrong with it, or nothing. It must be signed PS256 or RS256, name itself after the app, be for the audience,
// be valid now, and carry in `x5c` the certificate that was presented on the connection.
std::optional<std::string> FlawOfClientAssertion(
    std::string_view token, AssertionTerms const& terms, ClientCertificate const& presented);

}  // namespace mtlspop_emulator
