#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <cpprest/streams.h>
#include <pplx/pplxtasks.h>

#include "mtlspop/transport/body_stream.hpp"
#include "transfer_observer.hpp"

namespace mtlspop::cpprest {

/// The body of a request, read from where the stream stands. What the stream throws, or is closed with, is kept for the
/// application (`TransferObserver::Failure`), and such a body is not sent again.
class IstreamBody final : public BodyStream, public std::enable_shared_from_this<IstreamBody> {
 public:
  /// `length` where it is known; reads at most `chunkSize` bytes at a time.
  IstreamBody(
      concurrency::streams::istream const& stream,
      std::optional<std::uint64_t> length,
      std::size_t chunkSize,
      std::shared_ptr<TransferObserver> observer);

  /// For transports that have no asynchronous way: waits for `ReadAsync`.
  std::size_t Read(gsl::span<std::uint8_t> buffer, Context const& context) override;
  /// Keeps this stream alive. A read that is left because `context` has ended goes on by itself, and what it brings belongs to
  /// the next one.
  void ReadAsync(gsl::span<std::uint8_t> buffer, Context const& context, Completion<std::size_t> done) override;
  std::optional<std::uint64_t> Length() const noexcept override { return length_; }
  bool TryRewind() override;

  std::uint64_t BytesRead() const noexcept { return read_; }

 private:
  /// A read of the application's stream that takes its time.
  struct Reading {
    /// The stream writes here, also when nobody waits any more: its task keeps it.
    std::shared_ptr<std::vector<std::uint8_t>> Staging;
    pplx::task<std::size_t> Task;
  };

  /// How many bytes may be read now.
  std::size_t Wanted(std::size_t room) const noexcept;
  /// What is there without waiting, none where it takes a task.
  std::optional<std::size_t> TakeReady(gsl::span<std::uint8_t> buffer);
  /// `count` bytes came, 0 at the end.
  /// @throw what the stream was closed with
  std::size_t Came(std::size_t count);
  /// None where `pending_` has to be waited for.
  std::optional<std::size_t> Begin(gsl::span<std::uint8_t> buffer);
  /// `pending_` brought so many bytes; how many of them have room.
  std::size_t TakePending(std::size_t count, gsl::span<std::uint8_t> buffer);

  concurrency::streams::streambuf<std::uint8_t> buffer_;
  std::optional<std::uint64_t> length_;
  std::size_t chunkSize_;
  std::shared_ptr<TransferObserver> observer_;
  std::optional<concurrency::streams::streambuf<std::uint8_t>::pos_type> start_;
  std::uint64_t read_ = 0;
  /// Begun, and not come back yet to anybody.
  std::optional<Reading> pending_;
  /// What `pending_` brought and had no room.
  std::vector<std::uint8_t> kept_;
  /// It ended where it should not.
  bool isBroken_ = false;
};

}  // namespace mtlspop::cpprest
