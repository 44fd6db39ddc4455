#pragma once

/// @file
/// Which managed identity of a machine is meant.

#include <string>
#include <string_view>

namespace mtlspop {

/// The system-assigned identity, or a user-assigned one by one of its three names. A value.
class ManagedIdentityId final {
 public:
  enum class Kind { SystemAssigned, ClientId, ObjectId, ResourceId };

  /// The system-assigned identity.
  ManagedIdentityId() = default;
  static ManagedIdentityId SystemAssigned() { return {}; }
  /// @throw Error `invalid_argument` for an empty or overlong name or one with control characters; so do the two below.
  static ManagedIdentityId FromClientId(std::string clientId);
  static ManagedIdentityId FromObjectId(std::string objectId);
  /// For example
  /// "/subscriptions/.../resourceGroups/.../providers/Microsoft.ManagedIdentity/userAssignedIdentities/app".
  static ManagedIdentityId FromResourceId(std::string resourceId);

  Kind GetKind() const noexcept { return kind_; }
  /// The name, "" for the system-assigned identity.
  std::string const& Value() const noexcept { return value_; }
  /// The query parameter of the metadata service that selects it: `client_id`, `object_id`, `msi_res_id`, or "". Version 2
  /// of the service calls the last one `mi_res_id`.
  std::string_view QueryParameter() const noexcept;
  /// For logs: "system-assigned" or "client_id=...".
  std::string ToString() const;

  friend bool operator==(ManagedIdentityId const& left, ManagedIdentityId const& right) noexcept {
    return left.kind_ == right.kind_ && left.value_ == right.value_;
  }
  friend bool operator!=(ManagedIdentityId const& left, ManagedIdentityId const& right) noexcept {
    return !(left == right);
  }

 private:
  ManagedIdentityId(Kind kind, std::string value);
  Kind kind_ = Kind::SystemAssigned;
  std::string value_;
};

}  // namespace mtlspop
