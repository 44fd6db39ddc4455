#pragma once

/// @file
/// The calls of Microsoft's attestation library: one at a time, on one thread.

#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "../flight.hpp"
#include "../worker.hpp"

#include "mtlspop/transport/secret.hpp"

namespace mtlspop::windows {

class AttestationLibrary;

/// A queue of calls that take as long as they take and cannot be interrupted. They are made one after the other, and no
/// thread is started behind one that does not come back: those who wait leave when their contexts end, and calls that
/// nobody waits for any more are not made.
///
/// Thread safety: all members may be called from any thread, and none waits for a call to come back longer than its
/// context lasts. Only the destructor waits for the call that is being made, which is why the process's own is never
/// destroyed.
class AttestationCalls final {
 public:
  using Call = std::function<Secret()>;
  /// What the queue lets go of on its own thread. A list, because to hand an element over takes no memory and so cannot
  /// fail.
  using Libraries = std::list<std::shared_ptr<AttestationLibrary>>;

  /// Different calls that may wait for their turn; one more is refused.
  static constexpr std::size_t MostWaiting = 64;

  /// The library is one for the process and does not say that it may be called from two threads. So are its calls.
  static AttestationCalls& OfTheProcess();

  /// What `call` returns or throws. Where a call of that name waits or is being made already, its result; `call` is not
  /// made then.
  /// @throw Error `cancelled` or `deadline_exceeded` as soon as `context` ends, `attestation_failed` where too many calls
  ///        wait; otherwise what `call` throws
  Secret Make(std::string const& name, Call call, Context const& context);

  /// Lets go of `libraries` between two calls, and returns at once: unloading one runs its code, which must not meet a
  /// call and may itself not come back. Where no thread can be had for it, that is done after the next call.
  void Release(Libraries libraries) noexcept;

 private:
  struct Entry {
    std::string Name;
    Call Work;
    Flight<Secret> Result;
    /// Callers that have not left.
    std::size_t Waiting = 0;
    bool HasBegun = false;
  };

  struct Ticket {
    std::shared_ptr<Entry> Of;
    /// A call that somebody else had begun.
    bool HasJoined = false;
  };

  Ticket Enter(std::string const& name, Call call);
  void Leave(std::shared_ptr<Entry> const& entry);
  [[noreturn]] static void ThrowTooLate(bool isBehindAnother);
  void StartThread();
  void Run();
  void RunNext(std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;
  std::list<std::shared_ptr<Entry>> queue_;
  /// The call that is being made, if any.
  std::shared_ptr<Entry> current_;
  Libraries released_;
  /// Whether the thread is at work, be it on a call that does not come back.
  bool isRunning_ = false;
  Worker thread_;
};

}  // namespace mtlspop::windows
