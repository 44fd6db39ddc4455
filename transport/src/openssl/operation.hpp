#pragma once

/// @file
/// A machine whose steps are taken on a reactor's thread.

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <vector>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "mtlspop/base/handover.hpp"
#include "mtlspop/transport/context.hpp"
#include "openssl/reactor.hpp"
#include "openssl/socket_registration.hpp"
#include "openssl/step.hpp"

namespace mtlspop::openssl {

/// Takes the steps of one machine, and waits in between without a thread. Nothing that may take its time runs on the
/// reactor's: for the request's body and for keys that are not in memory the operation goes elsewhere and comes back.
///
/// It lives as long as something may still wake it. In a child of fork() nothing does, and what it has stays where it is.
///
/// Thread safety: `Wake` may be called from any thread; the rest runs on one thread at a time.
class Operation : public Driver, public Wakeable, public Resumable, private Handover {
 public:
  ~Operation() override;

  /// Begins, on the reactor's thread.
  void Start() noexcept { Wake(); }
  void Wake() noexcept override;
  std::shared_ptr<Wakeable> WakeHandle() override;
  void Resume() noexcept final;

 protected:
  /// @param executor must live as long as this object
  /// @throw Error `system_failure`, std::system_error where there is no thread to be had
  Operation(Context context, Executor const& executor);

  /// Of the machine.
  virtual Step Advance() = 0;
  /// What it has failed with, where that is known without a step. To throw takes its time, and ten thousand may be cancelled
  /// at once.
  virtual std::exception_ptr FindFailure() const { return nullptr; }
  /// Reads a piece of the request's body, elsewhere, and calls `ComeBack`.
  virtual void ReadBody() = 0;
  /// One of the sockets has something that were watched beside it: says what to watch further.
  virtual Step Hear() = 0;
  /// Before a wait for a socket.
  virtual void FreeBuffers() noexcept = 0;
  /// The machine is done, or has failed: what is left of it is destroyed, and `TellElsewhere` is called.
  virtual void End(std::exception_ptr failure) noexcept = 0;
  /// On the executor: tells whoever waits.
  virtual void Tell() noexcept = 0;

  /// Has `Tell` called.
  void TellElsewhere() noexcept;

  /// What was done elsewhere is done.
  void ComeBack() noexcept;
  Context const& GetContext() const noexcept { return context_; }
  /// Gives the context away, whose end may be the application's business.
  Context ReleaseContext() noexcept { return std::exchange(context_, Context{}); }

 private:
  void Register();
  Step TakeStep();
  void UseKey(Context::TimePoint until);
  void HearMeanwhile() noexcept;
  void Watch(Step const& step);
  SocketRegistration& Registered(Step const& step);
  void Happened(boost::system::error_code const& failure, pollfd& socket, short event) noexcept;
  void WatchFor(boost::asio::posix::stream_descriptor& descriptor, pollfd& socket);
  bool IsWatching() const noexcept { return registered_ != nullptr || !watched_.empty(); }
  void StopWatching() noexcept;
  void SetTimer(Context::TimePoint until);
  void TimerEnded() noexcept;
  void Finish(std::exception_ptr failure) noexcept;
  void Arrive() noexcept final { Tell(); }

  Executor const& executor_;
  Context context_;
  std::shared_ptr<Reactors> reactors_;
  std::shared_ptr<Reactor> reactor_;
  std::optional<CancellationRegistration> registration_;
  boost::asio::steady_timer timer_;
  Context::TimePoint timerAt_ = Context::TimePoint::max();
  /// When the step that is waited for is to be taken at the latest.
  Context::TimePoint stepUntil_ = Context::TimePoint::max();
  std::vector<boost::asio::posix::stream_descriptor> watched_;
  /// The connection's, while it is waited for.
  SocketRegistration* registered_ = nullptr;
  /// Which wait it is: what comes of an earlier one is not meant.
  std::uint64_t wait_ = 0;
  /// Elsewhere; then what its step came to there.
  bool isAway_ = false;
  std::atomic<bool> isBack_{false};
  bool isDoneElsewhere_ = false;
  std::exception_ptr failureElsewhere_;
  bool isDone_ = false;
};

}  // namespace mtlspop::openssl
