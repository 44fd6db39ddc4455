#pragma once

/// @file
/// The body of a client's request, as it comes.

#include <memory>
#include <optional>
#include <string>

#include "mtlspop/transport/body_stream.hpp"

namespace mtlspop::gateway {

class Connection;

/// Reads from the client when whoever sends the request on reads from it, and not before: a client sends no faster than
/// its server takes. The beginning is kept, so that a request whose token was refused can be sent again with another.
class ClientBody final : public BodyStream {
 public:
  /// As much of a body as is kept; a longer one cannot be rewound once that much was read.
  static constexpr std::size_t KeptBytes = std::size_t{64} * 1024;

  ClientBody(std::weak_ptr<Connection> connection, std::uint64_t number, std::optional<std::uint64_t> length)
      : state_(std::make_shared<State>()), connection_(std::move(connection)), number_(number), length_(length) {}
  ~ClientBody() override;
  ClientBody(ClientBody const&) = delete;
  ClientBody& operator=(ClientBody const&) = delete;

  std::size_t Read(gsl::span<std::uint8_t> buffer, Context const& context) override;
  void ReadAsync(gsl::span<std::uint8_t> buffer, Context const& context, Completion<std::size_t> done) override;
  std::optional<std::uint64_t> Length() const noexcept override { return length_; }
  bool TryRewind() override;

 private:
  struct State {
    std::string Kept;
    // Where the next byte is; beyond what is kept it comes from the client.
    std::uint64_t Position = 0;
    // How much came from the client.
    std::uint64_t Received = 0;
  };

  std::shared_ptr<State> const state_;
  std::weak_ptr<Connection> const connection_;
  std::uint64_t const number_;
  std::optional<std::uint64_t> const length_;
};

}  // namespace mtlspop::gateway
