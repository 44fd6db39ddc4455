#pragma once

/// @file
/// Token binding for a client of the Azure SDK for C++.

#include <memory>

#include <azure/core/internal/client_options.hpp>

#include "mtlspop/azure/bound_token_credential.hpp"

namespace mtlspop::azure {

/// Makes clients that are constructed with `options` use the bound tokens of `credential`, each request with the
/// certificate that its token is bound to. For every client whose options derive from Azure's `ClientOptions`.
///
/// - Adds a per-retry policy. It turns the header that Azure's own authentication policy wrote into the bound form and
///   gives the request its binding; a bearer token passes untouched. The token itself is put on the wire by the transport
///   together with the certificate, and by nothing else: with any other transport in its place the request carries none.
/// - Sets the transport. Of what `options.Transport` says, the proxy with its credentials and the expected root certificate
///   are kept; an empty `HttpProxy` means none, not even the environment's.
/// - A claims challenge, and a binding that the resource no longer takes, are answered with another token, once for each
///   call of the client; a failed binding check (`MtlsCnfClaimRequestDataValidationFailed`) is retried as often and as
///   slowly as `options.Retry` or the answer's `Retry-After` says. So set `options.Retry` before this call. Where that has
///   not helped, the 401 comes back without its `WWW-Authenticate`, so that Azure's own challenge handling does not start
///   over; its body says what was wrong.
/// - A resource that refuses bound tokens altogether is sent a bearer token where `TokenBinding::Preferred` was chosen;
///   otherwise it is an error.
/// - A redirect in answer to a bound request is an error.
///
/// Options may go through here more than once, for one credential or for several, as the parts of a
/// `ChainedTokenCredential` are; the transport of the first call is kept.
///
/// A client whose options did not go through here is not affected.
///
/// @throw Error `invalid_argument` where the options already name another transport, name credentials for a proxy and no
/// proxy, switch certificate validation off, or ask for revocation checks that are configured elsewhere
/// (`TrustOptions::CrlFile`); what `MakeHttpTransport` throws.
void UseTokenBinding(
    Azure::Core::_internal::ClientOptions& options, std::shared_ptr<BoundTokenCredential> const& credential);

}  // namespace mtlspop::azure
