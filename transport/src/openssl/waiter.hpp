#pragma once

/// @file
/// Waiting on the caller's thread for what a step waits for.

#include <memory>
#include <optional>

#include <gsl/span>

#include "mtlspop/transport/context.hpp"
#include "openssl/step.hpp"

namespace mtlspop::openssl {

/// Waits on behalf of one operation. A cancellation from another thread ends the wait at once: it writes to a
/// descriptor of the waiting thread that is polled beside the sockets, or rings the bell that is waited for. The
/// registration for it is made at the first wait, so that an operation that never has to wait does not pay for it.
///
/// Thread safety: belongs to the thread that made it.
class Waiter final : public Driver {
 public:
  /// Borrows `context`.
  explicit Waiter(Context const& context) noexcept : context_(context) {}

  std::shared_ptr<Wakeable> WakeHandle() override;
  void RunForApplication(std::function<void()> task) override { task(); }

  /// Returns when what `step` waits for has happened, its time has come or the context may have ended; now and then for
  /// none of these.
  /// @throw Error `system_failure`
  void Wait(Step const& step);

  /// Whether nothing but the other side can end the operation: a call may then block in place of a wait here.
  bool MayBlock() const noexcept {
    return !context_.CanBeCancelled() && context_.Deadline() == Context::TimePoint::max();
  }

 private:
  class Bell;

  void Poll(gsl::span<pollfd> sockets, Context::TimePoint until);

  Context const& context_;
  std::shared_ptr<Bell> bell_;
  std::optional<CancellationRegistration> ringing_;
  std::optional<CancellationRegistration> registration_;
  int wakeDescriptor_ = -1;
};

/// Takes the steps of `machine` on this thread until it is done.
/// @param machine has `Step Advance()`, which throws once the context has ended
/// @throw what `Advance` throws; Error `system_failure`
template <typename Machine>
void Run(Machine& machine, Waiter& waiter) {
  for (;;) {
    auto const step = machine.Advance();
    if (step.For == Awaits::Nothing) return;
    if (step.For == Awaits::Body) {
      machine.ReadBody();
    } else if (step.For != Awaits::Key) {
      waiter.Wait(step);
    }
  }
}

}  // namespace mtlspop::openssl
