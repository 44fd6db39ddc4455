#pragma once

/// @file
/// What a request does next, apart from how it is waited for: a machine takes steps and says what has to happen before it
/// can take another one. `Waiter` waits on the caller's thread, `Operation` is woken by a reactor.

#include <functional>
#include <memory>

#include <poll.h>
#include <gsl/span>

#include "mtlspop/transport/context.hpp"

namespace mtlspop::openssl {

class SocketRegistration;

enum class Awaits {
  /// Nothing: the machine is done.
  Nothing,
  /// One of `Step::Sockets` has what its `events` ask for.
  Sockets,
  /// `Wakeable::Wake` of the driver's handle.
  Wake,
  /// A piece of the request's body. Where there are sockets too, the other side may say something before it has come: whoever
  /// does not stand still while it is read watches them.
  Body,
  /// A thread where an operation of the private key may take its time.
  Key,
};

/// What has to happen before the next step. To take one too early does no harm: nothing moves, and it says the same again.
struct Step {
  Awaits For = Awaits::Nothing;
  /// The machine's own; good until the next step. Whoever waits fills in `revents`.
  gsl::span<pollfd> Sockets{};
  /// When the next step is due in any case.
  Context::TimePoint Until = Context::TimePoint::max();
  /// What is being done, for errors. Static.
  char const* What = "The request";
  /// Where a reactor keeps what it knows the one socket by from wait to wait; null where there may be several.
  std::unique_ptr<SocketRegistration>* Registration = nullptr;
};

/// Somebody who can be woken, from any thread.
class Wakeable {
 public:
  virtual ~Wakeable() = default;
  virtual void Wake() noexcept = 0;

 protected:
  Wakeable() = default;
  Wakeable(Wakeable const&) = delete;
  Wakeable& operator=(Wakeable const&) = delete;
};

/// Whoever takes the steps of a machine.
class Driver {
 public:
  virtual ~Driver() = default;
  /// What to wake for `Awaits::Wake`. Outlives the driver where it has to.
  virtual std::shared_ptr<Wakeable> WakeHandle() = 0;
  /// Runs what is the application's, as its log, where that may take its time.
  virtual void RunForApplication(std::function<void()> task) = 0;

 protected:
  Driver() = default;
  Driver(Driver const&) = delete;
  Driver& operator=(Driver const&) = delete;
};

}  // namespace mtlspop::openssl
