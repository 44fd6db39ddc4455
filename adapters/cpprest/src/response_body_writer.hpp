#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <cpprest/http_msg.h>

#include "mtlspop/transport/response.hpp"
#include "transfer_observer.hpp"

namespace mtlspop::cpprest {

/// Moves the body of an answer into the stream that the application reads it from, without a thread that waits: for the
/// next bytes, or for a stream that takes none just now. While it does, it keeps itself alive.
class ResponseBodyWriter final : public std::enable_shared_from_this<ResponseBodyWriter> {
 public:
  struct Target {
    concurrency::streams::ostream Stream;
    /// What the body may come to, unpacked, where the stream is cpprestsdk's own buffer in memory; nothing where it is one
    /// of the application's.
    std::optional<std::size_t> BufferLimit;
    std::unique_ptr<web::http::compression::decompress_provider> Decompressor;
    std::size_t ChunkSize;
    /// For each piece.
    Context::Clock::duration Timeout;
  };

  ResponseBodyWriter(std::unique_ptr<BodyStream> body, Target target, std::shared_ptr<TransferObserver> observer);

  /// Reads the body to its end, and calls `done` with how many bytes came or with what the body, the stream or the progress
  /// handler threw; the body is gone then.
  void Write(Context const& context, Completion<std::uint64_t> done);

 private:
  /// Whether there is something to do at once; else something was begun that goes on.
  using Goes = bool;

  template <typename First>
  void Go(First first);
  Goes ReadNext();
  Goes ReadInPlace(std::size_t size);
  Goes ReadAndCopy();
  Goes Read(gsl::span<std::uint8_t> room);
  Goes Came(Outcome<std::size_t> outcome);
  Goes Counted(std::size_t count);
  Goes Put(std::shared_ptr<std::vector<std::uint8_t>> bytes, std::size_t count);
  Goes PutRest();
  Goes Taken(std::size_t written);
  void End(Outcome<std::uint64_t> outcome);
  std::uint64_t Left() const noexcept { return *length_ - total_; }
  void CheckLimit(std::uint64_t total) const;
  std::shared_ptr<std::vector<std::uint8_t>> Decompress(std::vector<std::uint8_t> const& bytes, std::size_t count);
  void BeginNextMember();

  std::unique_ptr<BodyStream> body_;
  Target target_;
  concurrency::streams::streambuf<std::uint8_t> buffer_;
  std::shared_ptr<TransferObserver> observer_;
  std::optional<std::uint64_t> length_;
  /// Straight into cpprestsdk's buffer, which is nobody's to fail.
  bool isInPlace_;
  Context context_;
  Completion<std::uint64_t> done_;
  /// What came.
  std::uint64_t total_ = 0;
  /// What went into the stream.
  std::uint64_t delivered_ = 0;
  /// Where the unpacking stands: before, in and behind a compressed stream.
  enum class Member { None, Begun, Ended } member_ = Member::None;
  /// Whether the place that is read into is the stream's own.
  bool isPlaceTaken_ = false;
  /// Whether all has come, and the read under way only finds the end, which gives the connection back to its pool.
  bool isAtEnd_ = false;
  std::uint8_t rest_ = 0;
  std::shared_ptr<std::vector<std::uint8_t>> staging_;
  /// What is being put into the stream, and how far.
  std::shared_ptr<std::vector<std::uint8_t>> putting_;
  std::size_t puttingCount_ = 0;
  std::size_t puttingDone_ = 0;
};

}  // namespace mtlspop::cpprest
