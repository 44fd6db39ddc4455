#pragma once

/// @file
/// What an asynchronous call ends with, and who is told.
///
/// The asynchronous calls of this library (`HttpTransport::SendAsync`, `BodyStream::ReadAsync`,
/// `TokenCredential::GetTokenAsync`, `HttpPipeline::SendAsync`) return at once and call a `Completion` later. They all keep
/// the same promises:
///
/// - A completion is called exactly once, with a value or with what a blocking call would have thrown; never where the
///   starting call itself throws (`std::bad_alloc`, or `system_failure` where the system has no thread to give); and not any
///   more once the process ends, nor in a child of fork() for what its parent started.
/// - It is never called on the stack of the starting call, but may be called on another thread before that has returned.
/// - It runs on a thread of the executor (executor.hpp) or of a bounded pool of this library, and holds no lock of it: it may
///   start the next call. It must not wait for long, and least of all for another completion: there are few such threads.
/// - What it throws ends the process (`std::terminate`), as an exception that leaves a thread does.
/// - Whatever was passed by reference or as a span (the object that is called, a buffer) must live until the completion
///   has been called; what was passed by value is kept.
///
/// @code
/// transport->SendAsync(request, binding, context, [](mtlspop::Outcome<std::unique_ptr<mtlspop::Response>> outcome) {
///   try {
///     auto const response = std::move(outcome).Take();
///     std::cout << response->StatusCode << '\n';
///   } catch (mtlspop::Error const& error) {
///     std::cerr << error.what() << '\n';
///   }
/// });
/// @endcode

#include <exception>
#include <functional>
#include <type_traits>
#include <utility>
#include <variant>

#include <gsl/assert>

namespace mtlspop {

/// A value, or what was thrown in its place.
///
/// Thread safety: one thread at a time.
template <typename Value>
class Outcome final {
  static_assert(!std::is_same_v<Value, std::exception_ptr>, "an exception as a value could not be told from a failure");

 public:
  // Both implicit, so that whoever has the one or the other passes it on as it is.
  /// With a value.
  Outcome(Value value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT(google-explicit-constructor)
  /// With a failure.
  /// @param failure must not be null
  Outcome(std::exception_ptr failure)  // NOLINT(google-explicit-constructor)
      : state_(std::in_place_index<1>, std::move(failure)) {
    Expects(std::get<1>(state_) != nullptr);
  }

  /// Whether there is a value, and no failure.
  bool HasValue() const noexcept { return state_.index() == 0; }

  /// What was thrown; null where there is a value.
  std::exception_ptr Failure() const noexcept {
    auto const* const failure = std::get_if<1>(&state_);
    return failure != nullptr ? *failure : nullptr;
  }

  /// The value, once.
  /// @throw what was thrown in its place
  Value Take() && {
    if (auto const* const failure = std::get_if<1>(&state_)) std::rethrow_exception(*failure);
    return std::move(*std::get_if<0>(&state_));
  }

 private:
  std::variant<Value, std::exception_ptr> state_;
};

/// Done, or what was thrown in place of doing it.
template <>
class Outcome<void> final {
 public:
  Outcome() noexcept = default;
  /// @param failure must not be null
  Outcome(std::exception_ptr failure) : failure_(std::move(failure)) {  // NOLINT(google-explicit-constructor)
    Expects(failure_ != nullptr);
  }

  /// Whether it was done, without a failure.
  bool HasValue() const noexcept { return failure_ == nullptr; }
  /// What was thrown; null where it was done.
  std::exception_ptr Failure() const noexcept { return failure_; }
  /// @throw what was thrown
  void Take() && {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  std::exception_ptr failure_;
};

/// What `work()` returns or throws.
template <typename Work>
Outcome<std::invoke_result_t<Work>> OutcomeOf(Work&& work) {
  try {
    if constexpr (std::is_void_v<std::invoke_result_t<Work>>) {
      std::forward<Work>(work)();
      return {};
    } else {
      return std::forward<Work>(work)();
    }
  } catch (...) {
    return std::current_exception();
  }
}

/// Told of the end of an asynchronous call. See the top of this file for what is promised to it and asked of it.
template <typename Value>
using Completion = std::function<void(Outcome<Value>)>;

}  // namespace mtlspop
