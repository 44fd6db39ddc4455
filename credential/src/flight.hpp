#pragma once

/// @file
/// A piece of work that many wait for and one does, that fails as this layer's work does, and says how far it is.

#include <memory>
#include <utility>

#include <gsl/util>

#include "failure.hpp"
#include "mtlspop/base/single_flight.hpp"
#include "mtlspop/transport/executor.hpp"
#include "mtlspop/transport/out_of_memory.hpp"
#include "mtlspop/transport/outcome.hpp"
#include "progress.hpp"

namespace mtlspop {

/// Whether what a flight ended with is only that whoever did the work gave up, which says nothing of the work: then one of
/// those who wait, whose `context` goes on, does it instead.
inline bool IsOthersEnd(Error const& error, Context const& context) noexcept {
  bool const hasEnded = error.Code() == errors::Cancelled || error.Code() == errors::DeadlineExceeded;
  return hasEnded && !context.IsCancelled() && !context.IsExpired();
}

/// Thread safety: all members may be called from any thread.
template <typename T>
class Flight final {
 public:
  /// Made by the thread that does the work, or by one that has `Steps()` reported to by whoever does.
  Flight() : steps_(Progress::OfThisThread() ? Progress::OfThisThread() : std::make_shared<Progress>()) {}

  void Complete(T result) { work_.Complete(std::move(result)); }
  void Fail(Failure failure) { work_.Fail(std::move(failure)); }

  /// Where the work reports its steps to. Never null.
  std::shared_ptr<Progress> const& Steps() const noexcept { return steps_; }

  /// @throw Error what the work threw; `cancelled` where `context` ends first, or `deadline_exceeded` with `what` and the
  /// step that the work is at
  T Wait(Context const& context, char const* what) {
    auto const waiting = Progress::OfThisThread();
    bool const isOthers = waiting && waiting != steps_;
    if (isOthers) waiting->Follow(steps_);
    auto const leave = gsl::finally([&] {
      if (isOthers) waiting->Follow(nullptr);
    });
    try {
      return work_.Wait(context, what);
    } catch (Error const& error) {
      Rethrow(error, context);
    }
  }

  /// As `Wait`, without a thread: `done` gets what `Wait` returns or throws, on `DefaultExecutor()`, and keeps `flight` alive
  /// meanwhile.
  /// @throw std::system_error, std::bad_alloc where there is no thread for a timer or for `done`, which is not called then
  static void WaitAsync(
      std::shared_ptr<Flight> const& flight, Context const& context, char const* what, Completion<T> done) {
    flight->work_.WaitAsync(
        context, what, DefaultExecutor(), [flight, context, done = std::move(done)](Outcome<T> outcome) {
          if (outcome.HasValue()) return done(std::move(outcome));
          done(OutcomeOf(
              [&] { return OrOutOfMemory([&] { return flight->TakeOrExplain(std::move(outcome), context); }); }));
        });
  }

 private:
  T TakeOrExplain(Outcome<T> outcome, Context const& context) const {
    try {
      return std::move(outcome).Take();
    } catch (Error const& error) {
      Rethrow(error, context);
    }
  }

  /// Within a handler: says where the work is, where it is the waiter's time that ran out.
  [[noreturn]] void Rethrow(Error const& error, Context const& context) const {
    if (error.Code() != errors::DeadlineExceeded || !context.IsExpired()) throw;
    throw steps_->Explain(error);
  }

  SingleFlight<T, Failure> work_;
  std::shared_ptr<Progress> const steps_;
};

}  // namespace mtlspop
