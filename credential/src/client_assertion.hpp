#pragma once

/// @file
/// The JWT with which an application proves that it has its certificate's key, beside TLS.

#include <string>

#include "mtlspop/transport/binding_certificate.hpp"
#include "mtlspop/transport/clock.hpp"
#include "mtlspop/transport/secret.hpp"

namespace mtlspop {

/// Whose assertion it is, and for whom.
struct ClientAssertionSubject {
  std::string ClientId;
  /// The URL of the token endpoint.
  std::string Audience;
};

/// `private_key_jwt` (RFC 7523 section 2.2): valid for ten minutes, signed PS256, or RS256 where the key cannot sign with
/// RSASSA-PSS, with leaf and chain in `x5c` (RFC 7515 section 4.1.6).
/// @throw Error `private_key_unusable`, with what a signer failed with as its cause; what `crypto::SignWithin` ends with
Secret MakeClientAssertion(
    BindingCertificate const& certificate, ClientAssertionSubject const& subject, Clock::SystemTime now);

}  // namespace mtlspop
