#include "answer_text.hpp"

#include <algorithm>
#include <optional>

#include "json.hpp"
#include "mtlspop/transport/redact.hpp"

namespace mtlspop {
namespace {

constexpr std::size_t LongestLine = 300;

/// Never in the middle of a letter (RFC 3629 section 3).
std::string Shorten(std::string text) {
  if (text.size() <= LongestLine) return text;
  auto end = LongestLine;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80) --end;
  text.resize(end);
  return text;
}

/// The first `most` characters, without the word that would be cut: half a secret is not seen to be one.
std::string_view WholeWords(std::string_view text, std::size_t most) noexcept {
  if (text.size() <= most) return text;
  return text.substr(0, text.find_last_of(" \t\r\n<>\"", most) + 1);
}

bool IsSpace(char character) noexcept { return character == ' ' || (character >= '\t' && character <= '\r'); }

std::string_view Trim(std::string_view text) noexcept {
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
  return text;
}

std::string WithoutTags(std::string_view text) {
  std::string plain;
  bool isTag = false;
  for (char const character : text) {
    if (character == '<') {
      isTag = true;
      plain += '\n';
    }
    if (!isTag) plain += character;
    if (character == '>') isTag = false;
  }
  return plain;
}

void Append(std::string& text, std::optional<std::string> const& more) {
  if (more && !more->empty()) text += ", " + FirstLine(*more);
}

std::string DescribeObject(json::Value const& object) {
  std::string text;
  if (auto const* const error = object.Find("error")) {
    Append(text, json::FindString(*error, "code"));
    Append(text, json::FindString(*error, "message"));
  }
  // The last two: RFC 9457.
  for (char const* const name : {"error", "error_description", "message", "title", "detail"}) {
    Append(text, json::FindString(object, name));
  }
  return text;
}

}  // namespace

bool LooksLikeHtml(std::string_view text) noexcept { return !Trim(text).empty() && Trim(text).front() == '<'; }

std::string FirstLine(std::string_view text) {
  // Nobody writes more before it comes to the point.
  auto const head = WholeWords(text, 4096);
  std::string const plain = LooksLikeHtml(head) ? WithoutTags(head) : std::string{head};
  std::string_view rest{plain};
  while (!rest.empty()) {
    auto const end = std::min(rest.find_first_of("\r\n"), rest.size());
    auto const line = Trim(rest.substr(0, end));
    if (!line.empty()) return Shorten(Redact(line));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return "";
}

std::string DescribeAnswer(ServiceResponse const& response) {
  auto text = "status " + std::to_string(response.StatusCode);
  // What a success holds is nothing for an error's text.
  if (response.StatusCode >= 200 && response.StatusCode <= 299) return text;
  auto const object = json::ParseObject(response.Body);
  auto said = object ? DescribeObject(*object) : std::string{};
  // In one line, where its members have other names.
  if (said.empty()) said = ", " + FirstLine(object ? object->ToText() : response.Body);
  if (said.size() > 2) text += said;
  while (text.back() == '.') text.pop_back();
  return text;
}

std::string DescribeDuration(std::chrono::milliseconds duration) {
  auto const tenths = (duration.count() + 50) / 100;
  auto const fraction = tenths % 10;
  return std::to_string(tenths / 10) + (fraction == 0 ? "" : "." + std::to_string(fraction)) + " s";
}

}  // namespace mtlspop
