#pragma once

/// @file
/// A JSON value (RFC 8259) in memory.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace mtlspop::json {

/// Null, a boolean, a number, a text, an array or an object. Destroying one allocates nothing, so that a parse that ends for
/// want of memory is an exception and not the end of the process; trees of libraries are taken apart with a list of their own.
/// What is deep takes stack: whoever makes one bounds it.
///
/// Thread safety: as a standard container.
class Value final {
 public:
  using Elements = std::vector<Value>;
  using Members = std::map<std::string, Value, std::less<>>;
  /// A number with a fraction or an exponent, and how it was written.
  struct Real {
    double Number;
    std::string Written;
  };

  Value() noexcept;
  Value(bool value) noexcept;
  Value(std::int64_t number) noexcept;
  Value(std::uint64_t number) noexcept;
  Value(Real number) noexcept;
  Value(std::string text) noexcept;
  Value(std::string_view text);
  Value(char const* text);
  static Value Array();
  static Value Object();

  Value(Value&&) noexcept;
  Value& operator=(Value&&) noexcept;
  Value(Value const&) = delete;
  Value& operator=(Value const&) = delete;
  ~Value();

  /// What it is; null where it is something else.
  std::string const* Text() const noexcept;
  Elements const* AsArray() const noexcept;
  Members const* AsObject() const noexcept;
  Members* AsObject() noexcept;
  std::optional<bool> Boolean() const noexcept;
  /// Any number, rounded where it is large.
  std::optional<double> Number() const noexcept;
  /// A whole number that is not negative and was written so.
  std::optional<std::uint64_t> Unsigned() const noexcept;

  /// The member of an object; null where it has none of that name, and where this is none.
  Value const* Find(std::string_view name) const noexcept;
  /// Of an object.
  Value& Set(std::string_view name, Value value);
  bool Erase(std::string_view name) noexcept;
  /// To an array.
  Value& Append(Value value);

  /// Compact, members sorted by name. What is not UTF-8 is replaced rather than refused.
  std::string ToText() const;
  /// The text of null, a boolean, or a number.
  std::string Plain() const;

 private:
  std::variant<
      std::monostate,
      bool,
      std::int64_t,
      std::uint64_t,
      Real,
      std::string,
      std::unique_ptr<Elements>,
      std::unique_ptr<Members>>
      value_;
};

}  // namespace mtlspop::json
