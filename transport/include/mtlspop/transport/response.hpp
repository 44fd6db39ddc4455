#pragma once

/// @file
/// What comes back.

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "mtlspop/export.hpp"
#include "mtlspop/transport/body_stream.hpp"
#include "mtlspop/transport/headers.hpp"

namespace mtlspop {

/// When a server asked for the client's certificate on a connection.
enum class CertificateAsked {
  /// The transport cannot say, as on Windows, or the connection has no TLS.
  NotKnown,
  /// It did not; also on a connection whose session was resumed, where it knows the certificate already.
  Never,
  /// In the first handshake of the connection.
  InFirstHandshake,
  /// By renegotiation (TLS 1.2, RFC 5746).
  ByRenegotiation,
  /// By post-handshake authentication (TLS 1.3, RFC 8446 section 4.6.2).
  AfterHandshake,
};

/// "not_known", "never", "in_first_handshake", "by_renegotiation", "after_handshake".
MTLSPOP_EXPORT std::string_view ToString(CertificateAsked asked) noexcept;

/// What a server's certificate says of itself. Immutable.
struct ServerCertificate {
  /// Whose it is, in RFC 2253 form.
  std::string Subject;
  /// Who issued the certificate, in RFC 2253 form.
  std::string Issuer;
  /// The end of its validity.
  std::chrono::system_clock::time_point NotAfter;
};

/// How an answer travelled, for logs and for tests.
struct ConnectionInfo {
  /// Counts the connections of one transport, from 1.
  std::uint64_t Id = 0;
  /// Whether an earlier request had used the connection.
  bool Reused = false;
  /// Whether its TLS session was a resumed one.
  bool Resumed = false;
  /// "TLSv1.2", "TLSv1.3", or "" for plain http.
  std::string TlsVersion;
  /// Key id (`x5t#S256`) of the certificate this connection was made for, "" for none.
  std::string X5tS256;
  /// When the server last asked for the client's certificate, until the answer's header was there.
  CertificateAsked Asked = CertificateAsked::NotKnown;
  /// The server's certificate; null where there is none or, as on Windows, the transport does not show it.
  std::shared_ptr<ServerCertificate const> Server;
};

/// One HTTP answer whose body is pulled.
///
/// Thread safety: one thread at a time.
struct Response {
  /// 200 to 999: informational answers are not shown.
  int StatusCode = 0;
  /// As it was sent; may be empty (RFC 9112 section 4). It has no meaning.
  std::string ReasonPhrase;
  /// The header fields, in the order in which they came.
  Headers Fields;
  /// Never null; at its end at once where the answer has no body. Its connection goes back to the pool when it is read
  /// to its end, and is closed when it is destroyed before.
  std::unique_ptr<BodyStream> Body;
  /// The connection that the answer came on.
  ConnectionInfo Connection;
};

/// The largest answer that is buffered where the caller names no limit of its own: 64 MiB.
inline constexpr std::size_t DefaultBufferedBodyBytes = std::size_t{64} * 1024 * 1024;

}  // namespace mtlspop
