#pragma once

/// @file
/// Waiting for sockets until a context ends.

#include <chrono>
#include <optional>

#include <poll.h>
#include <gsl/span>

#include "mtlspop/transport/context.hpp"

namespace mtlspop::openssl {

/// Waits on behalf of one operation. A cancellation from another thread ends the wait at once: it writes to a
/// descriptor of the waiting thread that is polled beside the sockets. The registration for it is made at the first
/// wait, so that an operation that never has to wait does not pay for it.
///
/// Thread safety: belongs to the thread that made it.
class Waiter final {
 public:
  /// Borrows `context`. `what` names the operation in errors.
  Waiter(Context const& context, char const* what) noexcept : context_(context), what_(what) {}

  /// Waits until one of `sockets` has what its `events` ask for and fills in their `revents`. Returns false when
  /// `until` came first.
  /// @throw Error `cancelled`, `deadline_exceeded`, `system_failure`
  bool Wait(gsl::span<pollfd> sockets, Context::TimePoint until = Context::TimePoint::max());

  /// Waits for `events` on one descriptor and returns its `revents`.
  short Wait(int descriptor, short events);

  /// Whether nothing but the other side can end the operation: a call may then block in place of a wait here.
  bool MayBlock() const noexcept {
    return !context_.CanBeCancelled() && context_.Deadline() == Context::TimePoint::max();
  }

  Context const& GetContext() const noexcept { return context_; }
  /// Changes what errors say was being done.
  void Describe(char const* what) noexcept { what_ = what; }

 private:
  int Poll(gsl::span<pollfd> sockets, Context::TimePoint until);

  Context const& context_;
  char const* what_;
  std::optional<CancellationRegistration> registration_;
  int wakeDescriptor_ = -1;
};

}  // namespace mtlspop::openssl
