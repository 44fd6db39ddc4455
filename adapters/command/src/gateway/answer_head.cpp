#include "gateway/answer_head.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include <boost/beast/http/status.hpp>

#include "mtlspop/base/field_text.hpp"

namespace mtlspop::gateway {
namespace {

bool HasNoBody(int status, std::string_view method) noexcept {
  return method == "HEAD" || status == 204 || status == 304 || status < 200;
}

std::string ReasonOf(Response const& answer) {
  if (!answer.ReasonPhrase.empty() && IsFieldText(answer.ReasonPhrase)) return answer.ReasonPhrase;
  auto const reason = boost::beast::http::obsolete_reason(static_cast<boost::beast::http::status>(answer.StatusCode));
  return std::string{reason.data(), reason.size()};
}

BodyEnd EndOf(Response const& answer, RequestHead const& request) {
  if (HasNoBody(answer.StatusCode, request.Method)) return BodyEnd::NoBody;
  if (answer.Body->Length()) return BodyEnd::Length;
  return request.Version == 11 ? BodyEnd::Chunks : BodyEnd::Close;
}

}  // namespace

AnswerHead HeadOf(Response const& answer, RequestHead const& request, bool& keepsAlive) {
  AnswerHead head;
  head.End = EndOf(answer, request);
  if (head.End == BodyEnd::Close) keepsAlive = false;

  auto& text = head.Text;
  // Most headers need no more room.
  text.reserve(512);
  text.append("HTTP/1.1 ")
      .append(std::to_string(answer.StatusCode))
      .append(" ")
      .append(ReasonOf(answer))
      .append("\r\n");
  EndToEndFields const passed{answer.Fields};
  for (auto const& [name, value] : answer.Fields) {
    if (passed.Has(name) && IsFieldText(name) && IsFieldText(value)) AppendField(text, name, value);
  }
  if (head.End == BodyEnd::Length) AppendField(text, "Content-Length", std::to_string(*answer.Body->Length()));
  if (head.End == BodyEnd::Chunks) AppendField(text, "Transfer-Encoding", "chunked");
  if (head.End == BodyEnd::NoBody && request.Method == "HEAD" && answer.Fields.Contains("Content-Length")) {
    AppendField(text, "Content-Length", answer.Fields.Get("Content-Length"));
  }
  if (!keepsAlive) AppendField(text, "Connection", "close");
  if (keepsAlive && request.Version == 10) AppendField(text, "Connection", "keep-alive");
  text += "\r\n";
  return head;
}

std::unique_ptr<Response> AnswerFor(Failure const& failure) {
  return TextAnswer(failure.Status, FieldsOf(failure), BodyOf(failure));
}

std::unique_ptr<Response> TextAnswer(int status, Headers fields, std::string body) {
  auto answer = std::make_unique<Response>();
  answer->StatusCode = status;
  answer->Fields = std::move(fields);
  answer->Body = std::make_unique<MemoryBody>(std::move(body));
  return answer;
}

}  // namespace mtlspop::gateway
