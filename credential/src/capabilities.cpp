#include "imds_client.hpp"
#include "managed_identity_settings.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/credential/managed_identity_credential.hpp"
#include "mtlspop/transport/environment.hpp"
#include "uuid.hpp"

namespace mtlspop {
namespace {

/// Asks, and turns what went wrong into an answer. Returns why binding is not supported, "" where it is.
std::string AskImds(ImdsClient const& imds, ManagedIdentitySource& source, Context const& context) {
  try {
    imds.Probe(NewUuid(), context);
    source = ManagedIdentitySource::ImdsV2;
    return "";
  } catch (Error const& error) {
    if (error.Code() == errors::Cancelled || context.IsExpired()) throw;
    auto const code = error.Code();
    bool const answered = code != errors::ImdsNotReachable && code != errors::NotImds;
    source = answered ? ManagedIdentitySource::ImdsV1 : ManagedIdentitySource::None;
    return error.Details().What;
  }
}

std::string WhyNoKey(KeyStrength best, KeyStrength minimum) {
  if (best == KeyStrength::None) return "No key can be made on this machine";
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
  ImdsClient const imds{{settings.ImdsEndpoint, options.Identity}, ServiceClient{transport, options.Time, options.Log}};

  ManagedIdentityCapabilities capabilities;
  capabilities.HighestStrength = keys->HighestStrength();
  capabilities.WhyNot = AskImds(imds, capabilities.Source, context);
  if (capabilities.WhyNot.empty()) {
    capabilities.WhyNot = settings.BindingDisabled
                              ? "Token binding is turned off by the environment variable MSAL_MI_DISABLE_IMDS_V2"
                              : WhyNoKey(capabilities.HighestStrength, options.MinimumStrength);
  }
  if (settings.BindingDisabled && capabilities.Source == ManagedIdentitySource::ImdsV2) {
    capabilities.Source = ManagedIdentitySource::ImdsV1;
  }
  capabilities.BindingSupported = capabilities.WhyNot.empty();
  return capabilities;
}

}  // namespace mtlspop
