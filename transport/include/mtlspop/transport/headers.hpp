#pragma once

/// @file
/// Header fields of a request or an answer (RFC 9110 section 5).

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mtlspop/export.hpp"

namespace mtlspop {

/// Header fields in the order they were added. Names compare without regard to case and may occur more than once. The values
/// of `Authorization`, `Proxy-Authorization`, `x-ms-authorization-auxiliary` and `x-ms-copy-source-authorization` are overwritten
/// when they go.
///
/// Thread safety: as a standard container.
class MTLSPOP_EXPORT Headers final {
 public:
  /// Name and value, as they go on the wire.
  using Field = std::pair<std::string, std::string>;
  /// Iterates over the fields in the order in which they were added.
  using const_iterator = std::vector<Field>::const_iterator;

  Headers() = default;
  /// Copies all fields, secret values too: each copy overwrites its own.
  Headers(Headers const&) = default;
  /// Takes the fields over; the other object has none then.
  Headers(Headers&&) noexcept = default;
  /// Replaces all fields by those of `other`. Secret values that were here are overwritten.
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

  /// The first field of that name, null where there is none. Valid until the next change.
  std::string const* Find(std::string_view name) const noexcept;
  /// The first field of that name, "" where there is none.
  std::string_view Get(std::string_view name) const noexcept;
  /// Whether there is a field of that name.
  bool Contains(std::string_view name) const noexcept { return Find(name) != nullptr; }
  /// All values of that name, in order.
  std::vector<std::string_view> GetAll(std::string_view name) const;

  /// The number of fields; a name that occurs twice counts twice.
  std::size_t Size() const noexcept { return fields_.size(); }
  /// Whether there is no field at all.
  bool Empty() const noexcept { return fields_.empty(); }
  /// Makes room for `count` fields, so that adding that many allocates once.
  void Reserve(std::size_t count) { fields_.reserve(count); }
  /// The first field. Valid until the next change.
  const_iterator begin() const noexcept { return fields_.begin(); }
  /// The end of the fields. Valid until the next change.
  const_iterator end() const noexcept { return fields_.end(); }

 private:
  std::vector<Field> fields_;
};

/// Whether the first `size` characters of two ASCII texts are the same but for case.
MTLSPOP_EXPORT bool EqualsIgnoreCase(char const* left, char const* right, std::size_t size) noexcept;

/// Whether two ASCII texts are the same but for case. Most names that are compared differ in length, which is seen here.
inline bool EqualsIgnoreCase(std::string_view left, std::string_view right) noexcept {
  return left.size() == right.size() && EqualsIgnoreCase(left.data(), right.data(), left.size());
}

}  // namespace mtlspop
