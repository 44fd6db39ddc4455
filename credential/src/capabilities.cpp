#include "imds_client.hpp"
#include "managed_identity_settings.hpp"
#include "mtlspop/base/uuid.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/credential/managed_identity_credential.hpp"
#include "mtlspop/transport/environment.hpp"
#include "mtlspop/transport/required.hpp"

namespace mtlspop {
namespace {

/// Asks what a credential would ask first, and turns what went wrong into an answer. `WhyNot` is empty for version 2.
ManagedIdentityCapabilities AskImds(ImdsClient const& imds, Context const& context) {
  ManagedIdentityCapabilities found;
  try {
    auto const finding = imds.Discover(NewUuid(), context);
    if (finding.Refusal) throw Error{*finding.Refusal};
    switch (finding.Version) {
      case ImdsVersion::V1:
        found.Source = ManagedIdentitySource::ImdsV1;
        found.WhyNot = "The instance metadata service is version 1 only";
        break;
      case ImdsVersion::V2:
        found.Source = ManagedIdentitySource::ImdsV2;
        break;
      case ImdsVersion::Unknown:
        found.Source = ManagedIdentitySource::ImdsUnknown;
        found.BindingSupported = BindingSupport::Unknown;
        found.WhyNot =
            "The instance metadata service is too busy just now to say whether it issues binding certificates";
        break;
    }
  } catch (Error const& error) {
    if (error.Code() == errors::Cancelled || context.IsExpired()) throw;
    bool const maySayLater = error.Code() == errors::ImdsUnavailable;
    bool const isThere = maySayLater || error.Code() == errors::ImdsRefused;
    found.Source = isThere ? ManagedIdentitySource::ImdsUnknown : ManagedIdentitySource::None;
    found.BindingSupported = maySayLater ? BindingSupport::Unknown : BindingSupport::No;
    found.WhyNot = error.Details().What;
  }
  return found;
}

/// Of a service of version 2.
void JudgeKey(ManagedIdentityCapabilities& found, KeyStrength minimum, KeyAcceptance const& accepted) {
  auto const best = found.HighestStrength;
  std::string const name{ToString(best)};
  if (best == KeyStrength::None) {
    found.WhyNot = "No key can be made on this machine";
  } else if (best < minimum) {
    found.WhyNot = "The best key on this machine is of strength " + name + ", and " + std::string{ToString(minimum)} +
                   " is wanted";
  } else if (auto const verdict = accepted.Judge(best); verdict == KeyAcceptance::Verdict::Refused) {
    found.WhyNot = "The instance metadata service has refused a key of strength " + name +
                   ", and no better one can be had on this machine";
  } else if (verdict == KeyAcceptance::Verdict::NotTried) {
    found.BindingSupported = BindingSupport::Unknown;
    found.WhyNot = "No certificate has been asked for with a key of strength " + name +
                   " yet, the best on this machine, and today's services issue them for KeyGuard keys only; asking "
                   "for a token shows it";
  } else {
    found.BindingSupported = BindingSupport::Yes;
  }
}

}  // namespace

std::string_view ToString(ManagedIdentitySource source) noexcept {
  switch (source) {
    case ManagedIdentitySource::None:
      return "none";
    case ManagedIdentitySource::ImdsUnknown:
      return "imds_unknown";
    case ManagedIdentitySource::ImdsV1:
      return "imds_v1";
    case ManagedIdentitySource::ImdsV2:
      break;
  }
  return "imds_v2";
}

std::string_view ToString(BindingSupport support) noexcept {
  switch (support) {
    case BindingSupport::No:
      return "no";
    case BindingSupport::Unknown:
      return "unknown";
    case BindingSupport::Yes:
      break;
  }
  return "yes";
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

  auto const best = keys->HighestStrength();
  auto capabilities = AskImds(imds, context);
  capabilities.HighestStrength = best;
  if (settings.BindingDisabled) {
    if (capabilities.Source == ManagedIdentitySource::ImdsV2) capabilities.Source = ManagedIdentitySource::ImdsV1;
    capabilities.BindingSupported = BindingSupport::No;
    if (capabilities.WhyNot.empty()) {
      capabilities.WhyNot = "Token binding is turned off by the environment variable MSAL_MI_DISABLE_IMDS_V2";
    }
  } else if (capabilities.WhyNot.empty()) {
    JudgeKey(capabilities, options.MinimumStrength, imds.AcceptedKeys());
  }
  return capabilities;
}

}  // namespace mtlspop
