#include "managed_identity_settings.hpp"

#include <string_view>

#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/headers.hpp"
#include "mtlspop/transport/redact.hpp"
#include "mtlspop/transport/url.hpp"

namespace mtlspop {
namespace {

constexpr char const* DefaultImdsEndpoint = "http://169.254.169.254";

bool IsTrue(std::string const& value) { return value == "1" || EqualsIgnoreCase(value, "true"); }

/// Here and not at the first request, which would look for a host that is none for seconds.
void CheckImdsEndpoint(ManagedIdentitySettings const& settings) {
  std::string_view const text = settings.ImdsEndpoint;
  try {
    auto const url = Url::Parse(text);
    bool const isBare =
        (url.Path().empty() || url.Path() == "/") && text.find_first_of("?#@") == std::string_view::npos;
    if (isBare) return;
  } catch (Error const&) {
    // Told below, with who named it.
  }
  throw Error{
      {errors::InvalidArgument,
       "The address of the metadata service, " + settings.ImdsEndpointSource + ", is \"" + Redact(text) +
           "\", which is not a scheme and a host alone",
       "Write it without a path and with its scheme, for example http://169.254.169.254, or leave it out"}};
}

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
  CheckImdsEndpoint(settings);
  settings.BindingDisabled = IsTrue(read("MSAL_MI_DISABLE_IMDS_V2"));
  settings.KeepsAttestations = read("MSAL_MSI_V2_ATTESTATION_CACHE") != "0";
  settings.KeyName = read("MSAL_MSI_V2_KEY_NAME");
  return settings;
}

}  // namespace mtlspop
