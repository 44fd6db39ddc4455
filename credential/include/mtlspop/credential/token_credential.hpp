#pragma once

/// @file
/// The one interface that everything above accepts: a source of tokens with their bindings.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtlspop/credential/access_token.hpp"
#include "mtlspop/export.hpp"
#include "mtlspop/transport/context.hpp"
#include "mtlspop/transport/outcome.hpp"

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

/// The setting that holds for one request. It is `Required` where the credential requires binding; otherwise it is
/// what the request says; where the request says nothing, it is what the credential says. So a request may ask for a
/// bearer token, for a resource that takes no other, where the credential only prefers binding. A credential that
/// requires binding never gives one.
constexpr TokenBinding EffectiveBinding(TokenBinding ofCredential, std::optional<TokenBinding> ofRequest) noexcept {
  return ofCredential == TokenBinding::Required ? TokenBinding::Required : ofRequest.value_or(ofCredential);
}

/// What a token is asked for. A query: it changes nothing but the cache.
struct TokenRequest {
  /// For example "https://vault.azure.net/.default". At least one.
  std::vector<std::string> Scopes;
  /// The tenant, "" for the credential's own.
  std::string TenantId;
  /// The JSON of a claims challenge, decoded; "" for none. A cached token is not used then.
  std::string Claims;
  /// See `EffectiveBinding`; none for the credential's own setting.
  std::optional<TokenBinding> Binding;
};

/// Why a token was refused by the one it was shown to.
enum class RefusalReason {
  /// The token itself: revoked, for example, or obtained while a clock was wrong. Its binding is not in doubt.
  TokenRejected,
  /// The certificate: refused in the TLS handshake, or by the resource when it had checked the binding.
  BindingNoLongerGood,
  /// The certificate's private key does not sign any more.
  PrivateKeyUnusable,
};

/// "token_rejected", "binding_no_longer_good", "private_key_unusable".
MTLSPOP_EXPORT std::string_view ToString(RefusalReason reason) noexcept;

/// Produces tokens. Implementations of this library are safe from any thread and meant to be shared. One that
/// implements no more than `GetToken` and `Name` is correct.
class MTLSPOP_EXPORT TokenCredential {
 public:
  virtual ~TokenCredential() = default;

  /// @throw Error, with the codes of errors.hpp and of mtlspop/transport/error.hpp. When its `context` ends, the caller
  /// returns at once; others that wait for the same token are not affected.
  virtual AccessToken GetToken(TokenRequest const& request, Context const& context) = 0;

  /// A token from memory, where `GetToken` would return one at once; nothing where it would have to wait. Never
  /// waits. A caller that may not wait asks with `GetTokenAsync` then.
  ///
  /// By default always nothing.
  /// @throw Error what `GetToken` throws before it asks anybody
  virtual std::optional<AccessToken> TryGetToken(TokenRequest const& request) {
    static_cast<void>(request);
    return std::nullopt;
  }

  /// As `GetToken`, without waiting for it: `done` gets what `GetToken` returns or throws. The credential must live until
  /// then. What is promised to `done` and asked of it is said in outcome.hpp.
  ///
  /// By default calls `GetToken` on one of a bounded number of threads (64 for the process), where it may wait for its turn.
  /// A credential that has an asynchronous way of its own overrides this.
  /// @throw Error `system_failure` where no thread can be had, std::bad_alloc; `done` is not called then
  virtual void GetTokenAsync(TokenRequest const& request, Context const& context, Completion<AccessToken> done);

  /// Tells that `refused`, which `GetToken` gave for `request`, was refused. After that, `GetToken` does not give that
  /// token again (`TokenRejected`), nor one with its binding (the other two reasons), unless nothing else is to be had or
  /// the credential limits replacements: no resource can have a new certificate issued for each request. Then it gives
  /// the same again, and whoever asked sees that it is the same.
  ///
  /// By default does nothing. Never waits and sends nothing. A token that the credential no longer knows is ignored.
  virtual void ReportRefusal(TokenRequest const& request, AccessToken const& refused, RefusalReason reason) noexcept {
    static_cast<void>(request), static_cast<void>(refused), static_cast<void>(reason);
  }

  /// For logs: the name of the kind of credential, for example "ManagedIdentityCredential".
  virtual std::string_view Name() const noexcept = 0;
};

}  // namespace mtlspop
