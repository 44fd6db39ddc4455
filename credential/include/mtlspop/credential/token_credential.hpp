#pragma once

/// @file
/// The one interface that everything above accepts: a source of tokens with their bindings.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtlspop/credential/access_token.hpp"
#include "mtlspop/transport/context.hpp"

namespace mtlspop {

/// Whether a token has to be bound. The order is that of strictness.
enum class TokenBinding {
  /// Bearer.
  None = 0,
  /// Bound where it can be had, bearer otherwise; a log line says so.
  Preferred = 1,
  /// Bound, or an error. Never bearer.
  Required = 2,
};

/// What a token is asked for.
struct TokenRequest {
  /// For example "https://vault.azure.net/.default". At least one.
  std::vector<std::string> Scopes;
  /// The tenant, "" for the credential's own.
  std::string TenantId;
  /// The JSON of a claims challenge, decoded; "" for none. A cached token is not used then.
  std::string Claims;
  /// Stricter than the credential's own setting, never laxer; none for the credential's own.
  std::optional<TokenBinding> Binding;
  /// The resource has refused bound tokens: where binding is preferred, a bearer token is wanted. Where it is required
  /// nothing changes, and the resource stays out of reach.
  bool ResourceTakesOnlyBearer = false;
  /// Do not answer from a cache.
  bool ForceRefresh = false;
  /// The binding of this `x5t#S256` was refused by the other side: it is dropped from every cache and not used again. A
  /// binding that is refused less than five minutes after the one before it was replaced for that reason is kept, and
  /// the call fails with `binding_rejected`: no resource can have a new certificate issued for each request. "" for
  /// none.
  std::string RejectedX5tS256;
};

/// Produces tokens. Implementations of this library are safe from any thread and meant to be shared.
class TokenCredential {
 public:
  virtual ~TokenCredential() = default;

  /// @throw Error, with the codes of errors.hpp and of mtlspop/transport/error.hpp. A call whose `context` ends leaves
  /// at once and does not disturb others that wait for the same token.
  virtual AccessToken GetToken(TokenRequest const& request, Context const& context) = 0;

  /// For logs: the name of the kind of credential, for example "ManagedIdentityCredential".
  virtual std::string_view Name() const noexcept = 0;
};

}  // namespace mtlspop
