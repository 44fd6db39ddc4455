#include "sending_stage.hpp"

#include <atomic>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>

#include "mtlspop/base/per_process.hpp"
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
    auto& line = line_.Get();
    auto const turn = std::make_shared<Turn>();
    // All that it takes to begin and to end it: nobody could be told later that there was no memory.
    Entry entry{std::move(exchange), turn, [self = shared_from_this(), &line, turn] {
                  if (!turn->HasReturned.exchange(true)) return;
                  self->StartNext(line);
                }};
    {
      std::lock_guard const lock{line.Mutex};
      line.Waiting.push_back(std::move(entry));
      if (std::exchange(line.IsRunning, true)) return;
    }
    StartNext(line);
  }

 private:
  struct Turn {
    // Set by the first of the two: the call that starts the exchange, and the end of it.
    std::atomic<bool> HasReturned{false};
  };

  struct Entry {
    std::shared_ptr<Exchange> Next;
    std::shared_ptr<Turn> Its;
    std::function<void()> Ended;
  };

  struct Line {
    // What its parent sends, nobody would end in a child of fork().
    explicit Line(Line* /*parents*/) {}

    std::mutex Mutex;
    std::deque<Entry> Waiting;
    bool IsRunning = false;
  };

  // Those that end at once are not nested in each other.
  void StartNext(Line& line) noexcept {
    while (auto entry = TakeNext(line)) {
      entry->Next->Start(std::move(entry->Ended));
      if (!entry->Its->HasReturned.exchange(true)) return;
    }
  }

  static std::optional<Entry> TakeNext(Line& line) {
    std::lock_guard const lock{line.Mutex};
    line.IsRunning = !line.Waiting.empty();
    if (!line.IsRunning) return std::nullopt;
    auto next = std::move(line.Waiting.front());
    line.Waiting.pop_front();
    return next;
  }

  PerProcess<Line> line_;
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
