#include "mtlspop/cpprest/handler.hpp"

#include <mutex>
#include <utility>

#include "client_config.hpp"
#include "mtlspop/base/per_process.hpp"
#include "mtlspop/base/saturated_time.hpp"
#include "mtlspop/cpprest/http_exception.hpp"
#include "mtlspop/policies/bound_pipeline.hpp"
#include "pool_watch.hpp"
#include "sending_stage.hpp"

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

// What the application adds to its client: sees to it that the sending stage comes last.
class BoundHandler final : public http_pipeline_stage {
 public:
  explicit BoundHandler(std::shared_ptr<SendingStage> sending) : sending_(std::move(sending)) {}

  pplx::task<http_response> propagate(http_request request) override {
    try {
      PoolWatch::RefuseDeadPool();
      PutSendingLast();
    } catch (Error const& error) {
      return pplx::task_from_exception<http_response>(HttpException{error});
    } catch (...) {
      return pplx::task_from_exception<http_response>(std::current_exception());
    }
    return next_stage()->propagate(request);
  }

 private:
  static std::shared_ptr<http_pipeline_stage> const& NextOf(http_pipeline_stage const& stage) {
    return (stage.*&BoundHandler::next_stage)();
  }

  // Only one of the two could send, and the other one's credential would never be used.
  static void RefuseSecond(http_pipeline_stage const& stage) {
    if (dynamic_cast<SendingStage const*>(&stage) == nullptr && dynamic_cast<BoundHandler const*>(&stage) == nullptr) {
      return;
    }
    throw HttpException{Error{
        {errors::InvalidArgument, "the client has two handlers that send bound requests",
         "Add one for each client: make a client of its own for each credential"}}};
  }

  void PutSendingLast() {
    std::lock_guard const lock{order_.Get().Mutex};
    http_pipeline_stage* last = this;
    while (NextOf(*last) && NextOf(*NextOf(*last))) {
      last = NextOf(*last).get();
      if (last == sending_.get()) return;
      RefuseSecond(*last);
    }
    if (auto const connection = NextOf(*last)) SetNext(*sending_, connection);
    SetNext(*last, sending_);
  }

  struct Order {
    // Held for ever in a child of fork(), where a thread of its parent held it.
    explicit Order(Order* /*parents*/) {}
    std::mutex Mutex;
  };

  std::shared_ptr<SendingStage> sending_;
  PerProcess<Order> order_;
};

// A handler cannot see how its credential gets its tokens, which may well be through the same proxy.
void TellOfProxy(HandlerOptions const& options) {
  auto const& proxy = options.Config.proxy();
  if (!proxy.is_specified()) return;
  options.Observer.Tell(
      Severity::Info, "client.proxy_not_for_tokens",
      {{"host", utility::conversions::to_utf8string(proxy.address().host())},
       {"what",
        "The proxy of http_client_config is for this client's requests alone: tokens are requested through the "
        "credential's own transport. Where they need the proxy too, set it in the TransportOptions of the transport "
        "that the credential's options name, or in HTTPS_PROXY"}});
}

}  // namespace

HandlerOptions::HandlerOptions() = default;

std::shared_ptr<http_pipeline_stage> MakeHandler(std::shared_ptr<TokenCredential> credential, HandlerOptions options) {
  RefuseUnusable(options.Config);
  if (!credential) {
    throw Error{{errors::InvalidArgument, "the handler has no credential", "Pass a credential to MakeHandler"}};
  }
  auto transport = TransportFor(options);
  TellOfProxy(options);
  BoundPipelineOptions pipeline;
  pipeline.Scopes = std::move(options.Scopes);
  pipeline.TenantId = std::move(options.TenantId);
  pipeline.AdditionallyAllowedTenants = std::move(options.AdditionallyAllowedTenants);
  pipeline.Binding = options.Binding;
  pipeline.Memory = std::move(options.Memory);
  pipeline.Retry = std::move(options.Retry);
  pipeline.Time = std::move(options.Time);
  pipeline.Observer = std::move(options.Observer);
  auto sending = std::make_shared<Sending const>(Sending{
      MakeBoundPipeline(std::move(credential), std::move(transport), std::move(pipeline)),
      AtMostTenYears(options.Config.timeout<std::chrono::microseconds>()), options.Config.chunksize(),
      options.Config.request_compressed_response(), options.BufferedBodyBytes, std::move(options.UserAgent)});
  return std::make_shared<BoundHandler>(
      std::make_shared<SendingStage>(std::move(sending), options.Config.guarantee_order()));
}

void AddHandler(
    web::http::client::http_client& client, std::shared_ptr<TokenCredential> credential, HandlerOptions options) {
  options.Config = client.client_config();
  client.add_handler(MakeHandler(std::move(credential), std::move(options)));
}

web::http::client::http_client MakeClient(
    web::uri const& uri,
    std::shared_ptr<TokenCredential> credential,
    web::http::client::http_client_config const& config,
    HandlerOptions options) {
  web::http::client::http_client client{uri, config};
  AddHandler(client, std::move(credential), std::move(options));
  return client;
}

}  // namespace mtlspop::cpprest
