#pragma once

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <string>

#include <cpprest/http_msg.h>

#include "mtlspop/policies/http_pipeline.hpp"
#include "progress_watch.hpp"
#include "request_translation.hpp"
#include "transfer_observer.hpp"

namespace mtlspop::cpprest {

/// What the requests of one handler have in common. Immutable.
struct Sending {
  HttpPipeline Pipeline;
  std::chrono::microseconds Timeout;
  std::size_t ChunkSize;
  bool AcceptCompressed;
  std::size_t BufferedBodyBytes;
  /// In front of cpprestsdk's own; may be "".
  std::string UserAgent;
};

/// One request on its way and its answer: from the call of the client to the last byte of the body. Kept alive by whatever
/// it waits for.
class Exchange final : public std::enable_shared_from_this<Exchange> {
 public:
  Exchange(std::shared_ptr<Sending const> sending, web::http::http_request const& request);
  ~Exchange();
  Exchange(Exchange const&) = delete;
  Exchange& operator=(Exchange const&) = delete;

  /// Done when the answer's header is there, or the request has failed. Continuations run where cpprestsdk runs them.
  pplx::task<web::http::http_response> Answer() const { return pplx::task<web::http::http_response>(answered_); }

  /// Sends the request and reads the answer to its end, without a thread that waits. `ended` is called after that, at once
  /// where nothing could be begun; may be null.
  void Start(std::function<void()> ended) noexcept;

 private:
  Context MakeContext(bool hasLongBody);
  bool HasLongBody() const;
  void Send();
  void Came(Outcome<std::unique_ptr<Response>> outcome) noexcept;
  void Deliver(std::unique_ptr<Response> response);
  void DeliverWithoutBody(std::unique_ptr<Response> response, web::http::http_response const& answer);
  void DeliverBody(std::unique_ptr<Response> response, web::http::http_response const& answer);
  void Fail(std::exception_ptr const& failure) noexcept;
  void End() noexcept;
  std::unique_ptr<web::http::compression::decompress_provider> DecompressorFor(Response const& response) const;
  void TouchPool() const noexcept;
  std::exception_ptr CurrentFailure() const noexcept;
  std::exception_ptr DescribeCurrentFailure() const;

  std::shared_ptr<Sending const> sending_;
  web::http::http_request request_;
  pplx::cancellation_token cancellation_;
  pplx::cancellation_token_registration registration_;
  Context cancellable_;
  std::shared_ptr<TransferObserver> observer_;
  std::shared_ptr<ProgressWatch> watch_;
  std::shared_ptr<IstreamBody> body_;
  std::function<void()> ended_;
  pplx::task_completion_event<web::http::http_response> answered_;
};

}  // namespace mtlspop::cpprest
