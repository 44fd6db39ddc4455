#pragma once

/// @file
/// Federated identity in two legs, bound all the way: a bound token of another credential is the assertion with which
/// an application asks for its own.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gsl/pointers>

#include "mtlspop/credential/client_certificate_credential.hpp"
#include "mtlspop/credential/token_credential.hpp"
#include "mtlspop/export.hpp"

namespace mtlspop {

/// Options of `ClientAssertionCredential`.
struct ClientAssertionCredentialOptions : AuthorityOptions {
  /// The application's id.
  std::string ClientId;
  /// Leg 1: gives the bound token that is the assertion. Must not be null.
  std::shared_ptr<TokenCredential> Assertion;
  /// The scope of leg 1.
  std::string AssertionScope = "api://AzureADTokenExchange/.default";

  /// Whether tokens have to be bound. `None`: bearer tokens, asked for over mutual TLS.
  TokenBinding Binding = TokenBinding::Required;
  /// For example "cp1".
  std::vector<std::string> ClientCapabilities;

  /// Null for `DefaultHttpTransport()`.
  std::shared_ptr<HttpTransport> Transport;
  /// Must not be null.
  std::shared_ptr<Clock> Time = SystemClock();
  /// Gives random numbers from 0 up to, but not including, 1; called from any thread. They spread renewals and
  /// retries, so that machines which were started together do not ask together. Empty for the system's generator. Where
  /// it always gives 0, renewals come exactly when they are due.
  std::function<double()> Random;
  /// Who is told of what happens; the process's default observer where nobody else is named.
  EventSink Observer;
};

/// Tokens for an application, bound to the certificate that leg 1's token is bound to.
///
/// Thread safety: all members may be called from any thread. A call with a cached answer takes no lock.
class MTLSPOP_EXPORT ClientAssertionCredential final : public TokenCredential {
 public:
  /// Sends nothing.
  /// @throw Error `tenant_required`, `invalid_argument`
  explicit ClientAssertionCredential(ClientAssertionCredentialOptions options);
  /// Ends background work and waits for it.
  ~ClientAssertionCredential() override;

  /// @throw Error what leg 1 throws, and the codes of errors.hpp
  AccessToken GetToken(TokenRequest const& request, Context const& context) override;
  std::optional<AccessToken> TryGetToken(TokenRequest const& request) override;
  void GetTokenAsync(TokenRequest const& request, Context const& context, Completion<AccessToken> done) override;
  void ReportRefusal(TokenRequest const& request, AccessToken const& refused, RefusalReason reason) noexcept override;
  std::string_view Name() const noexcept override { return "ClientAssertionCredential"; }

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mtlspop
