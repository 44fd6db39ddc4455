#include "imds_client.hpp"
#include "managed_identity_settings.hpp"
#include "mtlspop/base/uuid.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/credential/managed_identity_credential.hpp"
#include "mtlspop/transport/environment.hpp"
#include "mtlspop/transport/required.hpp"

namespace mtlspop {
namespace {

struct Finding {
  ManagedIdentitySource Source;
  /// "" where binding is supported.
  std::string WhyNot;
};

/// Asks what a credential would ask first, and turns what went wrong into an answer.
Finding AskImds(ImdsClient const& imds, Context const& context) {
  try {
    switch (imds.Discover(NewUuid(), context)) {
      case ImdsVersion::V1:
        return {ManagedIdentitySource::ImdsV1, "The instance metadata service is version 1 only"};
      case ImdsVersion::V2:
        return {ManagedIdentitySource::ImdsV2, ""};
      case ImdsVersion::Unknown:
        break;
    }
    return {
        ManagedIdentitySource::ImdsV1,
        "The instance metadata service is too busy just now to say whether it issues binding certificates"};
  } catch (Error const& error) {
    if (error.Code() == errors::Cancelled || context.IsExpired()) throw;
    bool const answered = error.Code() == errors::ImdsRefused;
    return {answered ? ManagedIdentitySource::ImdsV1 : ManagedIdentitySource::None, error.Details().What};
  }
}

std::string WhyNoKey(KeyStrength best, KeyStrength minimum, KeyStrength refused) {
  if (best == KeyStrength::None) return "No key can be made on this machine";
  if (best >= minimum && best <= refused) {
    return "The instance metadata service has refused a key of strength " + std::string{ToString(refused)} +
           ", and no better one can be had on this machine";
  }
  if (best >= minimum) return "";
  return "The best key on this machine is of strength " + std::string{ToString(best)} + ", and " +
         std::string{ToString(minimum)} + " is wanted";
}

}  // namespace

std::string_view ToString(ManagedIdentitySource source) noexcept {
  switch (source) {
    case ManagedIdentitySource::None:
      return "none";
    case ManagedIdentitySource::ImdsV1:
      return "imds_v1";
    case ManagedIdentitySource::ImdsV2:
      break;
  }
  return "imds_v2";
}

ManagedIdentityCapabilities GetManagedIdentityCapabilities(
    ManagedIdentityCredentialOptions const& options, Context const& context) {
  auto const settings = ReadSettings(options);
  auto const transport = options.Transport ? gsl::make_not_null(options.Transport) : DefaultHttpTransport();
  auto const keys = options.Keys ? gsl::make_not_null(options.Keys) : MakeDefaultKeyProvider();
  ImdsClient const imds{
      {settings.ImdsEndpoint, options.Identity, settings.ImdsEndpointSource, options.CapabilityDiscoveryTimeout},
      ServiceClient{
          transport, Required(options.Time, "ManagedIdentityCredentialOptions::Time"), RandomOr(options.Random),
          options.Observer}};

  ManagedIdentityCapabilities capabilities;
  capabilities.HighestStrength = keys->HighestStrength();
  auto finding = AskImds(imds, context);
  capabilities.Source = finding.Source;
  capabilities.WhyNot = std::move(finding.WhyNot);
  if (capabilities.WhyNot.empty()) {
    capabilities.WhyNot =
        settings.BindingDisabled
            ? "Token binding is turned off by the environment variable MSAL_MI_DISABLE_IMDS_V2"
            : WhyNoKey(capabilities.HighestStrength, options.MinimumStrength, imds.Knowledge().RefusedStrength());
  }
  if (settings.BindingDisabled && capabilities.Source == ManagedIdentitySource::ImdsV2) {
    capabilities.Source = ManagedIdentitySource::ImdsV1;
  }
  capabilities.BindingSupported = capabilities.WhyNot.empty();
  return capabilities;
}

}  // namespace mtlspop
