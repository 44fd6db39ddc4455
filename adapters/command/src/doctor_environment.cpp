#include <cstdlib>

#include "examination.hpp"
#include "mtlspop/base/environment_variable.hpp"
#include "mtlspop/transport/redact.hpp"

namespace mtlspop::command {
namespace {

struct Variable {
  char const* Name;
  bool IsSecret = false;
};

constexpr Variable Heeded[] = {
    {"MTLSPOP_CA_FILE"},
    {"MTLSPOP_CONNECT_OVERRIDES"},
    {"MTLSPOP_LOG"},
    {"AZURE_POD_IDENTITY_AUTHORITY_HOST"},
    {"MSAL_MI_DISABLE_IMDS_V2"},
    {"MSAL_MSI_V2_ATTESTATION_CACHE"},
    {"MSAL_MSI_V2_KEY_NAME"},
    {"ATTESTATION_CLIENTLIB_PATH"},
    {"REGION_NAME"},
    {"MSAL_FORCE_REGION"},
    {"https_proxy"},
    {"HTTPS_PROXY"},
    {"http_proxy"},
    {"all_proxy"},
    {"ALL_PROXY"},
    {"no_proxy"},
    {"NO_PROXY"},
    {"SSL_CERT_FILE"},
    {"SSL_CERT_DIR"},
    {"OPENSSL_CONF"},
    {"TPM2TOOLS_TCTI"},
};

/// What other tools read, so that whoever has set them may wonder.
constexpr Variable NotHeeded[] = {
    {"MSAL_ENABLE_MSI_V2"},
    {"AZURE_CLIENT_ID"},
    {"AZURE_TENANT_ID"},
    {"AZURE_CLIENT_SECRET", true},
    {"AZURE_CLIENT_CERTIFICATE_PATH"},
    {"AZURE_CLIENT_CERTIFICATE_PASSWORD", true},
    {"AZURE_FEDERATED_TOKEN_FILE"},
    {"IDENTITY_ENDPOINT"},
    {"IDENTITY_HEADER", true},
    {"MSI_ENDPOINT"},
    {"MSI_SECRET", true},
};

std::string ValueOf(Variable const& variable) {
  auto const* const value = ReadEnvironmentVariable(variable.Name);
  if (value == nullptr || *value == '\0') return {};
  return variable.IsSecret ? "[redacted]" : Redact(value);
}

bool IsTrue(std::string const& value) { return value == "1" || EqualsIgnoreCase(value, "true"); }

}  // namespace

Finding ExamineEnvironment(Examination const& examination) {
  Finding finding{"environment", Verdict::Note};
  auto const add = [&](char const* kind, Variable const& variable) {
    auto const value = ValueOf(variable);
    if (!value.empty()) finding.Facts[kind][variable.Name] = value;
    return !value.empty();
  };
  for (auto const& variable : Heeded) {
    if (add("in_force", variable)) finding.Lines.push_back(std::string{variable.Name} + "=" + ValueOf(variable));
  }
  finding.Figure = finding.Lines.empty() ? "No variable is set that matters here" : "Variables in force:";
  for (auto const& variable : NotHeeded) {
    if (add("not_heeded", variable)) finding.Lines.push_back(std::string{variable.Name} + " is set, and not heeded");
  }
  auto const isSwitchedOff = IsTrue(ValueOf({"MSAL_MI_DISABLE_IMDS_V2"}));
  if (isSwitchedOff && UsesManagedIdentity(examination.Identity) && examination.Identity.Binding != "none") {
    finding.Is = Verdict::Warning;
    finding.Action = "MSAL_MI_DISABLE_IMDS_V2 switches bound tokens of managed identities off: unset it";
  }
  return finding;
}

}  // namespace mtlspop::command
