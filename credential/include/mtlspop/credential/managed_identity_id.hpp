#pragma once

/// @file
/// Which managed identity of a machine is meant.

#include <string>
#include <string_view>

#include "mtlspop/export.hpp"

namespace mtlspop {

/// The system-assigned identity, or a user-assigned one by one of its three names. A value.
class MTLSPOP_EXPORT ManagedIdentityId final {
 public:
  /// Which of its names an identity is given by.
  enum class Kind {
    /// None: the machine has one such identity at most.
    SystemAssigned,
    /// Its application (client) id.
    ClientId,
    /// Its object (principal) id.
    ObjectId,
    /// The id of its Azure resource.
    ResourceId,
  };

  /// The system-assigned identity.
  ManagedIdentityId() = default;
  /// The system-assigned identity, by name.
  static ManagedIdentityId SystemAssigned() { return {}; }
  /// A user-assigned identity by its application (client) id.
  /// @throw Error `invalid_argument` for an empty or overlong name or one with control characters; so do the two below.
  static ManagedIdentityId FromClientId(std::string clientId);
  /// A user-assigned identity by its object (principal) id.
  /// @throw Error as `FromClientId`
  static ManagedIdentityId FromObjectId(std::string objectId);
  /// A user-assigned identity by the id of its Azure resource, for example
  /// "/subscriptions/.../resourceGroups/.../providers/Microsoft.ManagedIdentity/userAssignedIdentities/app".
  /// @throw Error as `FromClientId`
  static ManagedIdentityId FromResourceId(std::string resourceId);

  /// Which of its names it is given by.
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
