#include "managed_identity_settings.hpp"

#include "mtlspop/transport/headers.hpp"

namespace mtlspop {
namespace {

constexpr char const* DefaultImdsEndpoint = "http://169.254.169.254";

bool IsTrue(std::string const& value) { return value == "1" || EqualsIgnoreCase(value, "true"); }

}  // namespace

TokenBinding AsEnvironmentSays(EnvironmentReader const& environment) {
  return environment && IsTrue(environment("MSAL_ENABLE_MSI_V2")) ? TokenBinding::Preferred : TokenBinding::None;
}

ManagedIdentitySettings ReadSettings(ManagedIdentityCredentialOptions const& options) {
  auto const read = [&options](char const* name) {
    return options.Environment ? options.Environment(name) : std::string{};
  };
  ManagedIdentitySettings settings;
  settings.ImdsEndpoint = options.ImdsEndpoint;
  settings.ImdsEndpointSource = "from the option ImdsEndpoint";
  if (settings.ImdsEndpoint.empty()) {
    settings.ImdsEndpoint = read("AZURE_POD_IDENTITY_AUTHORITY_HOST");
    settings.ImdsEndpointSource = "from the environment variable AZURE_POD_IDENTITY_AUTHORITY_HOST";
  }
  if (settings.ImdsEndpoint.empty()) {
    settings.ImdsEndpoint = DefaultImdsEndpoint;
    settings.ImdsEndpointSource = "the default address";
  }
  settings.BindingDisabled = IsTrue(read("MSAL_MI_DISABLE_IMDS_V2"));
  settings.KeepsAttestations = read("MSAL_MSI_V2_ATTESTATION_CACHE") != "0";
  settings.KeyName = read("MSAL_MSI_V2_KEY_NAME");
  return settings;
}

}  // namespace mtlspop
