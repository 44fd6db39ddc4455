#pragma once

/// @file
/// Bytes in both directions without waiting: over TCP, over TLS, over TLS in TLS.

#include <cstddef>
#include <cstdint>

#include <gsl/span>

#include "mtlspop/transport/error.hpp"

namespace mtlspop::openssl {

enum class IoStatus {
  /// `IoResult::Count` bytes were moved.
  Done,
  /// Nothing moved; try again when something can be read.
  WantRead,
  /// Nothing moved; try again when something can be written.
  WantWrite,
  /// Nothing moved; try again on a thread where an operation of the private key may take its time.
  WantKey,
  /// The other side ended the stream in the regular way.
  Closed,
  /// The connection is gone, or ended in the middle.
  Lost,
  /// TLS failed; `Channel::Failure()` says how.
  Failed,
};

/// Whether nothing is wrong, and nothing moved either.
constexpr bool Waits(IoStatus status) noexcept {
  return status == IoStatus::WantRead || status == IoStatus::WantWrite || status == IoStatus::WantKey;
}

struct IoResult {
  IoStatus Status;
  std::size_t Count = 0;
};

/// Thread safety: one thread at a time.
class Channel {
 public:
  virtual ~Channel() = default;

  virtual IoResult TryRead(gsl::span<std::uint8_t> buffer) = 0;
  virtual IoResult TryWrite(gsl::span<std::uint8_t const> bytes) = 0;
  /// Pushes out what an earlier call left behind. `Done` when nothing is left.
  virtual IoStatus TryFlush() = 0;
  /// Whether `TryFlush` has something to do, so that whoever waits must wait for room to write as well.
  virtual bool HasUnsentBytes() const noexcept = 0;
  /// Tells the other side that nothing more will come, as far as that goes without waiting.
  virtual void Close() noexcept = 0;
  /// What went wrong, after `IoStatus::Failed`.
  virtual ErrorDetails Failure() const = 0;

 protected:
  Channel() = default;
  Channel(Channel const&) = delete;
  Channel& operator=(Channel const&) = delete;
};

}  // namespace mtlspop::openssl
