#include "mtlspop/cpprest/handler.hpp"

#include <deque>
#include <mutex>
#include <utility>

#include "client_config.hpp"
#include "elastic_workers.hpp"
#include "exchange.hpp"
#include "mtlspop/policies/bound_pipeline.hpp"

namespace mtlspop::cpprest {
namespace {

using web::http::http_pipeline_stage;
using web::http::http_request;
using web::http::http_response;

// cpprestsdk gives each handler the stage that follows it when the handler is added, and puts the client's own connection
// last. A handler that is added after ours would therefore send over that connection, without the certificate. So ours
// takes its place at the end, behind every handler. `set_next_stage`, which does that, is private to cpprestsdk's own
// pipeline; naming it in an explicit instantiation is where the language lets one reach it ([temp.spec.general]).
using SetNextStage = void (http_pipeline_stage::*)(std::shared_ptr<http_pipeline_stage> const&);
SetNextStage SetNextStageOfStages();
template <SetNextStage Member>
struct OpenSetNextStage {
  friend SetNextStage SetNextStageOfStages() { return Member; }
};
template struct OpenSetNextStage<&http_pipeline_stage::set_next_stage>;

void SetNext(http_pipeline_stage& stage, std::shared_ptr<http_pipeline_stage> const& next) {
  (stage.*SetNextStageOfStages())(next);
}

void RunAndForget(void* exchange) noexcept {
  std::unique_ptr<Exchange> const owned{static_cast<Exchange*>(exchange)};
  owned->Run();
}

// The exchanges of a client that guarantees order: one at a time, in the order in which they were asked for.
class OrderedExchanges final : public std::enable_shared_from_this<OrderedExchanges> {
 public:
  explicit OrderedExchanges(std::shared_ptr<ElasticWorkers> workers) : workers_(std::move(workers)) {}

  void Add(std::unique_ptr<Exchange> exchange) {
    std::lock_guard const lock{mutex_};
    waiting_.push_back(std::move(exchange));
    if (isRunning_) return;
    auto self = std::make_unique<std::shared_ptr<OrderedExchanges>>(shared_from_this());
    try {
      workers_->schedule(RunAll, self.get());
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

// The last stage before the client's connection: sends, and never passes a request on.
class SendingStage final : public http_pipeline_stage {
 public:
  SendingStage(std::shared_ptr<Sending const> sending, bool guaranteesOrder)
      : sending_(std::move(sending)),
        ordered_(guaranteesOrder ? std::make_shared<OrderedExchanges>(sending_->Workers) : nullptr) {}

  pplx::task<http_response> propagate(http_request request) override {
    try {
      auto exchange = std::make_unique<Exchange>(sending_, request);
      auto answer = exchange->Answer();
      if (ordered_) {
        ordered_->Add(std::move(exchange));
      } else {
        sending_->Workers->schedule(RunAndForget, exchange.get());
        static_cast<void>(exchange.release());
      }
      return answer;
    } catch (...) {
      return pplx::task_from_exception<http_response>(std::current_exception());
    }
  }

 private:
  std::shared_ptr<Sending const> sending_;
  std::shared_ptr<OrderedExchanges> ordered_;
};

// What the application adds to its client: sees to it that the sending stage comes last.
class BoundHandler final : public http_pipeline_stage {
 public:
  explicit BoundHandler(std::shared_ptr<SendingStage> sending) : sending_(std::move(sending)) {}

  pplx::task<http_response> propagate(http_request request) override {
    try {
      PutSendingLast();
    } catch (...) {
      return pplx::task_from_exception<http_response>(std::current_exception());
    }
    return next_stage()->propagate(request);
  }

 private:
  static std::shared_ptr<http_pipeline_stage> const& NextOf(http_pipeline_stage const& stage) {
    return (stage.*&BoundHandler::next_stage)();
  }

  void PutSendingLast() {
    std::lock_guard const lock{mutex_};
    http_pipeline_stage* last = this;
    while (NextOf(*last) && NextOf(*NextOf(*last))) {
      last = NextOf(*last).get();
      if (last == sending_.get()) return;
    }
    if (auto const connection = NextOf(*last)) SetNext(*sending_, connection);
    SetNext(*last, sending_);
  }

  std::shared_ptr<SendingStage> sending_;
  std::mutex mutex_;
};

}  // namespace

HandlerOptions::HandlerOptions() = default;

std::shared_ptr<http_pipeline_stage> MakeHandler(std::shared_ptr<TokenCredential> credential, HandlerOptions options) {
  RefuseUnusable(options.Config);
  if (!credential) {
    throw Error{{errors::InvalidArgument, "the handler has no credential", "Pass a credential to MakeHandler"}};
  }
  auto transport = TransportFor(options);
  BoundPipelineOptions pipeline;
  pipeline.Scopes = std::move(options.Scopes);
  pipeline.TenantId = std::move(options.TenantId);
  pipeline.Binding = options.Binding;
  pipeline.Retry = std::move(options.Retry);
  pipeline.Log = std::move(options.Log);
  auto sending = std::make_shared<Sending const>(Sending{
      MakeBoundPipeline(std::move(credential), std::move(transport), std::move(pipeline)),
      std::make_shared<ElasticWorkers>(), options.Config.timeout<std::chrono::microseconds>(),
      options.Config.chunksize(), options.Config.request_compressed_response()});
  return std::make_shared<BoundHandler>(
      std::make_shared<SendingStage>(std::move(sending), options.Config.guarantee_order()));
}

web::http::client::http_client MakeClient(
    web::uri const& uri,
    std::shared_ptr<TokenCredential> credential,
    web::http::client::http_client_config const& config,
    HandlerOptions options) {
  options.Config = config;
  auto handler = MakeHandler(std::move(credential), std::move(options));
  web::http::client::http_client client{uri, config};
  client.add_handler(handler);
  return client;
}

}  // namespace mtlspop::cpprest
