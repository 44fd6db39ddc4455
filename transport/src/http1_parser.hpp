#pragma once

/// @file
/// Answers of HTTP/1.1 (RFC 9112), parsed by Boost.Beast and held to stricter rules about framing.

#include <cstdint>
#include <memory>
#include <optional>

#include <gsl/span>

#include "mtlspop/transport/http_transport.hpp"

namespace mtlspop {

/// How the end of a body is found (RFC 9112 section 6.3).
enum class BodyFraming { None, Length, Chunked, UntilClose };

/// Parses one answer. Bytes are pushed in; nothing is kept of them.
///
/// Thread safety: one thread at a time.
class Http1Parser final {
 public:
  /// Borrows `limits`. `method` is that of the request: it decides whether a body follows.
  Http1Parser(TransportLimits const& limits, std::string_view method);
  ~Http1Parser();
  Http1Parser(Http1Parser&&) noexcept;
  Http1Parser& operator=(Http1Parser&&) noexcept;

  /// Looks for a complete header at the beginning of `bytes`. Returns how many bytes it takes, 0 where more are needed.
  /// Call it again with the same bytes and more behind them.
  /// @throw Error `malformed_response` or that of a limit
  std::size_t ParseHead(gsl::span<std::uint8_t const> bytes);

  /// After `ParseHead`: status, reason and fields, moved into `response`.
  void MoveHeadTo(Response& response);
  int StatusCode() const noexcept;
  bool IsInformational() const noexcept { return StatusCode() / 100 == 1; }
  BodyFraming Framing() const noexcept;
  /// With `BodyFraming::Length`.
  std::uint64_t ContentLength() const noexcept;
  /// Whether the connection can take another request after this answer (RFC 9112 section 9.3).
  bool KeepsAlive() const noexcept;

  struct Progress {
    /// Bytes of the input that were used.
    std::size_t Used = 0;
    /// Bytes of the body that were written.
    std::size_t Written = 0;
    /// The body, its trailers included, is complete.
    bool Complete = false;
  };
  /// Takes a chunked body out of its framing. Needs more input where it used none, wrote none and is not complete.
  /// @throw Error `malformed_response` or that of a limit
  Progress ParseChunked(gsl::span<std::uint8_t const> bytes, gsl::span<std::uint8_t> body);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mtlspop
