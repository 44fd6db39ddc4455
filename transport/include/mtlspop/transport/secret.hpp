#pragma once

/// @file
/// A text that must not be seen: a token, an assertion, a password.

#include <cstddef>
#include <iosfwd>
#include <memory>
#include <string>
#include <string_view>

#include "mtlspop/export.hpp"

namespace mtlspop {

/// An immutable secret text. Copies share one buffer, which is overwritten when the last copy goes, and which stays out of
/// core files where the system can do that (Linux: `MADV_DONTDUMP`). Printing one prints `[redacted]`; only `Reveal()`
/// gives the text.
///
/// Thread safety: as `std::shared_ptr<std::string const>`.
class MTLSPOP_EXPORT Secret final {
 public:
  /// The empty secret.
  Secret() noexcept = default;
  /// Takes `text` over; what is left in the caller's string is overwritten.
  explicit Secret(std::string&& text);
  /// Copies `text`.
  explicit Secret(std::string_view text);

  /// The text, with a zero byte behind its end. Valid for as long as a copy of this secret lives. A copy of it, a
  /// `std::string` say, is an ordinary text, which nobody overwrites.
  std::string_view Reveal() const noexcept;
  /// Whether the text is empty.
  bool Empty() const noexcept { return Reveal().empty(); }

  friend bool operator==(Secret const& left, Secret const& right) noexcept { return left.Reveal() == right.Reveal(); }
  friend bool operator!=(Secret const& left, Secret const& right) noexcept { return !(left == right); }
  friend MTLSPOP_EXPORT std::ostream& operator<<(std::ostream& stream, Secret const& secret);

 private:
  class Held;

  std::shared_ptr<Held const> held_;
};

/// Overwrites `size` bytes in a way the compiler does not leave out.
MTLSPOP_EXPORT void Cleanse(void* memory, std::size_t size) noexcept;

/// Overwrites what `text` holds in a way the compiler does not leave out, its spare capacity included, and empties it.
MTLSPOP_EXPORT void Cleanse(std::string& text) noexcept;

}  // namespace mtlspop
