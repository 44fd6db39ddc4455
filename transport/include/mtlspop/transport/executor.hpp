#pragma once

/// @file
/// Where completions run.

#include <functional>

#include "mtlspop/export.hpp"

namespace mtlspop {

/// Runs a task later, on another stack: never within the call that hands it over. Tasks may run side by side and in
/// any order.
///
/// An application's own (an event loop's `post`, for example) must be callable from any thread at any time, that of a reactor,
/// which many requests share, among them; must not throw, and must not wait. Whatever it needs has to live as long as what was
/// made with it, and until the last task has run. A task does not throw, unless it is a completion that does. One that throws
/// `std::bad_alloc` all the same ends the process, since there is nobody left to be told; where that matters, it hands the task
/// to `DefaultExecutor()` then, which needs no memory for a completion of this library.
///
/// @code
/// boost::asio::thread_pool pool{2};
/// mtlspop::TransportOptions options;
/// options.Callbacks = [&pool](std::function<void()> task) { boost::asio::post(pool, std::move(task)); };
/// @endcode
using Executor = std::function<void(std::function<void()>)>;

/// A pool of this library, the same for all: at most four threads, made when there is something to run and gone ten
/// seconds after. A task that finds all of them busy waits for its turn; so no task may wait for another. Where the system
/// has no thread to give, a task waits until it has. What it is still given when the process ends does not run.
///
/// Completions of this library have their place here, and a thread, before what they tell of is begun: however short of
/// memory the process is by then, they run. Other tasks are refused with `std::bad_alloc` where there is none.
///
/// Thread safety: may be called, and what it returns too, from any thread at any time.
MTLSPOP_EXPORT Executor DefaultExecutor();

}  // namespace mtlspop
