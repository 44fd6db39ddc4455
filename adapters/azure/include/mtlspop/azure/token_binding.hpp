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
///   are kept.
/// - A claims challenge, and a binding that the resource no longer takes, are answered with another token, once; a failed
///   binding check (`MtlsCnfClaimRequestDataValidationFailed`) is retried as often and as slowly as `options.Retry` says. So
///   set `options.Retry` before this call.
/// - A redirect in answer to a bound request is an error.
///
/// A client whose options did not go through here is not affected.
///
/// @throw Error `invalid_argument` where the options already name another transport, switch certificate validation off, or
/// ask for revocation checks that are configured elsewhere (`TrustOptions::CrlFile`); what `MakeHttpTransport` throws.
void UseTokenBinding(
    Azure::Core::_internal::ClientOptions& options, std::shared_ptr<BoundTokenCredential> const& credential);

}  // namespace mtlspop::azure
