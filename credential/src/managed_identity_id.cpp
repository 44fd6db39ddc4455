#include "mtlspop/credential/managed_identity_id.hpp"

#include <algorithm>

#include "mtlspop/transport/error.hpp"

namespace mtlspop {
namespace {

constexpr std::size_t LongestName = 2048;

}  // namespace

ManagedIdentityId::ManagedIdentityId(Kind kind, std::string value) : kind_(kind), value_(std::move(value)) {
  bool const printable = std::none_of(
      value_.begin(), value_.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
  if (value_.empty() || value_.size() > LongestName || !printable) {
    throw Error{
        {errors::InvalidArgument, "The id of the user-assigned identity is empty, too long or has control characters",
         "Give the identity's client id, object id or resource id as the portal shows it"}};
  }
}

ManagedIdentityId ManagedIdentityId::FromClientId(std::string clientId) {
  return ManagedIdentityId{Kind::ClientId, std::move(clientId)};
}

ManagedIdentityId ManagedIdentityId::FromObjectId(std::string objectId) {
  return ManagedIdentityId{Kind::ObjectId, std::move(objectId)};
}

ManagedIdentityId ManagedIdentityId::FromResourceId(std::string resourceId) {
  return ManagedIdentityId{Kind::ResourceId, std::move(resourceId)};
}

std::string_view ManagedIdentityId::QueryParameter() const noexcept {
  switch (kind_) {
    case Kind::ClientId:
      return "client_id";
    case Kind::ObjectId:
      return "object_id";
    case Kind::ResourceId:
      return "msi_res_id";
    case Kind::SystemAssigned:
      break;
  }
  return "";
}

std::string ManagedIdentityId::ToString() const {
  if (kind_ == Kind::SystemAssigned) return "system-assigned";
  return std::string{QueryParameter()} + "=" + value_;
}

}  // namespace mtlspop
