#pragma once

/// @file
/// A text in UTF-16 that WinHTTP is given and that may hold a token or a password.

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include "mtlspop/base/windows/wide_text.hpp"
#include "mtlspop/transport/secret.hpp"

namespace mtlspop::schannel {

/// Overwritten when it goes, and where it lay before it grew. Moving leaves nothing behind.
///
/// Thread safety: as a standard container.
class CleansedText final {
 public:
  CleansedText() = default;
  CleansedText(CleansedText const&) = delete;
  CleansedText(CleansedText&& other) noexcept : characters_(std::exchange(other.characters_, {})) {}
  CleansedText& operator=(CleansedText const&) = delete;
  CleansedText& operator=(CleansedText&& other) noexcept {
    characters_.swap(other.characters_);
    return *this;
  }
  ~CleansedText() { Cleanse(characters_.data(), characters_.size() * sizeof(wchar_t)); }

  /// Byte for character, as header fields go through WinHTTP.
  CleansedText& AppendBytes(std::string_view bytes) {
    auto* const to = Grow(bytes.size());
    std::transform(bytes.begin(), bytes.end(), to, WidenByte);
    return *this;
  }
  CleansedText& Append(std::wstring_view text) {
    std::copy(text.begin(), text.end(), Grow(text.size()));
    return *this;
  }
  /// From UTF-8; a byte that is no UTF-8 becomes U+FFFD.
  CleansedText& AppendUtf8(std::string_view text) {
    auto wide = Widen(text);
    Append(wide);
    Cleanse(wide.data(), wide.size() * sizeof(wchar_t));
    return *this;
  }

  bool Empty() const noexcept { return characters_.size() <= 1; }
  /// Ends with a zero.
  wchar_t const* Characters() const noexcept { return characters_.empty() ? L"" : characters_.data(); }

 private:
  /// Where `count` characters more are to be written; a zero stands behind them.
  wchar_t* Grow(std::size_t count) {
    auto const held = characters_.empty() ? 0 : characters_.size() - 1;
    auto const needed = held + count + 1;
    if (needed > characters_.capacity()) {
      CleansedText larger;
      larger.characters_.reserve(std::max(needed, 2 * characters_.capacity()));
      larger.characters_ = characters_;
      characters_.swap(larger.characters_);
    }
    characters_.resize(needed);
    return characters_.data() + held;
  }

  std::vector<wchar_t> characters_;
};

}  // namespace mtlspop::schannel
