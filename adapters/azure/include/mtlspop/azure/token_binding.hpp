#pragma once

/// @file
/// Token binding for a client of the Azure SDK for C++.

#include <memory>

#include <azure/core/internal/client_options.hpp>

#include "mtlspop/azure/bound_token_credential.hpp"
#include "mtlspop/azure/export.hpp"

namespace mtlspop::azure {

/// Makes clients that are constructed with `options` use the bound tokens of `credential`, each request with the
/// certificate that its token is bound to. For every client whose options derive from Azure's `ClientOptions`.
///
/// - Adds a per-retry policy. It exchanges the handle that Azure's own authentication policy wrote for a token of the
///   credential and its binding, anew for each request; tokens of other credentials pass untouched. The token itself is put
///   on the wire by the transport together with the certificate, and by nothing else: where another transport is in its
///   place, nothing is sent.
/// - Sets the transport. Of what `options.Transport` says, the proxy with its credentials and the expected root certificate
///   are kept; an empty `HttpProxy` means none, not even the environment's. The expected root may be an issuing authority or
///   the server's own certificate, and is then the only one that is trusted.
/// - Does what `BoundCall` says about refusals, once for each call of the client, however many requests Azure's retry and
///   authentication policies make of it. Lost connections and error statuses are theirs; a failed binding check
///   (`MtlsCnfClaimRequestDataValidationFailed`) is retried here, as often and as slowly as `options.Retry` or the answer's
///   `Retry-After` says. So set `options.Retry` before this call. Where an answer about the binding, or for claims, is the
///   result, it comes back without its `WWW-Authenticate`, so that Azure's own challenge handling does not start over; its
///   body says what was wrong.
/// - After any other 401 Azure's policies ask for another token. One that this resource has refused is then replaced, three
///   times in five minutes at most.
/// - A resource that refuses bound tokens altogether is sent a bearer token where `TokenBinding::Preferred` was chosen;
///   otherwise it is an error.
/// - A redirect in answer to a bound request is an error.
///
/// Options may go through here more than once, for one credential or for several, as the parts of a
/// `ChainedTokenCredential` are; the transport of the first call is kept.
///
/// A client whose options did not go through here is not affected, and has no use of the credential: see
/// `BoundTokenCredential`.
///
/// @throw Error `invalid_argument` where the options already name another transport, name credentials for a proxy and no
/// proxy, switch certificate validation off, or ask for revocation checks that are configured elsewhere
/// (`TrustOptions::CrlFile`); what `MakeHttpTransport` throws.
MTLSPOP_AZURE_EXPORT void UseTokenBinding(
    Azure::Core::_internal::ClientOptions& options, std::shared_ptr<BoundTokenCredential> const& credential);

}  // namespace mtlspop::azure
