#include "form.hpp"

#include <cstddef>
#include <string>

#include "json_string.hpp"
#include "mtlspop/base/encoding.hpp"

namespace mtlspop {
namespace {

/// Counts what would be written.
class Counter final {
 public:
  void Add(char) noexcept { ++size_; }
  std::size_t Size() const noexcept { return size_; }

 private:
  std::size_t size_ = 0;
};

class Writer final {
 public:
  explicit Writer(std::size_t size) { text_.reserve(size); }
  void Add(char character) { text_ += character; }
  Secret Take() { return Secret{std::move(text_)}; }

 private:
  std::string text_;
};

template <typename Sink>
void Add(Sink& sink, std::string_view text) {
  for (char const character : text) sink.Add(character);
}

/// RFC 3986 section 2.3.
bool IsUnreserved(char c) noexcept {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

template <typename Sink>
void AddHexadecimal(Sink& sink, char character) {
  auto const byte = static_cast<unsigned char>(character);
  sink.Add(encoding::HexDigits[byte >> 4U]);
  sink.Add(encoding::HexDigits[byte & 15U]);
}

template <typename Sink>
void AddForm(Sink& sink, gsl::span<FormField const> fields) {
  bool isFirst = true;
  for (auto const& [name, value] : fields) {
    if (!isFirst) sink.Add('&');
    isFirst = false;
    Add(sink, name);
    sink.Add('=');
    for (char const character : value) {
      if (IsUnreserved(character)) {
        sink.Add(character);
      } else {
        sink.Add('%');
        AddHexadecimal(sink, character);
      }
    }
  }
}

template <typename Sink>
void AddJsonObject(Sink& sink, gsl::span<FormField const> fields) {
  char before = '{';
  for (auto const& [name, value] : fields) {
    sink.Add(before);
    before = ',';
    json::AddString(sink, name);
    sink.Add(':');
    json::AddString(sink, value);
  }
  sink.Add('}');
}

/// What `add(sink)` adds, counted first and then written into a buffer of that size.
template <typename Add>
Secret WriteOnce(Add const& add) {
  Counter counter;
  add(counter);
  Writer writer{counter.Size()};
  add(writer);
  return writer.Take();
}

}  // namespace

Secret WriteForm(gsl::span<FormField const> fields) {
  return WriteOnce([fields](auto& sink) { AddForm(sink, fields); });
}

Secret WriteJsonObject(gsl::span<FormField const> fields) {
  return WriteOnce([fields](auto& sink) { AddJsonObject(sink, fields); });
}

}  // namespace mtlspop
