#pragma once

/// @file
/// The codes of this layer. What each means and what to check is in docs/troubleshooting.md.

#include "mtlspop/transport/error.hpp"

namespace mtlspop::errors {

/// The host's instance metadata service is version 1 only, which issues no binding certificates.
inline constexpr ErrorCode MtlsPopNotSupportedInImdsV1{"mtls_pop_not_supported_in_imds_v1"};
/// The metadata service issued no certificate, most likely because the key is weaker than KeyGuard.
inline constexpr ErrorCode MtlsPopRequiresKeyGuard{"mtls_pop_requires_keyguard"};
/// Token binding for managed identities is turned off by the environment variable MSAL_MI_DISABLE_IMDS_V2.
inline constexpr ErrorCode MtlsPopDisabled{"mtls_pop_disabled"};
/// Attestation was asked for and could not be had. Nothing unattested is sent instead.
inline constexpr ErrorCode AttestationFailed{"attestation_failed"};
/// Attestation was asked for together with plain bearer tokens, which have no key to attest.
inline constexpr ErrorCode AttestationRequiresPop{"attestation_requires_pop"};
/// The resource cannot take bound tokens (AADSTS392196).
inline constexpr ErrorCode ResourceDoesNotSupportBoundTokens{"resource_does_not_support_bound_tokens"};
/// The tenant may not have attested bound tokens (AADSTS3921996).
inline constexpr ErrorCode TenantNotEligibleForBoundTokens{"tenant_not_eligible_for_bound_tokens"};
/// A token's `cnf` names another certificate than the one it was asked for with, or none.
inline constexpr ErrorCode TokenBindingMismatch{"token_binding_mismatch"};
/// The answer says another token type than the one asked for.
inline constexpr ErrorCode TokenTypeMismatch{"token_type_mismatch"};
/// A token that should be bound is not a JWT of three parts with a JSON payload.
inline constexpr ErrorCode TokenMalformed{"token_malformed"};
/// The token service's answer is not the JSON that it should be.
inline constexpr ErrorCode TokenResponseMalformed{"token_response_malformed"};
/// No connection to the instance metadata service, or no TLS with what an https address names as one.
inline constexpr ErrorCode ImdsNotReachable{"imds_not_reachable"};
/// What answers at the metadata service's address does not say that it is the metadata service, or is no HTTP.
inline constexpr ErrorCode NotImds{"not_imds"};
/// The metadata service's answer lacks a field, or is no JSON.
inline constexpr ErrorCode ImdsResponseMalformed{"imds_response_malformed"};
/// The metadata service refused the request (400, 401, 403 and other statuses that are not retried).
inline constexpr ErrorCode ImdsRefused{"imds_refused"};
/// The metadata service kept answering 404, 408, 410, 429 or 5xx through all retries, or did with a `Retry-After` that
/// holds still; or it took connections, and lost them or did not answer in time.
inline constexpr ErrorCode ImdsUnavailable{"imds_unavailable"};
/// The issued certificate is for another key, not for TLS client authentication, or not valid now.
inline constexpr ErrorCode IssuedCertificateRejected{"issued_certificate_rejected"};
/// The token service refused the binding certificate, also a newly made one.
inline constexpr ErrorCode BindingRejected{"binding_rejected"};
/// The token service refused the request for another reason.
inline constexpr ErrorCode TokenRequestRefused{"token_request_refused"};
/// The token service could not be reached, or kept answering 408, 429 or 5xx, or did with a `Retry-After` that holds
/// still.
inline constexpr ErrorCode TokenServiceUnavailable{"token_service_unavailable"};
/// The app may not authenticate with a certificate over mutual TLS (AADSTS51000).
inline constexpr ErrorCode MtlsNotEnabledForApp{"mtls_not_enabled_for_app"};
/// No key provider reaches the minimum strength asked for. Nothing was sent.
inline constexpr ErrorCode MinimumStrengthNotAvailable{"minimum_strength_not_available"};
/// A key provider could not make or open a key.
inline constexpr ErrorCode KeyUnavailable{"key_unavailable"};
/// The client certificate could not be read: no such file, wrong password, no private key, another format.
inline constexpr ErrorCode ClientCertificateUnusable{"client_certificate_unusable"};
/// A file of the binding store, or its folder, could not be made, read or written. Credentials go on without the store.
inline constexpr ErrorCode BindingStoreUnusable{"binding_store_unusable"};
/// The authority names no single tenant (`common`, `organizations`).
inline constexpr ErrorCode TenantRequired{"tenant_required"};
/// A token of another tenant than the credential's own was asked for, and `AdditionallyAllowedTenants` does not list it.
inline constexpr ErrorCode TenantNotAllowed{"tenant_not_allowed"};
/// None of a chain's credentials gave a token.
inline constexpr ErrorCode NoCredentialWorked{"no_credential_worked"};

}  // namespace mtlspop::errors
