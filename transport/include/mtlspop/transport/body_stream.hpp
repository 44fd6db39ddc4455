#pragma once

/// @file
/// A body that is pulled, piece by piece.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <gsl/span>

#include "mtlspop/export.hpp"
#include "mtlspop/transport/context.hpp"
#include "mtlspop/transport/outcome.hpp"

namespace mtlspop {

/// A stream of bytes that its reader pulls. One that implements no more than `Read` is correct.
///
/// Thread safety: one thread at a time, which may be another one at each call; nothing is called while a `ReadAsync` is under
/// way.
class MTLSPOP_EXPORT BodyStream {
 public:
  virtual ~BodyStream() = default;

  /// Fills at most `buffer` (which must not be empty) and returns how many bytes it wrote: 0 means that the stream has
  /// ended. Waits only where there is nothing at all yet.
  /// @throw Error. A stream that has thrown throws again.
  virtual std::size_t Read(gsl::span<std::uint8_t> buffer, Context const& context) = 0;

  /// As `Read`, without waiting for it: `done` gets what `Read` returns or throws. The stream and the buffer must live until
  /// then. What is promised to `done` and asked of it is said in outcome.hpp.
  ///
  /// By default calls `Read` on one of a bounded number of threads (64 for the process), where it may wait for its turn. A
  /// stream that has an asynchronous way of its own overrides this.
  /// @throw Error `system_failure` where no thread can be had, std::bad_alloc; `done` is not called then
  virtual void ReadAsync(gsl::span<std::uint8_t> buffer, Context const& context, Completion<std::size_t> done);

  /// Whether `Read` returns at once whatever happens, as from memory. It is then called also where nothing may wait, as on the
  /// thread of a reactor, which many requests share, rather than `ReadAsync`; so is this function itself. By default false.
  virtual bool NeverWaits() const noexcept { return false; }

  /// The length of the whole stream in bytes, where it is known before reading.
  virtual std::optional<std::uint64_t> Length() const noexcept { return std::nullopt; }

  /// Goes back to the beginning so that the stream can be read again. Returns false, and changes nothing, where that
  /// cannot be had: a request with such a body is not sent a second time.
  virtual bool TryRewind() { return false; }
};

/// A body held in memory. The text is overwritten when the stream is destroyed, since it may hold an assertion.
class MTLSPOP_EXPORT MemoryBody final : public BodyStream {
 public:
  /// Takes `text` over. Its bytes are sent as they are.
  explicit MemoryBody(std::string text) noexcept : text_(std::move(text)) {}
  ~MemoryBody() override;
  MemoryBody(MemoryBody const&) = delete;
  MemoryBody& operator=(MemoryBody const&) = delete;

  std::size_t Read(gsl::span<std::uint8_t> buffer, Context const& context) override;
  /// Reads at once, and calls `done` on `DefaultExecutor()`.
  void ReadAsync(gsl::span<std::uint8_t> buffer, Context const& context, Completion<std::size_t> done) override;
  bool NeverWaits() const noexcept override { return true; }
  std::optional<std::uint64_t> Length() const noexcept override { return text_.size(); }
  bool TryRewind() override;

 private:
  std::string text_;
  std::size_t position_ = 0;
};

/// Reads `stream` to its end.
/// @throw Error `buffered_body_limit_exceeded` once more than `limit` bytes came; otherwise what the stream throws.
MTLSPOP_EXPORT std::string ReadToEnd(BodyStream& stream, std::size_t limit, Context const& context);

/// The same without a thread that waits: `done` gets what `ReadToEnd` returns or throws, after `stream` is gone. What is
/// promised to `done` and asked of it is said in outcome.hpp.
/// @param stream not null; owned until `done` has been called
/// @param limit the most bytes that are kept
/// @param context bounds the reading as a whole
/// @param done gets the text, or `buffered_body_limit_exceeded`, or what the stream throws
MTLSPOP_EXPORT void ReadToEndAsync(
    std::unique_ptr<BodyStream> stream, std::size_t limit, Context const& context, Completion<std::string> done);

}  // namespace mtlspop
