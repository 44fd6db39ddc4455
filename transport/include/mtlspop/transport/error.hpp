#pragma once

/// @file
/// The one exception type of this library.
///
/// Every failure that a caller can meet is an `Error`. It has a code whose name never changes (so that a program or an
/// alert can match it), a sentence that says what failed, and a sentence that says what to do about it. The reader is
/// taken to be somebody on call who has never heard of token binding.
///
/// @code
/// try {
///   auto response = pipeline.Send(request, context);
/// } catch (mtlspop::Error const& error) {
///   if (error.Code() == mtlspop::errors::Cancelled) return;
///   std::cerr << error.what() << '\n';  // "connect_failed: no connection to ... could be made. Check that ..."
/// }
/// @endcode

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "mtlspop/export.hpp"

namespace mtlspop {

/// The stable name of a kind of failure, for example `connect_failed`. Each layer declares its own as constants in
/// `mtlspop::errors`; an adapter or an application can add more. Two codes are equal when their names are.
///
/// The name must outlive every `Error` that uses it: pass a string literal.
class ErrorCode final {
 public:
  /// @param name in snake_case; must live as long as the process
  explicit constexpr ErrorCode(std::string_view name) noexcept : name_(name) {}
  /// The name, for example "connect_failed". It never changes from version to version.
  constexpr std::string_view Name() const noexcept { return name_; }

  friend constexpr bool operator==(ErrorCode left, ErrorCode right) noexcept { return left.name_ == right.name_; }
  friend constexpr bool operator!=(ErrorCode left, ErrorCode right) noexcept { return !(left == right); }

 private:
  std::string_view name_;
};

/// Everything an `Error` says. None of the texts may hold a token, a key or a certificate request: texts that came from
/// outside go through `Redact()` (redact.hpp) before they get here.
struct ErrorDetails {
  /// The kind of failure.
  ErrorCode Code;
  /// What failed, as a sentence without the final stop.
  std::string What;
  /// What the reader can do about it, as a sentence without the final stop. Never empty.
  std::string Action;
  /// The HTTP status that the other side answered with, 0 where there was no answer.
  int HttpStatus = 0;
  /// The service's own code for the failure, for example `AADSTS392196`; empty where it sent none.
  std::string ServiceErrorCode{};
  /// The id under which the other side's owners can find the request; empty where no request was sent.
  std::string CorrelationId{};
  /// How many times the request was sent in all, 0 where none was.
  int Attempts = 0;
  /// Whether no byte of the request can have reached the other side, so that sending it again is safe whatever its
  /// method.
  bool NothingSent = false;
  /// Whether the other side may do better when asked again (a timeout, a lost connection).
  bool Transient = false;
  /// Before this time another try is useless: the other side has asked for that much rest (`Retry-After`), and whoever would
  /// send has promised not to. Nothing where nobody said so; only of meaning together with `Transient`.
  std::optional<std::chrono::system_clock::time_point> NotBefore{};
  /// The id that the other side gave the request (`x-ms-request-id`), "" where it gave none or did not answer.
  std::string ServiceRequestId{};
};

/// Thrown by every part of this library. A cause is kept with `std::throw_with_nested`.
///
/// Thread safety: immutable.
class MTLSPOP_EXPORT Error : public std::runtime_error {
 public:
  /// Composes `what()` of the details: the code's name, what failed, what to do, and in square brackets whatever else
  /// is known.
  explicit Error(ErrorDetails details);

  /// The kind of failure, for programs.
  ErrorCode Code() const noexcept { return details_.Code; }
  /// All that is known of the failure. The reference is valid for as long as this object lives.
  ErrorDetails const& Details() const noexcept { return details_; }

