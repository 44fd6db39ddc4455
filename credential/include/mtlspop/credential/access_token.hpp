#pragma once

/// @file
/// A token together with the certificate it is bound to.

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "mtlspop/export.hpp"
#include "mtlspop/transport/binding_certificate.hpp"
#include "mtlspop/transport/secret.hpp"

namespace mtlspop {

/// How a token is presented.
enum class TokenType {
  /// Whoever holds it can use it (RFC 6750).
  Bearer,
  /// Only on a TLS connection that presents the certificate in its `cnf` claim (RFC 8705 section 3).
  MtlsPop,
};

/// "Bearer", "mtls_pop": the authorization scheme, and for the latter the `token_type` on the wire.
MTLSPOP_EXPORT std::string_view ToString(TokenType type) noexcept;

/// Where a token came from.
enum class TokenSource {
  /// A cache of the credential.
  Cache,
  /// The token service, for this call.
  Service,
  /// A bound token was preferred and could not be had: a bearer token instead.
  Fallback,
};

/// "cache", "service", "fallback".
MTLSPOP_EXPORT std::string_view ToString(TokenSource source) noexcept;

/// What a credential returns. Token and binding belong together: whoever keeps one keeps the other, and a request that
/// carries `Token` must be sent with `Binding`. A copy stays usable, with its own certificate, when the credential has
/// meanwhile moved on to another one.
///
/// A value, cheap to copy: copying allocates nothing. Thread safety: as a value.
struct MTLSPOP_EXPORT AccessToken {
  /// Wall clock time, in UTC.
  using TimePoint = std::chrono::system_clock::time_point;

  /// The token as it is sent, without a scheme in front.
  Secret Token;
  /// How the token is presented.
  TokenType Type = TokenType::Bearer;
  /// When the token stops being accepted.
  TimePoint ExpiresOn;
  /// When a new one should be had; at the latest `ExpiresOn`.
  TimePoint RefreshOn;
  /// The certificate that `Token` is bound to: never null with `TokenType::MtlsPop`, always null with `Bearer`.
  std::shared_ptr<BindingCertificate const> Binding;
  /// Where this token came from.
  TokenSource Source = TokenSource::Service;
  /// Whether the key was attested when the binding certificate was issued.
  bool Attested = false;
  /// Under which the token service can find the request; the id of the first request where the token is from the cache.
  std::shared_ptr<std::string const> CorrelationId;

  /// How well the binding's key is kept; `KeyStrength::None` for a bearer token.
  KeyStrength Strength() const noexcept { return Binding ? Binding->Strength() : KeyStrength::None; }

  /// The value of the Authorization header: "mtls_pop ..." or "Bearer ...". A secret: it must not be logged.
  std::string AuthorizationHeader() const;
};

}  // namespace mtlspop
