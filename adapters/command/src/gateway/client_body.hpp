#pragma once

/// @file
/// The body of a client's request, as it comes.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "mtlspop/transport/body_stream.hpp"

namespace mtlspop::gateway {

/// Reads from the client when whoever sends the request on reads from it, and not before: a client sends no faster than its
/// server takes, but for one piece of `HeldBytes`. The first piece is kept until the second comes, so that a request whose token
/// was refused can be sent again with another.
class ClientBody final : public BodyStream {
 public:
  /// What is read from the client at once, at most; a longer body cannot be rewound once that much was read.
  static constexpr std::size_t HeldBytes = std::size_t{64} * 1024;
  /// Has the next bytes of the body put into a buffer, which lives until then; 0 are its end. One at a time.
  using Source = std::function<void(gsl::span<std::uint8_t> into, Completion<std::size_t> done)>;

  ClientBody(Source source, std::optional<std::uint64_t> length);
  ~ClientBody() override;
  ClientBody(ClientBody const&) = delete;
  ClientBody& operator=(ClientBody const&) = delete;

  std::size_t Read(gsl::span<std::uint8_t> buffer, Context const& context) override;
  /// Ends with `cancelled` where the context is cancelled: what comes then is for the next one who reads.
  void ReadAsync(gsl::span<std::uint8_t> buffer, Context const& context, Completion<std::size_t> done) override;
  /// Where what was read at once has not all been given on, and at the end.
  bool NeverWaits() const noexcept override;
  std::optional<std::uint64_t> Length() const noexcept override { return length_; }
  /// Also while somebody still waits who has given the request up: that one gets nothing more.
  bool TryRewind() override;

 private:
  class Piece;

  /// What comes may come after this object is gone.
  std::shared_ptr<Piece> const piece_;
  std::optional<std::uint64_t> const length_;
};

}  // namespace mtlspop::gateway
