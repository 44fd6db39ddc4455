#include "exchange.hpp"

#include <system_error>
#include <utility>

#include "mtlspop/cpprest/http_exception.hpp"
#include "response_body_writer.hpp"

namespace mtlspop::cpprest {
namespace {

using web::http::http_exception;
using web::http::http_response;

// A body has to be read to its end for that, even one that is empty.
void GiveConnectionBack(BodyStream& body) noexcept {
  try {
    std::uint8_t rest = 0;
    static_cast<void>(body.Read({&rest, 1}, {}));
  } catch (std::exception const&) {
    // Then the connection is closed; the answer is complete all the same.
  }
}

// Up to this size, sending a body takes no longer than waiting for the answer does.
constexpr std::uint64_t ShortBodyBytes = 1024 * 1024;

}  // namespace

Exchange::Exchange(std::shared_ptr<Sending const> sending, web::http::http_request const& request)
    : sending_(std::move(sending)),
      request_(request),
      scheduler_(sending_->Workers),
      cancellation_(request_._cancellation_token()),
      cancellable_(sending_->Workers->Lifetime()),
      observer_(std::make_shared<TransferObserver>(request_._get_impl()->_progress_handler())) {
  if (cancellation_ != pplx::cancellation_token::none()) {
    cancellable_ = cancellable_.WithCancellation();
    registration_ = cancellation_.register_callback([context = cancellable_] { context.Cancel(); });
  }
}

Exchange::~Exchange() {
  if (cancellation_ != pplx::cancellation_token::none()) cancellation_.deregister_callback(registration_);
}

pplx::task<http_response> Exchange::Answer() const {
  return pplx::task<http_response>(answered_, pplx::task_options(scheduler_));
}

bool Exchange::HasLongBody() const {
  if (!request_.body()) return false;
  utility::size64_t length = 0;
  return !request_.headers().match(web::http::header_names::content_length, length) || length > ShortBodyBytes;
}

// The timeout of cpprestsdk is one without progress. For a request that is sent in one go it is a deadline.
Context Exchange::MakeContext(bool hasLongBody) {
  if (!hasLongBody) return cancellable_.WithTimeout(sending_->Timeout);
  return cancellable_.WithCancellationProbe(
      [observer = observer_, limit = sending_->Timeout] { return observer->IsStalled(limit); });
}

void Exchange::Run() noexcept {
  try {
    observer_->Touch();
    auto const context = MakeContext(HasLongBody());
    context.ThrowIfEnded("sending the request");
    auto translated = Translate(request_, sending_->AcceptCompressed, sending_->ChunkSize, observer_, scheduler_);
    PipelineRequest message{std::move(translated.Message), nullptr};
    auto const response = sending_->Pipeline.Send(message, context);
    observer_->Report(web::http::message_direction::upload, translated.Body ? translated.Body->BytesRead() : 0);
    Deliver(*response);
  } catch (...) {
    Fail(CurrentFailure());
  }
  TouchPool();
}

// pplx ends the process over a failure that nobody has seen, and the application may have let go of the task.
void Exchange::Fail(std::exception_ptr const& failure) noexcept {
  try {
    Answer().then(
        [](pplx::task<http_response> answer) {
          try {
            answer.wait();
          } catch (...) {  // NOLINT(bugprone-empty-catch): seen
          }
        },
        pplx::task_options(scheduler_));
  } catch (std::exception const&) {
    // No memory for it: the application has to look itself, as it does with cpprestsdk's own tasks.
  }
  answered_.set_exception(failure);
}

// What comes of an answer is cpprestsdk's to run, and of a failure too where the request is part of a longer task.
void Exchange::TouchPool() const noexcept {
  try {
    if (auto const watch = PoolWatch::OfProcess()) watch->Touch();
  } catch (std::exception const&) {
    // No memory for a watch: the next answer tries again.
  }
}

void Exchange::Deliver(Response& response) {
  auto answer = TranslateHead(response);
  auto const implementation = answer._get_impl();
  implementation->set_outstream(request_._get_impl()->_response_stream(), false);
  implementation->_prepare_to_receive_data();
  if (IsWithoutBody(request_.method(), response)) {
    observer_->Report(web::http::message_direction::download, 0);
    implementation->_complete(0);
    GiveConnectionBack(*response.Body);
    answered_.set(answer);
    return;
  }
  auto decompressor = DecompressorFor(response);
  answered_.set(answer);
  TouchPool();
  ReadBody(response, answer, std::move(decompressor));
}

std::unique_ptr<web::http::compression::decompress_provider> Exchange::DecompressorFor(Response const& response) const {
  auto const* const encoding = response.Fields.Find("Content-Encoding");
  if (!sending_->AcceptCompressed || encoding == nullptr) return nullptr;
  try {
    return web::http::compression::details::get_decompressor_from_header(
        utility::conversions::to_string_t(*encoding), web::http::compression::details::header_types::content_encoding,
        request_.decompress_factories());
  } catch (http_exception const& error) {
    std::throw_with_nested(Error{
        {errors::MalformedResponse, std::string{"the answer's Content-Encoding cannot be undone: "} + error.what(),
         "Look at the server: it compresses in a way that the request did not ask for"}});
  }
}

void Exchange::ReadBody(
    Response& response,
    http_response& answer,
    std::unique_ptr<web::http::compression::decompress_provider> decompressor) noexcept {
  auto const implementation = answer._get_impl();
  bool const inMemory = !request_._get_impl()->_response_stream().is_valid();
  auto const limit = inMemory ? std::make_optional(sending_->BufferedBodyBytes) : std::nullopt;
  try {
    ResponseBodyWriter writer{implementation->outstream(), limit,      std::move(decompressor),
                              sending_->ChunkSize,         *observer_, scheduler_};
    auto const total = writer.Write(*response.Body, cancellable_, sending_->Timeout);
    implementation->_complete(total);
  } catch (...) {
    implementation->_complete(0, CurrentFailure());
  }
}

// What the application is told about the exception that is being handled.
std::exception_ptr Exchange::CurrentFailure() const noexcept {
  try {
    return DescribeCurrentFailure();
  } catch (...) {
    return std::current_exception();
  }
}

std::exception_ptr Exchange::DescribeCurrentFailure() const {
  if (cancellation_.is_canceled()) {
    return std::make_exception_ptr(
        http_exception(static_cast<int>(std::errc::operation_canceled), std::generic_category()));
  }
  if (observer_->Failure()) return observer_->Failure();
  try {
    throw;
  } catch (Error const& error) {
    if (sending_->Workers->Lifetime().IsCancelled()) {
      return std::make_exception_ptr(HttpException{Error{
          {errors::Cancelled, "The process ended before the answer was there",
           "Wait for answers before the end of main()"}}});
    }
    // The request was not cancelled: it is the watch over its progress that ended it.
    if (error.Code() == errors::Cancelled) {
      return std::make_exception_ptr(HttpException{Error{
          {errors::DeadlineExceeded, "the request made no progress within the client's timeout",
           "Raise http_client_config::set_timeout, or find out what keeps the other side"}}});
    }
    return std::make_exception_ptr(HttpException{error});
  } catch (...) {
    return std::current_exception();
  }
}

}  // namespace mtlspop::cpprest
