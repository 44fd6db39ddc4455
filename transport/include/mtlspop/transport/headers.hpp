#pragma once

/// @file
/// Header fields of a request or an answer (RFC 9110 section 5).

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mtlspop {

/// Header fields in the order they were added. Names compare without regard to case and may occur more than once. The values
/// of `Authorization`, `Proxy-Authorization` and `x-ms-authorization-auxiliary` are overwritten when they go.
///
/// Thread safety: as a standard container.
class Headers final {
 public:
  using Field = std::pair<std::string, std::string>;
  using const_iterator = std::vector<Field>::const_iterator;

  Headers() = default;
  Headers(Headers const&) = default;
  Headers(Headers&&) noexcept = default;
  Headers& operator=(Headers other) noexcept;
  ~Headers();
  /// Takes fields that somebody has collected already.
  explicit Headers(std::vector<Field> fields) noexcept : fields_(std::move(fields)) {}

  /// Adds a field behind those of the same name.
  void Add(std::string name, std::string value) { fields_.emplace_back(std::move(name), std::move(value)); }
  /// Replaces all fields of that name by one.
  void Set(std::string_view name, std::string value);
  /// Removes all fields of that name. Returns whether there was one.
  bool Remove(std::string_view name);

  /// The first field of that name, null where there is none. Good until the next change.
  std::string const* Find(std::string_view name) const noexcept;
  /// The first field of that name, "" where there is none.
  std::string_view Get(std::string_view name) const noexcept;
  bool Contains(std::string_view name) const noexcept { return Find(name) != nullptr; }
  /// All values of that name, in order.
  std::vector<std::string_view> GetAll(std::string_view name) const;

  std::size_t Size() const noexcept { return fields_.size(); }
  bool Empty() const noexcept { return fields_.empty(); }
  void Reserve(std::size_t count) { fields_.reserve(count); }
  const_iterator begin() const noexcept { return fields_.begin(); }
  const_iterator end() const noexcept { return fields_.end(); }

 private:
  std::vector<Field> fields_;
};

/// Whether two ASCII texts are the same but for case.
bool EqualsIgnoreCase(std::string_view left, std::string_view right) noexcept;

}  // namespace mtlspop
