#pragma once

/// @file
/// The sessions of one transport.

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "schannel/session.hpp"

namespace mtlspop::schannel {

/// Finds or makes the session for a request, and lets go of those that nobody needs any more. A session is closed, with
/// its idle connections, when the last request on it is done.
///
/// Thread safety: all members may be called from any thread at any time.
class SessionPool final {
 public:
  SessionPool(std::shared_ptr<WinHttpFunctions> functions, PoolOptions pool, gsl::not_null<std::shared_ptr<Clock>> time)
      : functions_(std::move(functions)), pool_(pool), time_(std::move(time)) {}

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

  void DropIdle(Clock::SteadyTime now);

  std::shared_ptr<WinHttpFunctions> functions_;
  PoolOptions pool_;
  gsl::not_null<std::shared_ptr<Clock>> time_;
  mutable std::mutex mutex_;
  std::map<std::string, Entry> sessions_;
  std::uint64_t droppedSoFar_ = 0;
};

}  // namespace mtlspop::schannel
