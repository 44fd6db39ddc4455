#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include <cpprest/streams.h>

#include "mtlspop/transport/body_stream.hpp"
#include "transfer_observer.hpp"

namespace mtlspop::cpprest {

/// The body of a request, read from where the stream stands.
class IstreamBody final : public BodyStream {
 public:
  /// `length` where it is known; reads at most `chunkSize` bytes at a time.
  IstreamBody(
      concurrency::streams::istream const& stream,
      std::optional<std::uint64_t> length,
      std::size_t chunkSize,
      std::shared_ptr<TransferObserver> observer,
      pplx::scheduler_ptr scheduler);

  std::size_t Read(gsl::span<std::uint8_t> buffer, Context const& context) override;
  std::optional<std::uint64_t> Length() const noexcept override { return length_; }
  bool TryRewind() override;

  std::uint64_t BytesRead() const noexcept { return read_; }

 private:
  std::size_t ReadSome(gsl::span<std::uint8_t> buffer, Context const& context);

  concurrency::streams::streambuf<std::uint8_t> buffer_;
  std::optional<std::uint64_t> length_;
  std::size_t chunkSize_;
  std::shared_ptr<TransferObserver> observer_;
  pplx::scheduler_ptr scheduler_;
  std::optional<concurrency::streams::streambuf<std::uint8_t>::pos_type> start_;
  std::uint64_t read_ = 0;
};

}  // namespace mtlspop::cpprest
