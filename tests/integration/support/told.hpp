#pragma once

/// @file
/// A completion for a test that waits for it.

#include <chrono>
#include <future>
#include <memory>
#include <stdexcept>
#include <thread>
#include <utility>

#include "mtlspop/transport/outcome.hpp"

namespace mtlspop::test {

/// What the completion of one asynchronous call is told, and where.
template <typename Value>
class Told final {
 public:
  Completion<Value> Done() const {
    return [state = state_](Outcome<Value> outcome) {
      state->Thread = std::this_thread::get_id();
      state->Promise.set_value(std::move(outcome));
    };
  }

  /// Returns or throws what it was told, once.
  Value Wait() const { return state_->Promise.get_future().get().Take(); }

  /// The same, for a test that fails where it is not told in time.
  Value WaitFor(std::chrono::milliseconds patience) const {
    auto future = state_->Promise.get_future();
    if (future.wait_for(patience) != std::future_status::ready) throw std::runtime_error{"nothing was told"};
    return future.get().Take();
  }

  /// Of the completion.
  std::thread::id Thread() const { return state_->Thread; }

 private:
  /// The completion may still be leaving when the test is done with it.
  struct State {
    std::promise<Outcome<Value>> Promise;
    std::thread::id Thread;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace mtlspop::test
