#include "mtlspop/policies/client.hpp"

#include <utility>

#include "mtlspop/transport/environment.hpp"

namespace mtlspop {

Client::Client(std::shared_ptr<TokenCredential> credential, ClientOptions options)
    : bufferedBodyBytes_(options.BufferedBodyBytes),
      pipeline_(MakeBoundPipeline(
          std::move(credential),
          options.Transport ? options.Transport : DefaultHttpTransport().get(),
          options)) {}

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

ClientAnswer Client::Send(Request request, Context const& context) const {
  PipelineRequest message{std::move(request), nullptr};
  auto const response = pipeline_.Send(message, context);
  ClientAnswer answer{response->StatusCode, std::move(response->Fields), {}};
  answer.Text = ReadToEnd(*response->Body, bufferedBodyBytes_, context);
  return answer;
}

}  // namespace mtlspop
