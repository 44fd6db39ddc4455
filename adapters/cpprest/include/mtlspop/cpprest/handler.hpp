#pragma once

/// @file
/// Certificate-bound tokens for cpprestsdk: one handler, and the requests of an `http_client` carry a bound token over a
/// connection that presents the very certificate it is bound to.
///
/// @code
/// auto credential = std::make_shared<mtlspop::ManagedIdentityCredential>();
/// web::http::client::http_client client(U("https://myvault.vault.azure.net"));
/// client.add_handler(mtlspop::cpprest::MakeHandler(credential));
/// client.request(web::http::methods::GET, U("/secrets/mysecret?api-version=7.4"))
///     .then([](web::http::http_response response) { return response.extract_json(); });
/// @endcode
///
/// Not for websockets: cpprestsdk's websocket client has no handlers.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <cpprest/http_client.h>
#include <gsl/pointers>

#include "mtlspop/credential/token_credential.hpp"
#include "mtlspop/policies/retry_policy.hpp"
#include "mtlspop/transport/http_transport.hpp"

namespace mtlspop::cpprest {

struct HandlerOptions {
  // Not inline: where a default member initializer may throw, g++ 12 warns in whoever calls `MakeHandler(credential)` that
  // members are used uninitialized.
  HandlerOptions();

  /// What requests travel through. Null for a transport that the whole process shares (`DefaultHttpTransport()`), or one
  /// of the handler's own where `Config` names a proxy.
  std::shared_ptr<HttpTransport> Transport;
  /// What tokens are asked for; empty for what the resource's challenge names (`TokenAuthorizationOptions::Scopes`).
  std::vector<std::string> Scopes;
  /// "" for the one that the resource's challenge names, or else the credential's own.
  std::string TenantId;
  /// Stricter than the credential's own setting, never laxer.
  std::optional<TokenBinding> Binding;
  RetryOptions Retry;
  /// One line for each attempt.
  Logger Log = Logger::FromEnvironment();
  /// The configuration of the client, since a handler cannot see it. `MakeClient` sets it. Honoured are the timeout, the
  /// proxy with its credentials, the chunk size, guaranteed order and compressed responses. Refused is what cannot hold for
  /// a bound request: certificates that are not validated, credentials for the server, a TLS context callback, SNI switched
  /// off. Redirects are never followed, whatever it says.
  web::http::client::http_client_config Config;
};

/// A handler for `http_client::add_handler`. It authorizes each request and sends it through this library's transport; the
/// client's own connection is never used. The answer is an ordinary `http_response`.
///
/// - It never blocks its caller. Requests run on threads of the handler's own, as many as are needed at a time, and so do
///   the continuations of the tasks it returns: a continuation may wait for another request.
/// - Handlers added before and after it run as ever; wherever it stands, sending comes last. Each client takes a handler
///   of its own.
/// - Failures are `HttpException`s, which are `web::http::http_exception`s.
/// - The timeout bounds the time without progress, as in cpprestsdk; from the call to the answer's header it includes the
///   token and all attempts.
///
/// Thread safety: the handler serves any number of threads; adding handlers is the application's to synchronize, as ever.
/// @throw Error `invalid_argument` for options that cannot be used; what `MakeHttpTransport` throws.
std::shared_ptr<web::http::http_pipeline_stage> MakeHandler(
    std::shared_ptr<TokenCredential> credential, HandlerOptions options = {});

/// A client whose requests are bound: an `http_client` with such a handler. `options.Config` is replaced by `config`.
/// @throw Error as `MakeHandler`; std::invalid_argument for a URI that cpprestsdk does not take.
web::http::client::http_client MakeClient(
    web::uri const& uri,
    std::shared_ptr<TokenCredential> credential,
    web::http::client::http_client_config const& config = {},
    HandlerOptions options = {});

}  // namespace mtlspop::cpprest
