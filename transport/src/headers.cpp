#include "mtlspop/transport/headers.hpp"

#include <algorithm>

#include "credential_fields.hpp"
#include "mtlspop/transport/secret.hpp"

namespace mtlspop {
namespace {

constexpr char ToLower(char character) noexcept {
  return character >= 'A' && character <= 'Z' ? static_cast<char>(character - 'A' + 'a') : character;
}

void CleanseSecret(Headers::Field& field) noexcept {
  if (IsCredentialField(field.first)) {
    Cleanse(field.second);
  }
}

}  // namespace

Headers& Headers::operator=(Headers other) noexcept {
  fields_.swap(other.fields_);
  return *this;
}

Headers::~Headers() { std::for_each(fields_.begin(), fields_.end(), &CleanseSecret); }

bool EqualsIgnoreCase(char const* left, char const* right, std::size_t size) noexcept {
  return std::equal(left, left + size, right, [](char a, char b) { return a == b || ToLower(a) == ToLower(b); });
}

void Headers::Set(std::string_view name, std::string value) {
  auto const sameName = [name](Field const& field) { return EqualsIgnoreCase(field.first, name); };
  auto const first = std::find_if(fields_.begin(), fields_.end(), sameName);
  if (first == fields_.end()) {
    fields_.emplace_back(std::string{name}, std::move(value));
    return;
  }
  std::for_each(fields_.begin(), fields_.end(), [&](Field& field) {
    if (sameName(field)) {
      CleanseSecret(field);
    }
  });
  first->second = std::move(value);
  fields_.erase(std::remove_if(first + 1, fields_.end(), sameName), fields_.end());
}

bool Headers::Remove(std::string_view name) {
  auto const sameName = [name](Field const& field) { return EqualsIgnoreCase(field.first, name); };
  auto const first = std::find_if(fields_.begin(), fields_.end(), sameName);
  if (first == fields_.end()) {
    return false;
  }
  auto const end = std::remove_if(first, fields_.end(), [&](Field& field) {
    bool const same = sameName(field);
    if (same) {
      CleanseSecret(field);
    }
    return same;
  });
  fields_.erase(end, fields_.end());
  return true;
}

std::string const* Headers::Find(std::string_view name) const noexcept {
  for (auto const& field : fields_) {
    if (EqualsIgnoreCase(field.first, name)) {
      return &field.second;
    }
  }
  return nullptr;
}

std::string_view Headers::Get(std::string_view name) const noexcept {
  auto const* value = Find(name);
  return value != nullptr ? std::string_view{*value} : std::string_view{};
}

std::vector<std::string_view> Headers::GetAll(std::string_view name) const {
  std::vector<std::string_view> values;
  for (auto const& field : fields_) {
    if (EqualsIgnoreCase(field.first, name)) {
      values.emplace_back(field.second);
    }
  }
  return values;
}

}  // namespace mtlspop