 private:
  ErrorDetails details_;
};

/// The text of `error` and of everything nested in it, outermost first, joined by "; caused by: ".
MTLSPOP_EXPORT std::string DescribeWithCauses(std::exception const& error);

namespace errors {

/// The caller's `Context` was cancelled.
inline constexpr ErrorCode Cancelled{"cancelled"};
/// The caller's `Context` ran out of time, or one of the transport's own time limits was reached.
inline constexpr ErrorCode DeadlineExceeded{"deadline_exceeded"};
/// A URL, header or option that cannot be used. Nothing was sent.
inline constexpr ErrorCode InvalidArgument{"invalid_argument"};
/// A binding certificate was to be used on a URL that is not https. Nothing was sent.
inline constexpr ErrorCode BindingRequiresHttps{"binding_requires_https"};
/// A token was to go to a URL that is not https. Nothing was sent, and none was asked for where it was still to be had.
inline constexpr ErrorCode AuthorizationRequiresHttps{"authorization_requires_https"};
/// A bound token came without the certificate that it is bound to. Nothing was sent.
inline constexpr ErrorCode BoundTokenWithoutBinding{"bound_token_without_binding"};
/// The host name could not be resolved.
inline constexpr ErrorCode NameResolutionFailed{"name_resolution_failed"};
/// No TCP connection could be made.
inline constexpr ErrorCode ConnectFailed{"connect_failed"};
/// The proxy refused or garbled the tunnel.
inline constexpr ErrorCode ProxyFailed{"proxy_failed"};
/// The proxy wants credentials, or others.
inline constexpr ErrorCode ProxyAuthenticationRequired{"proxy_authentication_required"};
/// The TLS handshake failed for another reason than the ones below.
inline constexpr ErrorCode TlsHandshakeFailed{"tls_handshake_failed"};
/// The server's certificate is not trusted, not valid, or for another host.
inline constexpr ErrorCode ServerCertificateRejected{"server_certificate_rejected"};
/// The server refused the binding certificate during a handshake.
inline constexpr ErrorCode BindingCertificateRejected{"binding_certificate_rejected"};
/// The private key of the binding certificate could not sign.
inline constexpr ErrorCode PrivateKeyUnusable{"private_key_unusable"};
/// The server asked to renegotiate more often than `TransportLimits::Renegotiations` allows.
inline constexpr ErrorCode RenegotiationLimitExceeded{"renegotiation_limit_exceeded"};
/// The connection was lost while the request or the answer was under way.
inline constexpr ErrorCode ConnectionLost{"connection_lost"};
/// The connection was lost right after a bound request was sent: most often a client-certificate renegotiation that
/// something on the way did not let through.
inline constexpr ErrorCode ConnectionLostDuringBinding{"connection_lost_during_binding"};
/// The answer is not HTTP/1.1 as RFC 9112 has it, or could be read in two ways.
inline constexpr ErrorCode MalformedResponse{"malformed_response"};
/// The answer's header block is larger than `TransportLimits::HeaderBytes`.
inline constexpr ErrorCode HeaderBytesLimitExceeded{"header_bytes_limit_exceeded"};
/// The answer has more header fields than `TransportLimits::HeaderCount`.
inline constexpr ErrorCode HeaderCountLimitExceeded{"header_count_limit_exceeded"};
/// A line of the answer's header is longer than `TransportLimits::LineBytes`.
inline constexpr ErrorCode LineBytesLimitExceeded{"line_bytes_limit_exceeded"};
/// A chunk extension of the answer is longer than `TransportLimits::ChunkExtensionBytes`.
inline constexpr ErrorCode ChunkExtensionLimitExceeded{"chunk_extension_limit_exceeded"};
/// A body that was to be buffered is larger than `ReadToEnd` or the adapter (`BufferedBodyBytes`) allows; or more than 1 MiB of
/// an answer came before the server had read the request.
inline constexpr ErrorCode BufferedBodyLimitExceeded{"buffered_body_limit_exceeded"};
/// More informational (1xx) answers came than `TransportLimits::InformationalResponses` allows.
inline constexpr ErrorCode InformationalLimitExceeded{"informational_limit_exceeded"};
/// The request's body stream gave fewer or more bytes than its length, or failed.
inline constexpr ErrorCode RequestBodyFailed{"request_body_failed"};
/// The trust store, certificate revocation list or another file of the options could not be read.
inline constexpr ErrorCode TrustStoreUnusable{"trust_store_unusable"};
/// The certificate or its key cannot be used as a binding certificate.
inline constexpr ErrorCode InvalidBindingCertificate{"invalid_binding_certificate"};
/// All connections that `PoolOptions` allows are in use and none became free in time.
inline constexpr ErrorCode PoolExhausted{"pool_exhausted"};
/// As many requests as `PoolOptions` allows wait for a connection to the same origin already.
inline constexpr ErrorCode PoolQueueFull{"pool_queue_full"};
/// The operating system or the cryptographic library failed in a way it should not.
inline constexpr ErrorCode SystemFailure{"system_failure"};

}  // namespace errors
}  // namespace mtlspop
