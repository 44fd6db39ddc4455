#include "mtlspop/policies/client.hpp"

#include <exception>
#include <utility>

#include "mtlspop/transport/environment.hpp"
#include "mtlspop/transport/out_of_memory.hpp"

namespace mtlspop {
namespace {

/// @throw what cannot be begun; `done` is not called then
void ReadAnswer(Response& response, std::size_t most, Context const& context, Completion<ClientAnswer> const& done) {
  auto answer = std::make_shared<ClientAnswer>();
  answer->Status = response.StatusCode;
  answer->Fields = std::move(response.Fields);
  ReadToEndAsync(std::move(response.Body), most, context, [answer, done](Outcome<std::string> text) {
    done(OutcomeOf([&] {
      answer->Text = std::move(text).Take();
      return std::move(*answer);
    }));
  });
}

}  // namespace

Client::Client(std::shared_ptr<TokenCredential> credential, ClientOptions options)
    : bufferedBodyBytes_(options.BufferedBodyBytes),
      pipeline_(MakeBoundPipeline(
          std::move(credential), options.Transport ? options.Transport : DefaultHttpTransport().get(), options)) {}

ClientAnswer Client::Get(std::string_view url, std::chrono::milliseconds timeout) const {
  return Send({"GET", Url::Parse(url)}, Context{}.WithTimeout(timeout));
}

ClientAnswer Client::Delete(std::string_view url, std::chrono::milliseconds timeout) const {
  return Send({"DELETE", Url::Parse(url)}, Context{}.WithTimeout(timeout));
}

ClientAnswer Client::Post(
    std::string_view url, std::string body, std::string_view contentType, std::chrono::milliseconds timeout) const {
  return SendText("POST", url, std::move(body), contentType, timeout);
}

ClientAnswer Client::Put(
    std::string_view url, std::string body, std::string_view contentType, std::chrono::milliseconds timeout) const {
  return SendText("PUT", url, std::move(body), contentType, timeout);
}

ClientAnswer Client::SendText(
    char const* method,
    std::string_view url,
    std::string body,
    std::string_view contentType,
    std::chrono::milliseconds timeout) const {
  Request request{method, Url::Parse(url)};
  request.SetBody(std::move(body));
  if (!contentType.empty()) request.Fields.Set("Content-Type", std::string{contentType});
  return Send(std::move(request), Context{}.WithTimeout(timeout));
}

void Client::GetAsync(std::string_view url, std::chrono::milliseconds timeout, Completion<ClientAnswer> done) const {
  SendAsync({"GET", Url::Parse(url)}, Context{}.WithTimeout(timeout), std::move(done));
}

void Client::SendAsync(Request request, Context const& context, Completion<ClientAnswer> done) const {
  auto message = std::make_shared<PipelineRequest>(PipelineRequest{std::move(request), nullptr});
  pipeline_.SendAsync(
      std::move(message), context,
      [most = bufferedBodyBytes_, context, done = std::move(done)](Outcome<std::unique_ptr<Response>> outcome) {
        std::exception_ptr failure;
        try {
          return ReadAnswer(*std::move(outcome).Take(), most, context, done);
        } catch (...) {
          failure = CurrentOrOutOfMemory();
        }
        done(std::move(failure));
      });
}

ClientAnswer Client::Send(Request request, Context const& context) const {
  return OrOutOfMemory([&] {
    PipelineRequest message{std::move(request), nullptr};
    auto const response = pipeline_.Send(message, context);
    ClientAnswer answer{response->StatusCode, std::move(response->Fields), {}};
    answer.Text = ReadToEnd(*response->Body, bufferedBodyBytes_, context);
    return answer;
  });
}

}  // namespace mtlspop
