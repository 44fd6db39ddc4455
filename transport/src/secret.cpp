#include "mtlspop/transport/secret.hpp"

#include <cstring>
#include <ostream>
#include <utility>

namespace mtlspop {

void Cleanse(void* memory, std::size_t size) noexcept {
  // What a volatile pointer points to has to be called.
  static void* (*const volatile overwrite)(void*, int, std::size_t) = std::memset;
  if (size != 0) overwrite(memory, 0, size);
}

void Cleanse(std::string& text) noexcept {
  // A short string lives inside its object and a long one in its own storage: growing to the capacity reaches both
  // without a reallocation.
  text.resize(text.capacity());
  Cleanse(text.data(), text.size());
  text.clear();
}

namespace {

std::shared_ptr<std::string const> Keep(std::string text) {
  std::unique_ptr<std::string> owned{new std::string(std::move(text))};
  return {owned.release(), [](std::string const* held) {
            std::unique_ptr<std::string> dying{const_cast<std::string*>(held)};
            Cleanse(*dying);
          }};
}

}  // namespace

Secret::Secret(std::string&& text) {
  if (!text.empty()) {
    text_ = Keep(std::string{text});
    Cleanse(text);
  }
}

Secret::Secret(std::string_view text) : text_(text.empty() ? nullptr : Keep(std::string{text})) {}

std::string const& Secret::Reveal() const noexcept {
  static std::string const none;
  return text_ ? *text_ : none;
}

std::ostream& operator<<(std::ostream& stream, Secret const& secret) {
  return stream << (secret.Empty() ? "" : "[redacted]");
}

}  // namespace mtlspop
