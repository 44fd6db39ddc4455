#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <cpprest/http_msg.h>

#include "mtlspop/transport/response.hpp"
#include "transfer_observer.hpp"

namespace mtlspop::cpprest {

/// Moves the body of an answer into the stream that the application reads it from.
class ResponseBodyWriter final {
 public:
  /// `bufferLimit` is what the body may come to, unpacked, where the stream is cpprestsdk's own buffer in memory; nothing
  /// where it is one of the application's.
  ResponseBodyWriter(
      concurrency::streams::ostream const& stream,
      std::optional<std::size_t> bufferLimit,
      std::unique_ptr<web::http::compression::decompress_provider> decompressor,
      std::size_t chunkSize,
      TransferObserver& observer,
      pplx::scheduler_ptr scheduler);

  /// Reads `body` to its end, with at most `timeout` for each piece, and returns how many bytes came.
  /// @throw what the body, the stream or the progress handler throws.
  std::uint64_t Write(BodyStream& body, Context const& context, Context::Clock::duration timeout);

 private:
  std::size_t ReadInPlace(BodyStream& body, std::size_t size, Context const& context);
  std::size_t ReadAndCopy(BodyStream& body, Context const& context);
  void Put(std::shared_ptr<std::vector<std::uint8_t>> const& bytes, std::size_t count, Context const& context);
  void CheckLimit(std::uint64_t total) const;
  std::shared_ptr<std::vector<std::uint8_t>> Decompress(std::vector<std::uint8_t> const& bytes, std::size_t count);
  void BeginNextMember();

  concurrency::streams::streambuf<std::uint8_t> buffer_;
  std::optional<std::size_t> bufferLimit_;
  /// What went into the stream.
  std::uint64_t delivered_ = 0;
  std::unique_ptr<web::http::compression::decompress_provider> decompressor_;
  /// Where the unpacking stands: before, in and behind a compressed stream.
  enum class Member { None, Begun, Ended } member_ = Member::None;
  std::size_t chunkSize_;
  TransferObserver& observer_;
  pplx::scheduler_ptr scheduler_;
  std::shared_ptr<std::vector<std::uint8_t>> staging_;
};

}  // namespace mtlspop::cpprest
