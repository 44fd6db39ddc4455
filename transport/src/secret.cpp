#include "mtlspop/transport/secret.hpp"

#include <ostream>
#include <utility>

namespace mtlspop {

void Cleanse(std::string& text) noexcept {
  // A short string lives inside its object and a long one in its own storage: growing to the capacity reaches both
  // without a reallocation, and the volatile writes may not be left out.
  text.resize(text.capacity());
  char volatile* byte = text.data();
  for (std::size_t left = text.size(); left != 0; --left) {
    *byte++ = 0;
  }
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
