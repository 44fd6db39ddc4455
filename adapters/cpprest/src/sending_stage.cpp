#include "sending_stage.hpp"

#include <deque>
#include <mutex>
#include <utility>

#include "mtlspop/cpprest/http_exception.hpp"

namespace mtlspop::cpprest {
namespace {

using web::http::http_request;
using web::http::http_response;

void RunAndForget(void* exchange) noexcept {
  std::unique_ptr<Exchange> const owned{static_cast<Exchange*>(exchange)};
  owned->Run();
}

}  // namespace

// One at a time, in the order in which they were asked for.
class SendingStage::OrderedExchanges final : public std::enable_shared_from_this<OrderedExchanges> {
 public:
  explicit OrderedExchanges(std::shared_ptr<ElasticWorkers> workers) : workers_(std::move(workers)) {}

  void Add(std::unique_ptr<Exchange> exchange) {
    std::lock_guard const lock{mutex_};
    waiting_.push_back(std::move(exchange));
    if (isRunning_) return;
    auto self = std::make_unique<std::shared_ptr<OrderedExchanges>>(shared_from_this());
    try {
      workers_->RunNow(RunAll, self.get());
    } catch (...) {
      waiting_.pop_back();
      throw;
    }
    static_cast<void>(self.release());
    isRunning_ = true;
  }

 private:
  static void RunAll(void* self) noexcept {
    std::unique_ptr<std::shared_ptr<OrderedExchanges>> const owned{
        static_cast<std::shared_ptr<OrderedExchanges>*>(self)};
    while (auto const next = (*owned)->TakeNext()) next->Run();
  }

  std::unique_ptr<Exchange> TakeNext() {
    std::lock_guard const lock{mutex_};
    isRunning_ = !waiting_.empty();
    if (!isRunning_) return nullptr;
    auto next = std::move(waiting_.front());
    waiting_.pop_front();
    return next;
  }

  std::shared_ptr<ElasticWorkers> workers_;
  std::mutex mutex_;
  std::deque<std::unique_ptr<Exchange>> waiting_;
  bool isRunning_ = false;
};

SendingStage::SendingStage(std::shared_ptr<Sending const> sending, bool guaranteesOrder)
    : sending_(std::move(sending)),
      ordered_(guaranteesOrder ? std::make_shared<OrderedExchanges>(sending_->Workers) : nullptr) {}

pplx::task<http_response> SendingStage::propagate(http_request request) {
  try {
    auto exchange = std::make_unique<Exchange>(sending_, request);
    auto answer = exchange->Answer();
    if (ordered_) {
      ordered_->Add(std::move(exchange));
    } else {
      sending_->Workers->RunNow(RunAndForget, exchange.get());
      static_cast<void>(exchange.release());
    }
    return answer;
  } catch (Error const& error) {
    return pplx::task_from_exception<http_response>(HttpException{error});
  } catch (...) {
    return pplx::task_from_exception<http_response>(std::current_exception());
  }
}

}  // namespace mtlspop::cpprest
