#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>

#include <cpprest/http_msg.h>

#include "mtlspop/transport/context.hpp"
#include "mtlspop/transport/error.hpp"

namespace mtlspop::cpprest {

/// Sees the bytes of one request go by: tells the application's progress handler, keeps an exception that the application's
/// own code threw meanwhile, and knows when something last moved.
///
/// Thread safety: `LastMove` may be called from any thread, the rest from one at a time, which may be another one at each
/// call.
class TransferObserver final {
 public:
  explicit TransferObserver(std::shared_ptr<web::http::progress_handler> handler) : handler_(std::move(handler)) {}

  /// @throw what the progress handler throws.
  void Report(web::http::message_direction::direction direction, std::uint64_t bytes) {
    Touch();
    if (!handler_ || !*handler_) return;
    Guard([&] { (*handler_)(direction, bytes); });
  }

  /// Runs code of the application's; an exception from it is kept and goes on. An `Error` is this library's own, of the
  /// waiting in between.
  template <typename Code>
  auto Guard(Code&& code) -> decltype(code()) {
    try {
      return code();
    } catch (Error const&) {
      throw;
    } catch (...) {
      failure_ = std::current_exception();
      throw;
    }
  }

  /// What the application's own code threw, null for nothing. It is what the application is told, rather than what the
  /// layers in between made of it.
  std::exception_ptr Failure() const noexcept { return failure_; }

  void Touch() noexcept { lastMove_ = Context::Clock::now(); }
  /// When something last moved.
  Context::TimePoint LastMove() const noexcept { return lastMove_; }

 private:
  std::shared_ptr<web::http::progress_handler> handler_;
  std::exception_ptr failure_;
  std::atomic<Context::TimePoint> lastMove_{Context::Clock::now()};
};

}  // namespace mtlspop::cpprest
