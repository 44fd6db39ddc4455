#pragma once

/// @file
/// What the friendly name of a stored certificate says.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace mtlspop::windows {

/// Everything about a binding that is not in its certificate. None of it is secret.
struct FriendlyName {
  /// Names the binding among those of this user; made by `BindingTag`.
  std::string Tag;
  std::string ClientId;
  std::string TenantId;
  std::string MtlsEndpoint;
  std::string TokenEndpoint;
  bool Attested = false;
  std::chrono::system_clock::time_point IssuedOn;
};

/// A short tag for a store's name of a binding.
std::string BindingTag(std::string_view name);

/// "mtlspop|1|tag|client id|tenant|endpoint|token endpoint|attested|seconds since 1970".
/// None where a part holds a '|' or a character outside ASCII.
std::optional<std::wstring> Format(FriendlyName const& name);

/// None where the text was not made by `Format`.
std::optional<FriendlyName> ParseFriendlyName(std::wstring_view text);

}  // namespace mtlspop::windows
