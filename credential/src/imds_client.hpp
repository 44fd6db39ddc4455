#pragma once

/// @file
/// The instance metadata service, version 1 and 2.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtlspop/credential/access_token.hpp"
#include "mtlspop/credential/key_provider.hpp"
#include "mtlspop/credential/managed_identity_id.hpp"
#include "service_client.hpp"

namespace mtlspop {

/// What the machine says of itself and of the identity.
struct PlatformMetadata {
  std::string ClientId;
  std::string TenantId;
  /// Compact JSON for the certificate request: `vmId` first, then `vmssId`, an absent one left out.
  std::string CuIdJson;
  std::string AttestationEndpoint;
};

/// What came with a certificate.
struct IssuedCredential {
  /// In DER.
  std::vector<std::uint8_t> Certificate;
  std::string ClientId;
  std::string TenantId;
  /// Without a trailing slash.
  std::string MtlsEndpoint;
  /// The whole URL of the token endpoint, "" where the service gave none.
  std::string TokenEndpoint;
};

/// What is sent to have a certificate issued.
struct CredentialRequest {
  /// The certificate request, base64.
  Secret Csr;
  /// "" where the key is not attested.
  Secret AttestationToken;
  /// Of the key, for the error.
  KeyStrength Strength = KeyStrength::None;
};

/// Where IMDS is and whose identity is meant.
struct ImdsOptions {
  /// For example "http://169.254.169.254".
  std::string Endpoint;
  ManagedIdentityId Identity;
};

/// Asks IMDS. Never through a proxy.
///
/// Thread safety: all members may be called from any thread.
class ImdsClient final {
 public:
  /// @throw Error `invalid_argument` for an endpoint that is no http or https URL
  ImdsClient(ImdsOptions options, ServiceClient client);

  /// @throw Error `mtls_pop_not_supported_in_imds_v1`, `imds_not_reachable`, `not_imds`, `imds_response_malformed`,
  /// `imds_refused`, `imds_unavailable`
  PlatformMetadata GetPlatformMetadata(std::string const& correlationId, Context const& context) const;
  /// @throw Error the same, and `mtls_pop_requires_keyguard`
  IssuedCredential IssueCredential(
      CredentialRequest const& credential, std::string const& correlationId, Context const& context) const;
  /// A bearer token of version 1 for a scope or resource.
  /// @throw Error `imds_not_reachable`, `imds_response_malformed`, `imds_refused`, `imds_unavailable`
  AccessToken GetBearerToken(std::string_view scope, std::string const& correlationId, Context const& context) const;
  /// Whether there is a version 2 and, if not, any: gives up after a second, does not retry 404.
  /// @throw Error as `GetPlatformMetadata`
  void Probe(std::string const& correlationId, Context const& context) const;

 private:
  ServiceRequest MakeRequest(
      char const* name,
      std::string method,
      std::string_view path,
      std::string const& apiVersion,
      std::string const& correlationId) const;
  ServiceResponse Send(ServiceRequest const& request, RetryRule const& rule, Context const& context) const;

  ImdsOptions options_;
  Url base_;
  ServiceClient client_;
};

}  // namespace mtlspop
