#pragma once

/// @file
/// A body that is written rather than read: for frameworks that hand a `std::ostream` or a callback to whoever makes it.
///
/// @code
/// auto [body, writer] = mtlspop::MakePushedBody();
/// request.Body = body;
/// std::thread other{[writer = writer] {
///   mtlspop::BodyWriterBuffer buffer{writer};
///   std::ostream stream{&buffer};
///   stream << "a long text";
///   buffer.Close();
/// }};
/// auto response = transport->Send(request, token.Binding, context);
/// other.join();
/// @endcode

#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <streambuf>

#include <gsl/pointers>
#include <gsl/span>

#include "mtlspop/export.hpp"
#include "mtlspop/transport/body_stream.hpp"
#include "mtlspop/transport/context.hpp"

namespace mtlspop {

/// Options of `MakePushedBody`.
struct PushedBodyOptions {
  /// The length of the whole body in bytes; nothing where it is not known, and the body is sent in chunks.
  std::optional<std::uint64_t> Length{};
  /// How many bytes may be written ahead of the reader. At least 1.
  std::size_t BufferBytes = std::size_t{64} * 1024;
  /// How many bytes of the beginning are kept, so that the request can be sent again after a challenge or a lost
  /// connection. A body of which more has been read cannot be rewound (`BodyStream::TryRewind`). 0 keeps nothing.
  std::size_t KeptBytes = std::size_t{64} * 1024;
};

/// The end of a pushed body that is written. It shares its buffer with the stream; each may go before the other.
///
/// Thread safety: one thread at a time, which may be another one than the reader's. It must not be a thread that the reader
/// needs to go on, such as one of `TransportOptions::Callbacks`.
class MTLSPOP_EXPORT BodyWriter final {
 public:
  class Channel;
  /// For `MakePushedBody`.
  explicit BodyWriter(std::shared_ptr<Channel> channel) noexcept;
  /// A body that was not closed fails with `request_body_failed`: a part of it is never taken for the whole.
  ~BodyWriter();
  BodyWriter(BodyWriter const&) = delete;
  BodyWriter& operator=(BodyWriter const&) = delete;

  /// Hands `bytes` on; they are copied. Waits while the buffer is full.
  /// @throw Error `request_body_failed` where nobody reads any more: the request has ended without the rest. `cancelled`,
  /// `deadline_exceeded` where `context` ends first; a part of `bytes` may have been handed on then. `invalid_argument`
  /// after `Close` or `Fail`.
  void Write(gsl::span<std::uint8_t const> bytes, Context const& context);
  /// The body is complete. Waits for nothing; a second call does nothing.
  void Close() noexcept;
  /// The body cannot be made: the request fails with `request_body_failed` and `reason` as its cause.
  /// @param reason not null
  void Fail(std::exception_ptr reason) noexcept;

 private:
  std::shared_ptr<Channel> channel_;
};

/// Both ends of a pushed body.
struct PushedBody {
  /// For `Request::Body`.
  std::shared_ptr<BodyStream> Body;
  /// For whoever makes the body.
  std::shared_ptr<BodyWriter> Writer;
};

/// A body that is written. No thread waits in `BodyStream::ReadAsync`.
/// @throw Error `invalid_argument` for options out of range
MTLSPOP_EXPORT PushedBody MakePushedBody(PushedBodyOptions options = {});

/// A buffer for a `std::ostream` that writes to a `BodyWriter`. A stream over it goes bad where `Write` throws; what was thrown
/// is had with `Failure()`.
///
/// Thread safety: as the writer.
class MTLSPOP_EXPORT BodyWriterBuffer final : public std::streambuf {
 public:
  /// @param writer not null
  /// @param context bounds all writing together
  explicit BodyWriterBuffer(std::shared_ptr<BodyWriter> writer, Context context = {});
  /// Does not close the body.
  ~BodyWriterBuffer() override = default;

  /// Hands on what is left, and closes the body.
  /// @throw Error as `BodyWriter::Write`
  void Close();
  /// What was thrown when the stream went bad; null where nothing was.
  std::exception_ptr Failure() const noexcept { return failure_; }

 protected:
  /// As `std::streambuf`.
  int_type overflow(int_type character) override;
  /// As `std::streambuf`.
  int sync() override;

 private:
  bool HandOn() noexcept;

  std::shared_ptr<BodyWriter> writer_;
  Context context_;
  std::array<char, 4096> buffer_{};
  std::exception_ptr failure_;
};

}  // namespace mtlspop
