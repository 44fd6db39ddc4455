#include "sending_stage.hpp"

#include <atomic>
#include <deque>
#include <mutex>
#include <utility>

#include "mtlspop/cpprest/http_exception.hpp"

namespace mtlspop::cpprest {
namespace {

using web::http::http_request;
using web::http::http_response;

}  // namespace

// One at a time, in the order in which they were asked for.
class SendingStage::OrderedExchanges final : public std::enable_shared_from_this<OrderedExchanges> {
 public:
  void Add(std::shared_ptr<Exchange> exchange) {
    {
      std::lock_guard const lock{mutex_};
      waiting_.push_back(std::move(exchange));
      if (std::exchange(isRunning_, true)) return;
    }
    StartNext();
  }

 private:
  // Those that end at once are not nested in each other.
  void StartNext() noexcept {
    while (auto const next = TakeNext()) {
      auto const turn = std::make_shared<Turn>();
      next->Start([self = shared_from_this(), turn] {
        if (!turn->HasReturned.exchange(true)) return;
        self->StartNext();
      });
      if (!turn->HasReturned.exchange(true)) return;
    }
  }

  struct Turn {
    // Set by the first of the two: the call that starts the exchange, and the end of it.
    std::atomic<bool> HasReturned{false};
  };

  std::shared_ptr<Exchange> TakeNext() {
    std::lock_guard const lock{mutex_};
    isRunning_ = !waiting_.empty();
    if (!isRunning_) return nullptr;
    auto next = std::move(waiting_.front());
    waiting_.pop_front();
    return next;
  }

  std::mutex mutex_;
  std::deque<std::shared_ptr<Exchange>> waiting_;
  bool isRunning_ = false;
};

SendingStage::SendingStage(std::shared_ptr<Sending const> sending, bool guaranteesOrder)
    : sending_(std::move(sending)), ordered_(guaranteesOrder ? std::make_shared<OrderedExchanges>() : nullptr) {}

pplx::task<http_response> SendingStage::propagate(http_request request) {
  try {
    auto const exchange = std::make_shared<Exchange>(sending_, request);
    auto answer = exchange->Answer();
    if (ordered_) {
      ordered_->Add(exchange);
    } else {
      exchange->Start(nullptr);
    }
    return answer;
  } catch (Error const& error) {
    return pplx::task_from_exception<http_response>(HttpException{error});
  } catch (...) {
    return pplx::task_from_exception<http_response>(std::current_exception());
  }
}

}  // namespace mtlspop::cpprest
