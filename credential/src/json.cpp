#include "json.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <exception>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace mtlspop::json {
namespace {

constexpr std::int64_t LargestInteger = 9'000'000'000'000'000;
constexpr auto None = std::string_view::npos;

/// Where the text ends that begins with the quote at `start`: at its closing quote. `None` where it does not end.
std::size_t EndOfString(std::string_view text, std::size_t start) noexcept {
  for (auto at = start + 1; at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (text[at] == '"') {
      return at;
    }
  }
  return None;
}

/// Whether objects and arrays are deeper than `MostLevels`. Of a text that is no JSON this is true or not up to where the
/// parser stops; what is behind is nobody's business.
bool IsTooDeep(std::string_view text) noexcept {
  std::size_t level = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    char const c = text[at];
    if (c == '"') {
      at = EndOfString(text, at);
      if (at == None) return false;
    } else if (c == '[' || c == '{') {
      if (++level > MostLevels) return true;
    } else if ((c == ']' || c == '}') && level != 0) {
      --level;
    }
  }
  return false;
}

std::size_t SkipSpaces(std::string_view text, std::size_t at) noexcept {
  auto const end = text.find_first_not_of(" \t\r\n", at);
  return end == None ? text.size() : end;
}

/// The value of a hexadecimal digit, 16 for what is none.
unsigned ToDigit(char c) noexcept {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a') + 10;
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A') + 10;
  return 16;
}

/// The character of an escape at the beginning of `text`, behind its backslash, and how long that is; 0 where it is none
/// or of other than ASCII (RFC 8259 section 7).
std::pair<char, std::size_t> ReadEscape(std::string_view text) noexcept {
  constexpr std::string_view names = "\"\\/bfnrt";
  constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
  if (text.empty()) return {'\0', 0};
  if (auto const known = names.find(text.front()); known != None) return {meanings[known], 1};
  if (text.size() < 5 || text.substr(0, 3) != "u00") return {'\0', 0};
  auto const high = ToDigit(text[3]);
  auto const low = ToDigit(text[4]);
  if (high > 7 || low > 15) return {'\0', 0};
  return {static_cast<char>(high * 16 + low), 5};
}

/// What stands between the quotes, none where it is not plain ASCII with escapes of such.
std::optional<Secret> Unescape(std::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    char c = text[at];
    if (c == '\\') {
      auto const [meaning, length] = ReadEscape(text.substr(at + 1));
      if (length == 0) {
        Cleanse(plain);
        return std::nullopt;
      }
      c = meaning;
      at += length;
    } else if (c < ' ' || c > '~') {
      Cleanse(plain);
      return std::nullopt;
    }
    plain += c;
  }
  return Secret{std::move(plain)};
}

/// What the parser calls for each thing that it reads, nlohmann's names. It may stop anywhere, for want of memory too.
class TreeBuilder final {
 public:
  Value Take() noexcept { return std::move(root_); }

  bool null() { return Add({}); }
  bool boolean(bool value) { return Add(value); }
  bool number_integer(std::int64_t number) { return Add(number); }
  bool number_unsigned(std::uint64_t number) { return Add(number); }
  bool number_float(double number, std::string const& written) { return Add(Value::Real{number, written}); }
  bool string(std::string const& text) { return Add(text); }
  bool binary(std::vector<std::uint8_t> const& /*bytes*/) { return false; }  // other formats than JSON have it
  bool start_object(std::size_t /*size*/) { return Open(Value::Object()); }
  bool key(std::string const& name) {
    name_ = name;
    return true;
  }
  bool end_object() { return Close(); }
  bool start_array(std::size_t /*size*/) { return Open(Value::Array()); }
  bool end_array() { return Close(); }
  bool parse_error(std::size_t /*at*/, std::string const& /*token*/, std::exception const& /*what*/) { return false; }

 private:
  bool Add(Value value) {
    Put(std::move(value));
    return true;
  }
  bool Open(Value value) {
    open_.push_back(&Put(std::move(value)));
    return true;
  }
  bool Close() {
    open_.pop_back();
    return true;
  }
  /// Where it belongs. What is open does not move: only the innermost array grows.
  Value& Put(Value value) {
    if (open_.empty()) return root_ = std::move(value);
    auto& parent = *open_.back();
    return parent.AsObject() != nullptr ? parent.Set(name_, std::move(value)) : parent.Append(std::move(value));
  }

  Value root_;
  std::vector<Value*> open_;
  std::string name_;
};

}  // namespace

std::optional<Value> ParseObject(std::string_view text) {
  // The parser takes a zero byte for the end, and what is behind it would be read by others only.
  if (text.find('\0') != None || IsTooDeep(text)) return std::nullopt;
  TreeBuilder builder;
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &builder)) return std::nullopt;
  auto value = builder.Take();
  if (value.AsObject() == nullptr) return std::nullopt;
  return value;
}

Secret TakeSecret(std::string& text, std::string_view name) {
  Secret taken;
  std::size_t level = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '[' || text[at] == '{') ++level;
    if ((text[at] == ']' || text[at] == '}') && level != 0) --level;
    if (text[at] != '"') continue;
    auto const start = at + 1;
    at = EndOfString(text, at);
    if (at == None) break;
    auto const colon = SkipSpaces(text, at + 1);
    bool const isMember = level == 1 && std::string_view{text}.substr(start, at - start) == name &&
                          colon < text.size() && text[colon] == ':';
    if (!isMember) continue;
    taken = {};
    auto const value = SkipSpaces(text, colon + 1);
    if (value >= text.size() || text[value] != '"') continue;
    auto const end = EndOfString(text, value);
    if (end == None) break;
    auto plain = Unescape(std::string_view{text}.substr(value + 1, end - value - 1));
    at = end;
    if (!plain) continue;
    taken = std::move(*plain);
    std::fill(
        text.begin() + static_cast<std::ptrdiff_t>(value) + 1, text.begin() + static_cast<std::ptrdiff_t>(end), 'x');
  }
  return taken;
}

std::optional<std::string> FindString(Value const& object, char const* name) {
  auto const* const member = object.Find(name);
  auto const* const text = member == nullptr ? nullptr : member->Text();
  if (text == nullptr || text->empty()) return std::nullopt;
  return *text;
}

std::optional<std::int64_t> FindInteger(Value const& object, char const* name) {
  auto const* const member = object.Find(name);
  if (member == nullptr) return std::nullopt;
  if (auto const number = member->Number()) {
    constexpr auto largest = static_cast<double>(LargestInteger);
    return static_cast<std::int64_t>(std::clamp(*number, -largest, largest));
  }
  auto const* const text = member->Text();
  if (text == nullptr || text->empty() || text->find_first_not_of("0123456789") != std::string::npos) {
    return std::nullopt;
  }
  std::int64_t number = LargestInteger;
  if (text->size() <= 15) std::from_chars(text->data(), text->data() + text->size(), number);
  return number;
}

}  // namespace mtlspop::json
