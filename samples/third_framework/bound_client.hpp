// A whole adapter in one file, for a framework whose requests and answers are messages of Boost.Beast and whose callers say
// with a completion token of Boost.Asio how they want to be told. docs/guidance-for-higher-level-sdks.md explains it line by
// line.
#pragma once

#include <algorithm>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/http.hpp>

#include "mtlspop/policies/bound_pipeline.hpp"

namespace third_framework {

namespace http = boost::beast::http;
using Request = http::request<http::string_body>;
using Answer = http::response<http::string_body>;

// The request's body, read where it lies. Anything that can be read in pieces will do: a file, a pipe.
class RequestBody final : public mtlspop::BodyStream {
 public:
  explicit RequestBody(Request const& request) : text_(request.body()) {}

  std::size_t Read(gsl::span<std::uint8_t> buffer, mtlspop::Context const&) override {
    auto const count = std::min(buffer.size(), text_.size() - position_);
    std::copy_n(text_.data() + position_, count, buffer.data());
    position_ += count;
    return count;
  }
  bool NeverWaits() const noexcept override { return true; }  // it is in memory: no thread is needed to read it
  std::optional<std::uint64_t> Length() const noexcept override { return text_.size(); }
  bool TryRewind() override {
    position_ = 0;
    return true;
  }

 private:
  std::string const& text_;
  std::size_t position_ = 0;
};

inline mtlspop::PipelineRequest Translate(std::string const& origin, Request const& from) {
  mtlspop::Request to{std::string{from.method_string()}, mtlspop::Url::Parse(origin + std::string{from.target()})};
  for (auto const& field : from) {
    switch (field.name()) {
      case http::field::content_length:     // the transport writes these itself and refuses them from others
      case http::field::transfer_encoding:  //
      case http::field::connection:         //
      case http::field::keep_alive:         // means nothing without Connection
        break;
      case http::field::expect:
        to.ExpectContinue = true;
        break;
      default:
        to.Fields.Add(std::string{field.name_string()}, std::string{field.value()});
    }
  }
  auto const isBodyUsual = to.Method == "POST" || to.Method == "PUT" || to.Method == "PATCH";
  if (isBodyUsual || !from.body().empty()) to.Body = std::make_shared<RequestBody>(from);
  return {std::move(to), nullptr};
}

inline Answer Translate(mtlspop::Response const& from) {
  Answer to;
  to.result(static_cast<unsigned>(from.StatusCode));
  to.reason(from.ReasonPhrase);
  for (auto const& [name, value] : from.Fields) {
    if (!mtlspop::EqualsIgnoreCase(name, "Transfer-Encoding")) to.insert(name, value);  // repeated fields stay apart
  }
  return to;
}

// What the framework's users catch, with the text that was written for the person on call.
inline boost::beast::system_error Translate(mtlspop::Error const& error) {
  namespace errc = boost::system::errc;
  auto condition = error.Details().Transient ? errc::connection_aborted : errc::permission_denied;
  if (error.Code() == mtlspop::errors::Cancelled) condition = errc::operation_canceled;
  if (error.Code() == mtlspop::errors::DeadlineExceeded) condition = errc::timed_out;
  if (error.Code() == mtlspop::errors::InvalidArgument) condition = errc::invalid_argument;
  return {errc::make_error_code(condition), mtlspop::DescribeWithCauses(error)};
}

// The same for what was thrown.
inline std::exception_ptr Translate(std::exception_ptr const& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (mtlspop::Error const& error) {
    return std::make_exception_ptr(Translate(error));
  } catch (...) {
    return failure;
  }
}

// A request on its way. What it waits for keeps it alive.
template <typename Handler>
class Operation final : public std::enable_shared_from_this<Operation<Handler>> {
 public:
  Operation(std::shared_ptr<mtlspop::HttpPipeline const> pipeline, Request request, Handler handler)
      : pipeline_(std::move(pipeline)),
        request_(std::move(request)),
        work_(boost::asio::get_associated_executor(handler)),
        handler_(std::move(handler)) {}

  void Start(std::string const& origin, mtlspop::Context const& context) {
    try {
      auto message = std::make_shared<mtlspop::PipelineRequest>(Translate(origin, request_));
      pipeline_->SendAsync(std::move(message), context, [self = this->shared_from_this(), context](auto outcome) {
        if (!outcome.HasValue()) return self->End(outcome.Failure(), {});
        self->ReadBody(std::move(outcome).Take(), context);
      });
    } catch (mtlspop::Error const&) {
      End(std::current_exception(), {});
    }
  }

 private:
  void ReadBody(std::unique_ptr<mtlspop::Response> from, mtlspop::Context const& context) {
    // To the end, even where there is nothing to read: that gives the connection back to the pool.
    mtlspop::ReadToEndAsync(
        std::move(from->Body), mtlspop::DefaultBufferedBodyBytes, context,
        [self = this->shared_from_this(), to = Translate(*from)](auto text) mutable {
          if (!text.HasValue()) return self->End(text.Failure(), {});
          to.body() = std::move(text).Take();
          self->End(nullptr, std::move(to));
        });
  }

  void End(std::exception_ptr const& failure, Answer answer) {
    boost::asio::post(
        work_.get_executor(), [handler = std::move(handler_), failure = failure ? Translate(failure) : nullptr,
                               answer = std::move(answer)]() mutable { handler(failure, std::move(answer)); });
  }

  std::shared_ptr<mtlspop::HttpPipeline const> pipeline_;  // which has to live until the completion was called
  Request request_;                                        // whose body is read where it lies
  boost::asio::executor_work_guard<boost::asio::associated_executor_t<Handler>> work_;
  Handler handler_;
};

// Thread safety: all members may be called from any thread.
class BoundClient final {
 public:
  BoundClient(
      std::shared_ptr<mtlspop::TokenCredential> credential,
      std::shared_ptr<mtlspop::HttpTransport> transport,
      mtlspop::BoundPipelineOptions options = {})
      : pipeline_(std::make_shared<mtlspop::HttpPipeline const>(
            mtlspop::MakeBoundPipeline(std::move(credential), std::move(transport), std::move(options)))) {}

  // Blocks until the answer is there, body and all.
  Answer Send(std::string const& origin, Request const& request, mtlspop::Context const& context) const {
    try {
      auto message = Translate(origin, request);
      auto const answer = pipeline_->Send(message, context);
      auto translated = Translate(*answer);
      translated.body() = mtlspop::ReadToEnd(*answer->Body, mtlspop::DefaultBufferedBodyBytes, context);
      return translated;
    } catch (mtlspop::Error const& error) {
      throw Translate(error);
    }
  }

  // Returns at once, and holds no thread for the request. `token` is a completion token for (std::exception_ptr, Answer): a
  // callback, which runs on the executor that is bound to it and may wait there for whatever it likes; use_future; a
  // coroutine's use_awaitable.
  template <typename Token>
  auto AsyncSend(std::string const& origin, Request request, mtlspop::Context const& context, Token&& token) const {
    return boost::asio::async_initiate<Token, void(std::exception_ptr, Answer)>(
        [pipeline = pipeline_](auto handler, std::string const& to, Request sent, mtlspop::Context const& limits) {
          using Sending = Operation<decltype(handler)>;
          std::make_shared<Sending>(pipeline, std::move(sent), std::move(handler))->Start(to, limits);
        },
        token, origin, std::move(request), context);
  }

 private:
  std::shared_ptr<mtlspop::HttpPipeline const> pipeline_;
};

}  // namespace third_framework
