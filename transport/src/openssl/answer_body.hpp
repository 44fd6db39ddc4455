#pragma once

/// @file
/// The body of an answer, pulled off its connection.

#include <exception>
#include <optional>

#include "http1_parser.hpp"
#include "openssl/connection_pool.hpp"

namespace mtlspop::openssl {

/// Holds the connection until the body has been read to its end; then the pool gets it back. Destroyed before, it
/// closes the connection: what is left of the body would stand in the way of the next answer.
class AnswerBody final : public BodyStream {
 public:
  /// @param keep whether the connection can take another request afterwards
  AnswerBody(PoolSlot slot, Http1Parser parser, bool keep);

  std::size_t Read(gsl::span<std::uint8_t> buffer, Context const& context) override;
  std::optional<std::uint64_t> Length() const noexcept override { return length_; }

 private:
  std::size_t ReadSome(gsl::span<std::uint8_t> buffer, Waiter& waiter);
  std::size_t ReadLength(gsl::span<std::uint8_t> buffer, Waiter& waiter);
  std::size_t ReadChunked(gsl::span<std::uint8_t> buffer, Waiter& waiter);
  std::size_t ReadUntilClose(gsl::span<std::uint8_t> buffer, Waiter& waiter);
  IoResult Receive(gsl::span<std::uint8_t> buffer, Waiter& waiter);
  void End();

  std::optional<PoolSlot> slot_;
  Http1Parser parser_;
  BodyFraming framing_;
  std::optional<std::uint64_t> length_;
  std::uint64_t remaining_ = 0;
  bool keep_;
  std::exception_ptr failure_;
};

}  // namespace mtlspop::openssl
