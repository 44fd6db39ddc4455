#pragma once

#include <chrono>
#include <exception>
#include <memory>

#include <cpprest/http_msg.h>

#include "elastic_workers.hpp"
#include "mtlspop/policies/http_pipeline.hpp"
#include "pool_watch.hpp"
#include "request_translation.hpp"
#include "transfer_observer.hpp"

namespace mtlspop::cpprest {

/// What the requests of one handler have in common. Immutable.
struct Sending {
  HttpPipeline Pipeline;
  std::shared_ptr<ElasticWorkers> Workers;
  std::chrono::microseconds Timeout;
  std::size_t ChunkSize;
  bool AcceptCompressed;
  std::size_t BufferedBodyBytes;
};

/// One request on its way and its answer: from the call of the client to the last byte of the body.
class Exchange final {
 public:
  Exchange(std::shared_ptr<Sending const> sending, web::http::http_request const& request);
  ~Exchange();
  Exchange(Exchange const&) = delete;
  Exchange& operator=(Exchange const&) = delete;

  /// Done when the answer's header is there, or the request has failed.
  pplx::task<web::http::http_response> Answer() const;

  /// Sends the request and reads the answer to its end, on this thread.
  void Run() noexcept;

 private:
  Context MakeContext(bool hasLongBody);
  bool HasLongBody() const;
  void Fail(std::exception_ptr const& failure) noexcept;
  void Deliver(Response& response);
  std::unique_ptr<web::http::compression::decompress_provider> DecompressorFor(Response const& response) const;
  void ReadBody(
      Response& response,
      web::http::http_response& answer,
      std::unique_ptr<web::http::compression::decompress_provider> decompressor) noexcept;
  void TouchPool() const noexcept;
  std::exception_ptr CurrentFailure() const noexcept;
  std::exception_ptr DescribeCurrentFailure() const;

  std::shared_ptr<Sending const> sending_;
  web::http::http_request request_;
  pplx::scheduler_ptr scheduler_;
  pplx::cancellation_token cancellation_;
  pplx::cancellation_token_registration registration_;
  Context cancellable_;
  std::shared_ptr<TransferObserver> observer_;
  pplx::task_completion_event<web::http::http_response> answered_;
};

}  // namespace mtlspop::cpprest
