#include "gateway/exchange.hpp"

#include <utility>

#include "gateway/answer_head.hpp"
#include "gateway/connection.hpp"

namespace mtlspop::gateway {

Exchange::Exchange(
    std::shared_ptr<Connection> connection,
    std::uint64_t number,
    std::shared_ptr<RequestHead const> head,
    std::shared_ptr<BodyStream> body,
    Context patience)
    : connection_(std::move(connection)),
      number_(number),
      head_(std::move(head)),
      body_(std::move(body)),
      patience_(std::move(patience)) {}

Exchange::~Exchange() {
  if (!isAnswered_) connection_->Abandon(number_);
}

void Exchange::SetOrigin(std::string const& origin) { connection_->SetOrigin(number_, origin); }

void Exchange::Answer(std::unique_ptr<Response> answer) { AnswerWith(std::move(answer), false); }

void Exchange::AnswerWith(std::unique_ptr<Response> answer, bool closes) {
  connection_->Answer(number_, std::move(answer), closes);
  isAnswered_ = true;
}

void Exchange::Refuse(Failure const& failure) {
  auto told = failure;
  if (told.CorrelationId.empty()) told.CorrelationId = head_->CorrelationId;
  AnswerWith(AnswerFor(told), told.Closes);
}

void Exchange::PassBack(std::unique_ptr<Response> answer) {
  answer->Fields.Remove(ErrorField);
  // Another way to the server would lead past the gateway.
  answer->Fields.Remove("Alt-Svc");
  Answer(std::move(answer));
}

void Exchange::Fail(std::exception_ptr failure) {
  try {
    std::rethrow_exception(std::move(failure));
  } catch (Error const& error) {
    Refuse(FailureFrom(error));
  } catch (std::exception const&) {
    Refuse(
        {500, "gateway_failure", "The gateway ran out of memory or threads",
         "See the load of this machine and its limits, and send the request again"});
  }
}

void Exchange::BecomeTls(std::shared_ptr<SSL_CTX> context, std::shared_ptr<Site> site) {
  connection_->BecomeTls(number_, std::move(context), std::move(site));
  isAnswered_ = true;
}

void Exchange::BecomeTunnel(TakeOver takeOver) {
  connection_->BecomeTunnel(number_, std::move(takeOver));
  isAnswered_ = true;
}

}  // namespace mtlspop::gateway
