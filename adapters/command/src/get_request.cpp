#include "get_request.hpp"

#include <algorithm>
#include <initializer_list>
#include <iterator>

#include "errors.hpp"
#include "mtlspop/version.hpp"
#include "stream_body.hpp"
#include "text.hpp"

namespace mtlspop::command {
namespace {

constexpr std::size_t MostDataBytes = std::size_t{64} * 1024 * 1024;
constexpr std::size_t MostHeaderFileBytes = std::size_t{64} * 1024;
/// From here on the server is asked first whether it wants the body, as curl does.
constexpr std::uint64_t ExpectFromBytes = std::uint64_t{1024} * 1024;

std::string ReadAll(std::istream& in) {
  std::string content{std::istreambuf_iterator<char>{in}, {}};
  if (in.bad()) Fail(errors::ReadFailed, "Standard input cannot be read", "Check what is on the other end of the pipe");
  return content;
}

std::string TextOfData(std::string const& data, std::istream& in) {
  if (data.empty() || data.front() != '@') return data;
  auto content = data == "@-" ? ReadAll(in) : ReadFile(data.substr(1), MostDataBytes);
  auto const isDropped = [](char letter) { return letter == '\r' || letter == '\n' || letter == '\0'; };
  content.erase(std::remove_if(content.begin(), content.end(), isDropped), content.end());
  return content;
}

std::shared_ptr<BodyStream> BodyOfFile(std::string const& path, std::istream& in) {
  if (path == "-") return std::make_shared<StreamBody>(in);
  return StreamBody::OfFile(path);
}

std::shared_ptr<BodyStream> BodyOfText(std::string const& text, std::istream& in) {
  if (!text.empty() && text.front() == '@') return BodyOfFile(text.substr(1), in);
  return std::make_shared<MemoryBody>(text);
}

/// Joins what `--data` and `--data-raw` say.
std::string FormOf(GetRequestOptions const& options, std::istream& in) {
  std::string form;
  auto const add = [&](std::string const& text) { form += (form.empty() ? "" : "&") + text; };
  for (auto const& data : options.Data) add(TextOfData(data, in));
  for (auto const& data : options.DataRaw) add(data);
  return form;
}

void SetBody(GetRequestOptions const& options, std::istream& in, Request& request) {
  if (!options.UploadFile.empty()) {
    request.Body = BodyOfFile(options.UploadFile, in);
  } else if (!options.DataBinary.empty()) {
    request.Body = BodyOfText(options.DataBinary, in);
    request.Fields.Set("Content-Type", "application/x-www-form-urlencoded");
  } else if (!options.Json.empty()) {
    request.Body = BodyOfText(options.Json, in);
    request.Fields.Set("Content-Type", "application/json");
    request.Fields.Set("Accept", "application/json");
  } else if (!options.Data.empty() || !options.DataRaw.empty()) {
    request.Body = std::make_shared<MemoryBody>(FormOf(options, in));
    request.Fields.Set("Content-Type", "application/x-www-form-urlencoded");
  }
  if (request.Body) {
    auto const length = request.Body->Length();
    request.ExpectContinue = !length || *length > ExpectFromBytes;
  }
}

bool IsOneOf(std::string const& name, std::initializer_list<char const*> names) {
  return std::any_of(names.begin(), names.end(), [&](char const* one) { return EqualsIgnoreCase(name, one); });
}

void RefuseOwnField(std::string const& name) {
  if (IsOneOf(name, {"Content-Length", "Transfer-Encoding", "Connection", "Expect", "Upgrade", "TE"})) {
    Fail(
        errors::Usage, "The header field " + name + " is the connection's",
        "Leave it out: mtlspop sets it. \"Expect:\" sends the body at once");
  }
  if (IsOneOf(name, {"Authorization", "x-ms-tokenboundauth"})) {
    Fail(
        errors::Usage, "The header field " + name + " is the token's",
        "Leave it out: mtlspop sets it. Say who it is with --identity or --cert");
  }
}

std::string WithoutSpaces(std::string const& text) {
  auto const first = text.find_first_not_of(" \t");
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

void AddField(std::string const& line, Request& request) {
  auto& fields = request.Fields;
  auto const colon = line.find(':');
  auto const isEmptyField = colon == std::string::npos && !line.empty() && line.back() == ';';
  if (colon == std::string::npos && !isEmptyField) {
    Fail(errors::Usage, "\"" + line + "\" is no header field", "Give -H \"Name: value\"");
  }
  auto const name = isEmptyField ? line.substr(0, line.size() - 1) : line.substr(0, colon);
  auto const value = isEmptyField ? std::string{} : WithoutSpaces(line.substr(colon + 1));
  if (EqualsIgnoreCase(name, "Expect") && value.empty()) {
    request.ExpectContinue = false;
    return;
  }
  RefuseOwnField(name);
  // What is given once replaces what is set without being asked; what is given twice is sent twice.
  auto const isOurs = IsOneOf(name, {"Content-Type", "Accept", "User-Agent"});
  if (isOurs || (value.empty() && !isEmptyField)) fields.Remove(name);
  if (!value.empty() || isEmptyField) fields.Add(name, value);
}

void AddFields(std::vector<std::string> const& headers, Request& request) {
  for (auto const& header : headers) {
    if (header.empty() || header.front() != '@') {
      AddField(header, request);
      continue;
    }
    auto const text = ReadFile(header.substr(1), MostHeaderFileBytes);
    for (std::size_t start = 0; start < text.size();) {
      auto const end = std::min(text.find('\n', start), text.size());
      auto const line = WithoutSpaces(text.substr(start, end - start));
      if (!line.empty()) AddField(line, request);
      start = end + 1;
    }
  }
}

std::string MethodOf(GetRequestOptions const& options) {
  if (!options.Method.empty()) return options.Method;
  if (options.IsHead) return "HEAD";
  if (!options.UploadFile.empty()) return "PUT";
  auto const hasData =
      !options.Data.empty() || !options.DataRaw.empty() || !options.DataBinary.empty() || !options.Json.empty();
  return hasData ? "POST" : "GET";
}

}  // namespace

Request MakeGetRequest(GetRequestOptions const& options, std::istream& in) {
  Request request{MethodOf(options), ParseUrl(options.Url)};
  if (!request.Target.IsHttps()) {
    Fail(
        errors::Usage,
        "A token is never sent to a URL that is not https, and " + request.Target.GetOrigin().ToString() + " is not",
        "Give an https URL");
  }
  request.Fields.Set("User-Agent", std::string{"mtlspop/"} + Version);
  request.Fields.Set("Accept", "*/*");
  SetBody(options, in, request);
  AddFields(options.Headers, request);
  return request;
}

}  // namespace mtlspop::command
