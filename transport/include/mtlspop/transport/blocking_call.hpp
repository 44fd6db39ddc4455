#pragma once

/// @file
/// An asynchronous call made of a blocking one: what `SendAsync`, `ReadAsync` and `GetTokenAsync` are by default.

#include <exception>
#include <functional>
#include <type_traits>
#include <utility>

#include "mtlspop/export.hpp"
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
  /// Sleeping.
  Sleeping,
  /// Signatures with keys that are not in memory.
  Signing,
};

/// Runs `job` on one of the threads for this kind of work; where all are busy, as soon as it is its turn. Its context is
/// `context`, and ends with the process too. Where `context` ends before its turn has come, runs `leave` in its place, on
/// `DefaultExecutor()`. What still waits when the process ends does not run.
/// @throw Error `system_failure` where no thread can be had or the process is ending, std::bad_alloc; nothing is run then
MTLSPOP_EXPORT void RunBlocking(
    BlockingWork kind,
    Context const& context,
    std::function<void(Context const& context)> job,
    std::function<void()> leave);

/// Calls `work(context)` in the same way, and then `done` with what it returned or threw, on the same thread; or with
/// `cancelled` or `deadline_exceeded`, where `context` ended before its turn had come.
/// @throw as `RunBlocking`; `done` is not called then
template <typename Work>
void CallBlocking(
    BlockingWork kind,
    Context const& context,
    Work work,
    Completion<std::invoke_result_t<Work&, Context const&>> done) {
  RunBlocking(
      kind, context,
      [work = std::move(work), done](Context const& limited) mutable {
        done(OutcomeOf([&] { return work(limited); }));
      },
      [context, done] {
        try {
          context.ThrowIfEnded("Waiting for a thread");
        } catch (...) {
          done(std::current_exception());
        }
      });
}

}  // namespace mtlspop
