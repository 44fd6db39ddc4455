#include "exchange.hpp"

#include <system_error>
#include <utility>

#include "mtlspop/base/saturated_time.hpp"
#include "mtlspop/cpprest/http_exception.hpp"
#include "observed_task.hpp"
#include "pool_watch.hpp"
#include "response_body_writer.hpp"

namespace mtlspop::cpprest {
namespace {

using web::http::http_exception;
using web::http::http_response;

// Up to this size, sending a body takes no longer than waiting for the answer does.
constexpr std::uint64_t ShortBodyBytes = 1024 * 1024;

}  // namespace

Exchange::Exchange(std::shared_ptr<Sending const> sending, web::http::http_request const& request)
    : sending_(std::move(sending)),
      request_(request),
      cancellation_(request_._cancellation_token()),
      observer_(std::make_shared<TransferObserver>(request_._get_impl()->_progress_handler())) {
  if (cancellation_ == pplx::cancellation_token::none()) return;
  cancellable_ = cancellable_.WithCancellation();
  registration_ = cancellation_.register_callback([context = cancellable_] { context.Cancel(); });
}

Exchange::~Exchange() {
  if (cancellation_ != pplx::cancellation_token::none()) cancellation_.deregister_callback(registration_);
}

bool Exchange::HasLongBody() const {
  if (!request_.body()) return false;
  utility::size64_t length = 0;
  return !request_.headers().match(web::http::header_names::content_length, length) || length > ShortBodyBytes;
}

// The timeout of cpprestsdk is one without progress. For a request that is sent in one go it is a deadline.
Context Exchange::MakeContext(bool hasLongBody) {
  bool const isOver = sending_->Timeout <= sending_->Timeout.zero();
  if (!hasLongBody || isOver) return cancellable_.WithTimeout(sending_->Timeout);
  auto const context = cancellable_.WithCancellation();
  watch_ = std::make_shared<ProgressWatch>(context, observer_, AtMostTenYears(sending_->Timeout));
  watch_->Start();
  return context;
}

void Exchange::Start(std::function<void()> ended) noexcept {
  ended_ = std::move(ended);
  try {
    Send();
  } catch (...) {
    Fail(CurrentFailure());
  }
}

void Exchange::Send() {
  observer_->Touch();
  auto const context = MakeContext(HasLongBody());
  context.ThrowIfEnded("sending the request");
  auto translated = Translate(request_, sending_->AcceptCompressed, sending_->ChunkSize, observer_);
  PutUserAgentFirst(sending_->UserAgent, translated.Message.Fields);
  body_ = translated.Body;
  sending_->Pipeline.SendAsync(
      std::make_shared<PipelineRequest>(PipelineRequest{std::move(translated.Message), nullptr}), context,
      [self = shared_from_this()](Outcome<std::unique_ptr<Response>> outcome) { self->Came(std::move(outcome)); });
}

void Exchange::Came(Outcome<std::unique_ptr<Response>> outcome) noexcept {
  watch_ = nullptr;
  try {
    auto response = std::move(outcome).Take();
    observer_->Report(web::http::message_direction::upload, body_ ? body_->BytesRead() : 0);
    Deliver(std::move(response));
  } catch (...) {
    Fail(CurrentFailure());
  }
}

// pplx ends the process over a failure that nobody has seen, and the application may have let go of the task.
void Exchange::Fail(std::exception_ptr const& failure) noexcept {
  try {
    Answer().then(
        [](pplx::task<http_response> const& answer) {
          try {
            answer.wait();
          } catch (...) {  // NOLINT(bugprone-empty-catch): seen
          }
        },
        CallbackScheduler::Options());
  } catch (std::exception const&) {
    // No memory for it: the application has to look itself, as it does with cpprestsdk's own tasks.
  }
  answered_.set_exception(failure);
  TouchPool();
  End();
}

void Exchange::End() noexcept {
  if (auto const ended = std::exchange(ended_, nullptr)) ended();
}

// What comes of an answer is cpprestsdk's to run, and of a failure too where the request is part of a longer task.
void Exchange::TouchPool() const noexcept {
  try {
    if (auto const watch = PoolWatch::OfProcess()) watch->Touch();
  } catch (std::exception const&) {
    // No memory for a watch: the next answer tries again.
  }
}

void Exchange::Deliver(std::unique_ptr<Response> response) {
  auto const answer = TranslateHead(*response);
  auto const implementation = answer._get_impl();
  implementation->set_outstream(request_._get_impl()->_response_stream(), false);
  implementation->_prepare_to_receive_data();
  if (IsWithoutBody(request_.method(), *response)) return DeliverWithoutBody(std::move(response), answer);
  DeliverBody(std::move(response), answer);
}

// A body has to be read to its end, even one that is empty: that gives the connection back. Where it fails, the connection is
// closed, and the answer is complete all the same.
void Exchange::DeliverWithoutBody(std::unique_ptr<Response> response, http_response const& answer) {
  observer_->Report(web::http::message_direction::download, 0);
  struct Rest {
    std::unique_ptr<Response> Of;
    std::uint8_t Byte = 0;
  };
  auto const rest = std::make_shared<Rest>(Rest{std::move(response)});
  auto const finish = [self = shared_from_this(), rest, answer](Outcome<std::size_t> const&) {
    rest->Of = nullptr;
    answer._get_impl()->_complete(0);
    self->answered_.set(answer);
    self->TouchPool();
    self->End();
  };
  auto& body = *rest->Of->Body;
  auto const context = cancellable_.WithTimeout(sending_->Timeout);
  gsl::span<std::uint8_t> const room{&rest->Byte, 1};
  if (body.NeverWaits()) return finish(OutcomeOf([&] { return body.Read(room, context); }));
  body.ReadAsync(room, context, finish);
}

void Exchange::DeliverBody(std::unique_ptr<Response> response, http_response const& answer) {
  auto decompressor = DecompressorFor(*response);
  bool const inMemory = !request_._get_impl()->_response_stream().is_valid();
  auto const limit = inMemory ? std::make_optional(sending_->BufferedBodyBytes) : std::nullopt;
  auto const writer = std::make_shared<ResponseBodyWriter>(
      std::move(response->Body),
      ResponseBodyWriter::Target{
          answer._get_impl()->outstream(), limit, std::move(decompressor), sending_->ChunkSize, sending_->Timeout},
      observer_);
  // Before the answer is told: from then on nobody hears of a failure but through its body.
  Completion<std::uint64_t> written = [self = shared_from_this(), answer](Outcome<std::uint64_t> outcome) {
    auto const implementation = answer._get_impl();
    try {
      implementation->_complete(std::move(outcome).Take());
    } catch (...) {
      implementation->_complete(0, self->CurrentFailure());
    }
    self->TouchPool();
    self->End();
  };
  answered_.set(answer);
  TouchPool();
  try {
    writer->Write(cancellable_, std::move(written));
  } catch (...) {
    answer._get_impl()->_complete(0, CurrentFailure());
    End();
  }
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
