#pragma once

/// @file
/// The sessions of one transport.

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "mtlspop/base/timer_service.hpp"
#include "schannel/connection_ledger.hpp"
#include "schannel/session.hpp"

namespace mtlspop::schannel {

/// Finds or makes the session for a request, and lets go of those that nobody needs any more. A session is closed, with
/// its idle connections, when the last request on it is done. A timer of this process looks after those that nobody uses,
/// whether requests come or not, for as long as there are sessions.
///
/// Thread safety: all members may be called from any thread at any time.
class SessionPool final : public std::enable_shared_from_this<SessionPool> {
 public:
  /// @param ledger hears of each session that has gone
  SessionPool(
      std::shared_ptr<WinHttpFunctions> functions,
      PoolOptions pool,
      gsl::not_null<std::shared_ptr<Clock>> time,
      std::shared_ptr<ConnectionLedger> ledger)
      : functions_(std::move(functions)), pool_(pool), time_(std::move(time)), ledger_(std::move(ledger)) {}
  ~SessionPool();
  SessionPool(SessionPool const&) = delete;
  SessionPool& operator=(SessionPool const&) = delete;

  /// @throw Error `system_failure`
  std::shared_ptr<Session const> Acquire(
      SessionKey const& key, std::shared_ptr<BindingCertificate const> const& binding);

  /// Forgets the sessions of this `x5t#S256`, and remembers nothing of it: the next request makes another. "" is nobody's.
  void Drop(std::string_view x5tS256) noexcept;

  /// Bindings with a session, and how many were dropped so far.
  std::size_t Bindings() const;
  std::uint64_t DroppedSoFar() const;

 private:
  struct Entry {
    std::shared_ptr<Session const> Shared;
    Clock::SteadyTime LastUse;
  };
  using Entries = std::map<std::string, Entry>;

  std::shared_ptr<Session const> Make(
      SessionKey const& key, std::shared_ptr<BindingCertificate const> const& binding) const;
  void MoveIdle(Clock::SteadyTime now, Entries& closing) noexcept;
  void Sweep() noexcept;
  void SweepLater(Clock::SteadyTime now) noexcept;

  std::shared_ptr<WinHttpFunctions> functions_;
  PoolOptions pool_;
  gsl::not_null<std::shared_ptr<Clock>> time_;
  std::shared_ptr<ConnectionLedger> ledger_;
  mutable std::mutex mutex_;
  Entries sessions_;
  /// None where nothing is looked after.
  std::optional<TimerService::Timer> sweep_;
  std::uint64_t droppedSoFar_ = 0;
};

}  // namespace mtlspop::schannel
