#pragma once

/// @file
/// A body that is pulled, piece by piece.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <gsl/span>

#include "mtlspop/transport/context.hpp"

namespace mtlspop {

/// A stream of bytes that its reader pulls.
///
/// Thread safety: one thread at a time.
class BodyStream {
 public:
  virtual ~BodyStream() = default;

  /// Fills at most `buffer` (which must not be empty) and returns how many bytes it wrote: 0 means that the stream has
  /// ended. Waits only where there is nothing at all yet.
  /// @throw Error. A stream that has thrown throws again.
  virtual std::size_t Read(gsl::span<std::uint8_t> buffer, Context const& context) = 0;

  /// The length of the whole stream in bytes, where it is known before reading.
  virtual std::optional<std::uint64_t> Length() const noexcept { return std::nullopt; }

  /// Goes back to the beginning so that the stream can be read again. Returns false, and changes nothing, where that
  /// cannot be had: a request with such a body is not sent a second time.
  virtual bool TryRewind() { return false; }
};

/// A body held in memory. The text is overwritten when the stream is destroyed, since it may hold an assertion.
class MemoryBody final : public BodyStream {
 public:
  explicit MemoryBody(std::string text) noexcept : text_(std::move(text)) {}
  ~MemoryBody() override;
  MemoryBody(MemoryBody const&) = delete;
  MemoryBody& operator=(MemoryBody const&) = delete;

  std::size_t Read(gsl::span<std::uint8_t> buffer, Context const& context) override;
  std::optional<std::uint64_t> Length() const noexcept override { return text_.size(); }
  bool TryRewind() override;

 private:
  std::string text_;
  std::size_t position_ = 0;
};

/// Reads `stream` to its end.
/// @throw Error `buffered_body_limit_exceeded` once more than `limit` bytes came; otherwise what the stream throws.
std::string ReadToEnd(BodyStream& stream, std::size_t limit, Context const& context);

}  // namespace mtlspop
