#pragma once

/// @file
/// Certificate-bound tokens for cpprestsdk: one handler, and the requests of an `http_client` carry a bound token over a
/// connection that presents the very certificate it is bound to.
///
/// @code
/// auto credential = std::make_shared<mtlspop::ManagedIdentityCredential>();
/// web::http::client::http_client client(U("https://myvault.vault.azure.net"));
/// mtlspop::cpprest::AddHandler(client, credential);
/// auto answer = client.request(web::http::methods::GET, U("/secrets/mysecret?api-version=7.4")).get();
/// auto secret = answer.extract_json().get();
/// @endcode
///
/// Not for websockets: cpprestsdk's websocket client has no handlers.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <cpprest/http_client.h>
#include <gsl/pointers>

#include "mtlspop/cpprest/export.hpp"
#include "mtlspop/credential/token_credential.hpp"
#include "mtlspop/policies/bound_call.hpp"
#include "mtlspop/policies/identification_policy.hpp"
#include "mtlspop/transport/clock.hpp"
#include "mtlspop/transport/http_transport.hpp"

namespace mtlspop::cpprest {

/// Options of `AddHandler`, `MakeClient` and `MakeHandler`.
struct MTLSPOP_CPPREST_EXPORT HandlerOptions {
  // Not inline: where a default member initializer may throw, g++ 12 warns in whoever leaves the options out that members
  // are used uninitialized.
  HandlerOptions();

  /// What requests travel through. Null for a transport that the whole process shares (`DefaultHttpTransport()`), or one
  /// of the handler's own where `Config` names a proxy.
  std::shared_ptr<HttpTransport> Transport;
  /// What tokens are asked for; empty for what the resource's challenge names (`BoundCallOptions::Scopes`).
  std::vector<std::string> Scopes;
  /// "" for the one that the resource's challenge names, or else the credential's own.
  std::string TenantId;
  /// As `BoundCallOptions::AdditionallyAllowedTenants`.
  std::vector<std::string> AdditionallyAllowedTenants;
  /// As `BoundCallOptions::Binding`.
  std::optional<TokenBinding> Binding;
  /// How often, and after what, a request is sent again.
  RetryOptions Retry;
  /// What is remembered of resources, and for how long.
  ResourceMemoryOptions Memory;
  /// For the waits between attempts.
  std::shared_ptr<Clock> Time = SystemClock();
  /// How long the body of an answer may be, in bytes after decompression, where cpprestsdk holds it in memory: an
  /// answer without a response stream of the application's (`http_request::set_response_stream`). A larger one fails
  /// with `buffered_body_limit_exceeded`.
  std::size_t BufferedBodyBytes = DefaultBufferedBodyBytes;
  /// One line for each attempt.
  EventSink Observer;
  /// Stands in front of cpprestsdk's own `User-Agent`, "mtlspop/0.1.0 (Linux) cpprestsdk/2.10.18"; "" for that one alone. A
  /// request with a `User-Agent` of the application's keeps it as it is.
  std::string UserAgent = DefaultUserAgent();
  /// The configuration of the client. A handler cannot see it. `AddHandler` and `MakeClient` set it.
  ///
  /// - Honoured: the timeout, the proxy with its credentials, the chunk size, guaranteed order and compressed answers
  ///   (`set_request_compressed_response`).
  /// - Refused, since it cannot hold for a bound request: certificates that are not validated, credentials for the server
  ///   or OAuth settings, a TLS context callback, SNI switched off, discovery of a proxy by the network
  ///   (`web_proxy::use_auto_discovery`).
  /// - Not for tokens: the proxy is this client's. Tokens are requested through the credential's own transport, whose proxy is
  ///   that of the credential's options (`Transport`) or of the environment (`HTTPS_PROXY`); the event
  ///   `client.proxy_not_for_tokens` says so once for each client.
  /// - Without effect: redirects, which are never followed; `set_buffer_request` (Windows), since bodies are streamed;
  ///   callbacks on native handles, since the client's own connection is never used.
  web::http::client::http_client_config Config;
};

/// Has the requests of `client` authorized and sent through this library's transport, as its configuration says; its own
/// connection is never used. Answers are ordinary `http_response`s. `options.Config` is replaced by `client.client_config()`.
///
/// - It never blocks its caller, and no thread waits for a request: ten thousand may be in flight. Continuations run where
///   cpprestsdk runs them, on its forty threads. A continuation may wait for another request: where all forty wait, threads
///   of this library's do the pool's work. That takes some hundredths of a second to begin; return tasks rather than wait
///   for them where that matters. On Windows they run in the system's thread pool, which grows to 500 threads, and nobody can
///   do its work: where 500 continuations wait for other requests at a time, the process stands still for ever. Return tasks
///   rather than wait there. A progress handler, and a stream of the application's while it is called, must not wait
///   for another request: they run on few threads of this library's.
/// - What the application's streams and progress handler throw, or a body's stream is closed with, reaches the caller as it
///   is and at once: such a request is not repeated.
/// - Handlers added before and after it run as ever; wherever it stands, sending comes last. A client takes one such
///   handler, and requests fail with `invalid_argument` where it has two.
/// - Refused in a request, with `invalid_argument`: the fields TE and Upgrade, and `set_decompress_factories` where the
///   configuration does not ask for compressed answers. They need another way of reading the answer.
/// - Failures are `HttpException`s, which are `web::http::http_exception`s.
/// - The timeout bounds the time without progress, as in cpprestsdk; from the call to the answer's header it includes the
///   token and all attempts.
///
/// Thread safety: the client serves any number of threads; adding handlers is the application's to synchronize, as ever.
/// @throw Error `invalid_argument` for a configuration or options that cannot be used; what `MakeHttpTransport` throws.
MTLSPOP_CPPREST_EXPORT void AddHandler(
    web::http::client::http_client& client, std::shared_ptr<TokenCredential> credential, HandlerOptions options = {});

/// A client whose requests are bound: an `http_client` with such a handler. `options.Config` is replaced by `config`.
/// @throw Error as `AddHandler`; std::invalid_argument for a URI that cpprestsdk does not take.
MTLSPOP_CPPREST_EXPORT web::http::client::http_client MakeClient(
    web::uri const& uri,
    std::shared_ptr<TokenCredential> credential,
    web::http::client::http_client_config const& config = {},
    HandlerOptions options = {});

/// The handler by itself, for code that adds handlers but does not see the client. It cannot see the client's
/// configuration either: pass a copy in `options.Config`, or the client's timeout, proxy and whatever else it was set to go
/// unheeded. Each client takes a handler of its own.
/// @throw Error as `AddHandler`.
MTLSPOP_CPPREST_EXPORT std::shared_ptr<web::http::http_pipeline_stage> MakeHandler(
    std::shared_ptr<TokenCredential> credential, HandlerOptions options = {});

}  // namespace mtlspop::cpprest
