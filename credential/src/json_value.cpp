#include "json_value.hpp"

#include <algorithm>
#include <utility>

#include "json_string.hpp"
#include "mtlspop/base/encoding.hpp"

namespace mtlspop::json {
namespace {

struct Writer {
  std::string Out;
  void Add(char character) { Out += character; }

  void Write(Value const& value);
  void WriteString(std::string_view text);
};

void Writer::WriteString(std::string_view text) {
  std::string letters;
  for (auto rest = text; !rest.empty();) {
    auto const length = encoding::Utf8LetterLength(rest);
    letters += length == 0 ? encoding::ReplacementLetter : rest.substr(0, length);
    rest.remove_prefix(std::max<std::size_t>(length, 1));
  }
  AddString(*this, letters);
}

}  // namespace

Value::Value() noexcept = default;
Value::Value(bool value) noexcept : value_(value) {}
Value::Value(std::int64_t number) noexcept : value_(number) {}
Value::Value(std::uint64_t number) noexcept : value_(number) {}
Value::Value(Real number) noexcept : value_(std::move(number)) {}
Value::Value(std::string text) noexcept : value_(std::move(text)) {}
Value::Value(std::string_view text) : value_(std::string{text}) {}
Value::Value(char const* text) : value_(std::string{text}) {}
Value::Value(Value&&) noexcept = default;
Value& Value::operator=(Value&&) noexcept = default;
Value::~Value() = default;

Value Value::Array() {
  Value value;
  value.value_ = std::make_unique<Elements>();
  return value;
}

Value Value::Object() {
  Value value;
  value.value_ = std::make_unique<Members>();
  return value;
}

std::string const* Value::Text() const noexcept { return std::get_if<std::string>(&value_); }

Value::Elements const* Value::AsArray() const noexcept {
  auto const* const held = std::get_if<std::unique_ptr<Elements>>(&value_);
  return held == nullptr ? nullptr : held->get();
}

Value::Members const* Value::AsObject() const noexcept {
  auto const* const held = std::get_if<std::unique_ptr<Members>>(&value_);
  return held == nullptr ? nullptr : held->get();
}

Value::Members* Value::AsObject() noexcept { return const_cast<Members*>(std::as_const(*this).AsObject()); }

std::optional<bool> Value::Boolean() const noexcept {
  auto const* const held = std::get_if<bool>(&value_);
  return held == nullptr ? std::nullopt : std::optional<bool>{*held};
}

std::optional<double> Value::Number() const noexcept {
  if (auto const* const whole = std::get_if<std::int64_t>(&value_)) return static_cast<double>(*whole);
  if (auto const* const whole = std::get_if<std::uint64_t>(&value_)) return static_cast<double>(*whole);
  if (auto const* const real = std::get_if<Real>(&value_)) return real->Number;
  return std::nullopt;
}

std::optional<std::uint64_t> Value::Unsigned() const noexcept {
  auto const* const held = std::get_if<std::uint64_t>(&value_);
  return held == nullptr ? std::nullopt : std::optional<std::uint64_t>{*held};
}

Value const* Value::Find(std::string_view name) const noexcept {
  auto const* const members = AsObject();
  if (members == nullptr) return nullptr;
  auto const member = members->find(name);
  return member == members->end() ? nullptr : &member->second;
}

Value& Value::Set(std::string_view name, Value value) {
  return AsObject()->insert_or_assign(std::string{name}, std::move(value)).first->second;
}

bool Value::Erase(std::string_view name) noexcept {
  auto* const members = AsObject();
  auto const member = members->find(name);
  if (member == members->end()) return false;
  members->erase(member);
  return true;
}

Value& Value::Append(Value value) {
  return std::get<std::unique_ptr<Elements>>(value_)->emplace_back(std::move(value));
}

std::string Value::ToText() const {
  Writer writer;
  writer.Write(*this);
  return std::move(writer.Out);
}

namespace {

void Writer::Write(Value const& value) {
  if (auto const* const text = value.Text()) return WriteString(*text);
  if (auto const* const elements = value.AsArray()) {
    Add('[');
    for (auto const& element : *elements) {
      if (&element != &elements->front()) Add(',');
      Write(element);
    }
    return Add(']');
  }
  if (auto const* const members = value.AsObject()) {
    char before = '{';
    if (members->empty()) Add(before);
    for (auto const& [name, member] : *members) {
      Add(before);
      before = ',';
      WriteString(name);
      Add(':');
      Write(member);
    }
    return Add('}');
  }
  Out += value.Plain();
}

}  // namespace

std::string Value::Plain() const {
  if (auto const flag = Boolean()) return *flag ? "true" : "false";
  if (auto const* const whole = std::get_if<std::int64_t>(&value_)) return std::to_string(*whole);
  if (auto const* const whole = std::get_if<std::uint64_t>(&value_)) return std::to_string(*whole);
  if (auto const* const real = std::get_if<Real>(&value_)) return real->Written;
  return "null";
}

}  // namespace mtlspop::json
