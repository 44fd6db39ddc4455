#pragma once

/// @file
/// One request from the pool's line to the header of its answer.

#include <exception>
#include <memory>
#include <optional>
#include <string>

#include "openssl/connecting.hpp"
#include "openssl/connection_pool.hpp"
#include "openssl/http1_exchange.hpp"
#include "openssl/step.hpp"
#include "openssl/transport_core.hpp"

namespace mtlspop::openssl {

/// The machine behind `Send` and `SendAsync`.
///
/// Thread safety: one thread at a time, one use.
class Sending final {
 public:
  /// Borrows all but the certificate.
  /// @param mayBlock whether nothing but the other side can end it: a read may then block in place of a wait
  /// @throw Error
  Sending(
      TransportCore const& core,
      Request& request,
      std::shared_ptr<BindingCertificate const> binding,
      Context const& context,
      Driver& driver,
      bool mayBlock);

  /// Done once the answer's header is there. For `Awaits::Body` the driver is to call `ReadBody`, where that may take its
  /// time, or does what it does by itself.
  /// @throw Error
  Step Advance();
  std::unique_ptr<Response> Take() noexcept { return exchange_->Take(); }

  /// That it was cancelled in the pool's line, without throwing it; null where it was not.
  std::exception_ptr FindFailure() const;

  /// Reads a piece of the request's body, or rewinds it, as is wanted.
  void ReadBody() noexcept;
  /// Whether it is to be read: then `BodyRoom` takes a piece of it, and `PutBody` or `FailBody` is told of it.
  bool ReadsBody() const noexcept { return stage_ == Stage::Exchange; }
  gsl::span<std::uint8_t> BodyRoom() const noexcept { return exchange_->BodyRoom(); }
  void PutBody(std::size_t count) noexcept { exchange_->PutBody(count); }
  void FailBody(std::exception_ptr failure) noexcept { exchange_->FailBody(std::move(failure)); }
  /// Where a step waits for sockets beside the body: see `Http1Exchange::Hear`.
  Step Hear() noexcept { return exchange_->Hear(); }

  /// Gives buffers back before a wait of unknown length.
  void FreeBuffers() noexcept;

 private:
  enum class Stage { Acquire, Connect, Exchange, Rewind, Done };

  Step Try();
  Step Within(Context const& context, Step step) const;
  Step Acquire();
  Step Connect();
  Step Exchange();
  Step Rewind();
  void BeginConnecting();
  bool IsKeyOutOfReach() const;
  void BeginExchange();
  [[noreturn]] void ThrowNotConnected(Error const& error) const;
  [[noreturn]] void ThrowPoolExhausted() const;
  bool MayBeRepeated() const;
  void TellOpened() const;
  void TellWaited() const;
  std::int64_t MillisecondsSince(Clock::SteadyTime begin) const;

  TransportCore const& core_;
  ProcessState& state_;
  Request& request_;
  std::shared_ptr<BindingCertificate const> binding_;
  Context const& context_;
  /// When the request began; of meaning only where there is a deadline.
  Context::TimePoint since_;
  Driver& driver_;
  bool mayBlock_;
  Route route_;
  std::string proxy_;
  PoolKeyView key_;
  std::optional<std::uint64_t> bodyLength_;
  Stage stage_ = Stage::Acquire;
  bool again_ = false;
  bool reused_ = false;
  std::optional<PoolRequest> acquiring_;
  /// Since when it stands in the pool's line, or connects; where an observer wants to know.
  std::optional<Clock::SteadyTime> begun_;
  std::optional<PoolSlot> slot_;
  /// Of connecting.
  std::optional<Context> limited_;
  std::optional<Connecting> connecting_;
  std::optional<Http1Exchange> exchange_;
  /// What to fail with where the body cannot be rewound.
  std::exception_ptr lost_;
  std::optional<bool> rewound_;
};

}  // namespace mtlspop::openssl
