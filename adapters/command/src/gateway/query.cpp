#include "gateway/query.hpp"

namespace mtlspop::gateway {
namespace {

int DigitOf(char letter) noexcept {
  if (letter >= '0' && letter <= '9') return letter - '0';
  if (letter >= 'a' && letter <= 'f') return letter - 'a' + 10;
  if (letter >= 'A' && letter <= 'F') return letter - 'A' + 10;
  return -1;
}

std::optional<std::string> Decoded(std::string_view text) {
  std::string decoded;
  for (std::size_t at = 0; at < text.size(); ++at) {
    char letter = text[at] == '+' ? ' ' : text[at];
    if (letter == '%') {
      int const high = at + 1 < text.size() ? DigitOf(text[at + 1]) : -1;
      int const low = at + 2 < text.size() ? DigitOf(text[at + 2]) : -1;
      if (high < 0 || low < 0) return std::nullopt;
      letter = static_cast<char>(high * 16 + low);
      at += 2;
    }
    if (static_cast<unsigned char>(letter) < 0x20 || letter == '\x7f') return std::nullopt;
    decoded.push_back(letter);
  }
  return decoded;
}

}  // namespace

std::optional<std::vector<std::pair<std::string, std::string>>> ParseQuery(std::string_view target) {
  std::vector<std::pair<std::string, std::string>> parameters;
  auto const question = target.find('?');
  auto rest = question == std::string_view::npos ? std::string_view{} : target.substr(question + 1);
  while (!rest.empty()) {
    auto const end = rest.find('&');
    auto const parameter = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
    auto const equals = parameter.find('=');
    auto name = Decoded(parameter.substr(0, equals));
    auto value = Decoded(equals == std::string_view::npos ? std::string_view{} : parameter.substr(equals + 1));
    if (!name || !value) return std::nullopt;
    parameters.emplace_back(std::move(*name), std::move(*value));
  }
  return parameters;
}

}  // namespace mtlspop::gateway
