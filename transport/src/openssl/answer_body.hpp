#pragma once

/// @file
/// The body of an answer, pulled off its connection.

#include <exception>
#include <memory>
#include <optional>

#include "http1_parser.hpp"
#include "mtlspop/transport/executor.hpp"
#include "openssl/connection_pool.hpp"
#include "openssl/step.hpp"

namespace mtlspop::openssl {

/// Holds the connection until the body has been read to its end; then the pool gets it back. Destroyed before, it
/// closes the connection: what is left of the body would stand in the way of the next answer.
class AnswerBody final : public BodyStream {
 public:
  /// @param closes why the connection is closed afterwards; none where it can take another request
  /// @param callbacks where completions run
  AnswerBody(
      PoolSlot slot, Http1Parser parser, std::optional<CloseReason> closes, std::shared_ptr<Executor const> callbacks);

  std::size_t Read(gsl::span<std::uint8_t> buffer, Context const& context) override;
  void ReadAsync(gsl::span<std::uint8_t> buffer, Context const& context, Completion<std::size_t> done) override;
  /// What came together with the answer's header is here already: a short answer is read without anybody's waiting for it.
  bool NeverWaits() const noexcept override;
  std::optional<std::uint64_t> Length() const noexcept override { return length_; }

 private:
  /// One call of `Read`.
  class Reading;
  class ReadOperation;

  Step Advance(gsl::span<std::uint8_t> buffer, bool mayBlock, std::size_t& count);
  Step ReadLength(gsl::span<std::uint8_t> buffer, bool mayBlock, std::size_t& count);
  Step ReadChunked(gsl::span<std::uint8_t> buffer, bool mayBlock, std::size_t& count);
  Step ReadUntilClose(gsl::span<std::uint8_t> buffer, bool mayBlock, std::size_t& count);
  IoResult Receive(gsl::span<std::uint8_t> buffer, bool mayBlock);
  bool IsAtEnd(gsl::span<std::uint8_t> buffer) const;
  void Fail(std::exception_ptr failure) noexcept;
  void End();

  std::optional<PoolSlot> slot_;
  Http1Parser parser_;
  BodyFraming framing_;
  std::optional<std::uint64_t> length_;
  std::uint64_t remaining_ = 0;
  std::optional<CloseReason> closes_;
  std::shared_ptr<Executor const> callbacks_;
  std::exception_ptr failure_;
};

}  // namespace mtlspop::openssl
