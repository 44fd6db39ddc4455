// A whole adapter in one file, for a framework whose requests and answers are messages of Boost.Beast and whose threads
// are those of Boost.Asio. docs/guidance-for-higher-level-sdks.md explains it line by line.
#pragma once

#include <algorithm>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
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

inline Answer Translate(mtlspop::Response& from, mtlspop::Context const& context) {
  Answer to;
  to.result(static_cast<unsigned>(from.StatusCode));
  to.reason(from.ReasonPhrase);
  for (auto const& [name, value] : from.Fields) {
    if (!mtlspop::EqualsIgnoreCase(name, "Transfer-Encoding")) to.insert(name, value);  // repeated fields stay apart
  }
  // To the end, even where there is nothing to read: that gives the connection back to the pool.
  to.body() = mtlspop::ReadToEnd(*from.Body, mtlspop::DefaultBufferedBodyBytes, context);
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

// Thread safety: all members may be called from any thread.
class BoundClient final {
 public:
  using Handler = std::function<void(std::exception_ptr failure, Answer answer)>;

  BoundClient(
      std::shared_ptr<mtlspop::TokenCredential> credential,
      std::shared_ptr<mtlspop::HttpTransport> transport,
      mtlspop::BoundPipelineOptions options = {})
      : pipeline_(mtlspop::MakeBoundPipeline(std::move(credential), std::move(transport), std::move(options))) {}
  // Waits for the requests that are under way: whoever is in a hurry cancels their contexts first.
  ~BoundClient() { threads_.join(); }

  // Blocks until the answer is there, body and all.
  Answer Send(std::string const& origin, Request const& request, mtlspop::Context const& context) const {
    try {
      auto message = Translate(origin, request);
      auto const answer = pipeline_.Send(message, context);
      return Translate(*answer, context);
    } catch (mtlspop::Error const& error) {
      throw Translate(error);
    }
  }

  // Returns at once. `handler` runs on `executor`, never on the threads that send: it may wait for whatever it likes.
  void AsyncSend(
      std::string origin,
      Request request,
      mtlspop::Context context,
      boost::asio::any_io_executor executor,
      Handler handler) {
    auto sending = [this, origin = std::move(origin), request = std::move(request), context = std::move(context),
                    work = boost::asio::make_work_guard(executor), handler = std::move(handler)] {
      std::exception_ptr failure;
      Answer answer;
      try {
        answer = Send(origin, request, context);
      } catch (...) {
        failure = std::current_exception();
      }
      boost::asio::post(
          work.get_executor(), [handler, failure, answer = std::move(answer)] { handler(failure, answer); });
    };
    boost::asio::post(threads_, std::move(sending));
  }

 private:
  mtlspop::HttpPipeline pipeline_;
  boost::asio::thread_pool threads_{16};  // so many requests at a time; more wait their turn, and their time runs
};

}  // namespace third_framework
