#pragma once

#include <memory>

#include <cpprest/http_msg.h>

#include "exchange.hpp"

namespace mtlspop::cpprest {

/// The last stage before the client's connection: sends, and never passes a request on.
///
/// Thread safety: serves any number of threads.
class SendingStage final : public web::http::http_pipeline_stage {
 public:
  SendingStage(std::shared_ptr<Sending const> sending, bool guaranteesOrder);

  pplx::task<web::http::http_response> propagate(web::http::http_request request) override;

 private:
  class OrderedExchanges;

  std::shared_ptr<Sending const> sending_;
  std::shared_ptr<OrderedExchanges> ordered_;
};

}  // namespace mtlspop::cpprest
