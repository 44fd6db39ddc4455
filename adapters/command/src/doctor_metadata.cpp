#include "examination.hpp"
#include "mtlspop/transport/redact.hpp"
#include "outside_json.hpp"
#include "text.hpp"

namespace mtlspop::command {
namespace {

using nlohmann::ordered_json;

constexpr auto ComputeTimeout = std::chrono::seconds{2};
constexpr std::size_t MostComputeBytes = std::size_t{256} * 1024;

/// What the metadata service says of the machine; empty where it does not.
ordered_json AskAboutMachine(Examination const& examination, Origin const& imds, char const* version) {
  Request request{
      "GET", Url::Parse(imds.ToString() + "/metadata/instance/compute?api-version=" + version + "&format=json")};
  request.Fields.Set("Metadata", "true");
  request.NeverProxied = true;
  auto const context = examination.Until.WithTimeout(ComputeTimeout);
  try {
    auto const response = examination.Surroundings.Transport->Send(request, nullptr, context);
    auto const body = ReadToEnd(*response->Body, MostComputeBytes, context);
    if (response->StatusCode != 200) return {};
    auto machine = ParseOutsideJson(body);
    return machine.is_object() ? machine : ordered_json{};
  } catch (Error const&) {
    return {};  // a service that has tokens and nothing else
  }
}

std::string TextIn(ordered_json const& object, char const* name) {
  if (!object.is_object() || !object.contains(name) || !object.at(name).is_string()) return {};
  return Redact(object.at(name).get<std::string>());
}

/// ", virtual machine in westeurope, TrustedLaunch, with a virtual TPM"
std::string DescribeMachine(Examination const& examination, Origin const& imds, ordered_json& facts) {
  auto machine = AskAboutMachine(examination, imds, "2021-12-13");
  if (machine.empty()) machine = AskAboutMachine(examination, imds, "2021-02-01");
  if (machine.empty()) return {};
  auto const profile = machine.value("securityProfile", ordered_json::object());
  auto const type = TextIn(profile, "securityType");
  facts["location"] = TextIn(machine, "location");
  facts["size"] = TextIn(machine, "vmSize");
  facts["security_type"] = type;
  facts["secure_boot"] = TextIn(profile, "secureBootEnabled") == "true";
  facts["virtual_tpm"] = TextIn(profile, "virtualTpmEnabled") == "true";
  return "; a virtual machine in " + TextIn(machine, "location") + ", security type " +
         (type.empty() ? "Standard" : type) +
         (facts.at("virtual_tpm") == true ? " with a virtual TPM" : " without a virtual TPM");
}

void Judge(Examination const& examination, ManagedIdentityCapabilities const& found, Finding& finding) {
  if (found.BindingSupported == BindingSupport::Yes) return;
  if (found.Source == ManagedIdentitySource::None) {
    finding.Is = Verdict::Failed;
    finding.Exit = ExitCode::NoMetadataService;
    finding.Action =
        "Managed identities work on Azure virtual machines only. Elsewhere use an application's certificate "
        "(--cert); on one, let 169.254.169.254 through and no proxy in between";
    return;
  }
  if (found.BindingSupported == BindingSupport::Unknown) {
    bool const isThere = found.Source == ManagedIdentitySource::ImdsV2;
    finding.Is = isThere ? Verdict::Note : Verdict::Warning;
    finding.Action = isThere ? found.WhyNot : "Somebody is there: try again later";
    return;
  }
  auto const isRequired = examination.Identity.Binding == "required" || examination.Identity.IsFederated;
  finding.Is = isRequired ? Verdict::Failed : Verdict::Warning;
  finding.Exit = isRequired ? ExitCode::NoBoundTokens : ExitCode::Success;
  finding.Action = "No bound tokens can be had here: " + found.WhyNot +
                   (isRequired ? " --binding preferred takes bearer tokens, which whoever steals them can use" : "");
}

}  // namespace

Finding ExamineMetadataService(Examination const& examination) {
  Finding finding{"metadata_service"};
  if (!UsesManagedIdentity(examination.Identity)) {
    finding.Is = Verdict::Skipped;
    finding.Figure = "Not needed: the identity is an application's certificate";
    return finding;
  }
  try {
    auto const options = MakeManagedIdentityOptions(examination.Identity, examination.Surroundings);
    auto const begin = std::chrono::steady_clock::now();
    auto const found = GetManagedIdentityCapabilities(options, examination.Until);
    auto const took = std::chrono::steady_clock::now() - begin;
    finding.Facts["source"] = ToString(found.Source);
    finding.Facts["binding_supported"] = ToString(found.BindingSupported);
    auto const seen = examination.Saw->All();
    bool const saysVersion =
        found.Source == ManagedIdentitySource::ImdsV1 || found.Source == ManagedIdentitySource::ImdsV2;
    if (!saysVersion) {
      finding.Figure = found.WhyNot + " (" + FormatDuration(took) + ")";
    } else {
      finding.Figure =
          std::string{found.Source == ManagedIdentitySource::ImdsV2 ? "Version 2" : "Version 1 only"} + " answers";
    }
    if (saysVersion && !seen.empty()) {
      auto const& answer = seen.back();
      finding.Figure +=
          " at " + answer.From.ToString() + " as \"" + Redact(answer.Server) + "\" in " + FormatDuration(answer.Took);
      finding.Facts["origin"] = answer.From.ToString();
      finding.Facts["server"] = Redact(answer.Server);
      finding.Facts["milliseconds"] = std::chrono::duration_cast<std::chrono::milliseconds>(answer.Took).count();
      finding.Figure += DescribeMachine(examination, answer.From, finding.Facts);
    }
    Judge(examination, found, finding);
    return finding;
  } catch (Error const& error) {
    return Failure("metadata_service", "The metadata service could not be asked", error);
  }
}

}  // namespace mtlspop::command
