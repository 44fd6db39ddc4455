#pragma once

/// @file
/// What comes back.

#include <cstdint>
#include <memory>
#include <string>

#include "mtlspop/transport/body_stream.hpp"
#include "mtlspop/transport/headers.hpp"

namespace mtlspop {

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
};

/// One HTTP answer whose body is pulled.
///
/// Thread safety: one thread at a time.
struct Response {
  /// 200 to 999: informational answers are not shown.
  int StatusCode = 0;
  std::string ReasonPhrase;
  Headers Fields;
  /// Never null; at its end at once where the answer has no body. Its connection goes back to the pool when it is read
  /// to its end, and is closed when it is destroyed before.
  std::unique_ptr<BodyStream> Body;
  ConnectionInfo Connection;
};

/// The largest answer that is buffered where the caller names no limit of its own: 64 MiB.
inline constexpr std::size_t DefaultBufferedBodyBytes = std::size_t{64} * 1024 * 1024;

}  // namespace mtlspop
