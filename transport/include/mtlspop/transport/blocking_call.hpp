#pragma once

/// @file
/// An asynchronous call made of a blocking one: what `SendAsync`, `ReadAsync` and `GetTokenAsync` are by default.

#include <exception>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include "mtlspop/transport/context.hpp"
#include "mtlspop/transport/outcome.hpp"

namespace mtlspop {

/// What blocks. Each kind has threads of its own, 64 at most for the process, since one may wait for another.
enum class BlockingWork {
  /// Sending requests.
  Sending,
  /// Reading bodies.
  Reading,
  /// Getting tokens.
  Tokens,
};

/// Runs `job` on one of the threads for this kind of work; where all are busy, as soon as it is its turn. `cancel` tells it to
/// end: called at most once, while the job runs or right after, when the process ends. What still waits then does not run.
/// @throw Error `system_failure` where no thread can be had or the process is ending, std::bad_alloc; `job` is not run then
void RunBlocking(BlockingWork kind, std::function<void()> job, std::function<void()> cancel);

/// Calls `work(context)` in the same way, with a context that also ends with the process, and then `done` with what it
/// returned or threw, on the same thread.
/// @throw as `RunBlocking`; `done` is not called then
template <typename Work>
void CallBlocking(
    BlockingWork kind,
    Context const& context,
    Work work,
    Completion<std::invoke_result_t<Work&, Context const&>> done) {
  auto const limited = context.WithCancellation();
  RunBlocking(
      kind,
      [limited, work = std::move(work), done = std::move(done)]() mutable {
        done(OutcomeOf([&] { return work(limited); }));
      },
      [limited] { limited.Cancel(); });
}

}  // namespace mtlspop
