#include "identity_options.hpp"

#include <CLI/CLI.hpp>

#include "errors.hpp"

namespace mtlspop::command {
namespace {

constexpr char const* Group = "Identity";

void AddManagedIdentity(CLI::App& app, IdentityOptions& options) {
  app.add_option(
         "--identity", options.ManagedIdentity,
         "The managed identity: system, client_id=ID, object_id=ID or resource_id=ID")
      ->type_name("WHICH")
      ->capture_default_str()
      ->group(Group);
  app.add_option(
         "--key", options.Key,
         "Where the managed identity's key is: default (the strongest there is), software, tpm, tpm:HANDLE "
         "(persistent), "
         "pkcs11:URI")
      ->type_name("WHERE")
      ->capture_default_str()
      ->group(Group);
  app.add_option("--min-strength", options.MinimumStrength, "Use no weaker key")
      ->check(CLI::IsMember({"none", "software", "hardware", "keyguard"}))
      ->type_name("")
      ->capture_default_str()
      ->group(Group);
  app.add_flag("--attest", options.Attest, "The key must be attested")->group(Group);
  app.add_option("--binding-store", options.BindingStore, "Keep binding certificates in this folder between runs")
      ->type_name("FOLDER")
      ->group(Group);
  app.add_option("--metadata-endpoint", options.MetadataEndpoint, "Where the metadata service is")
      ->type_name("URL")
      ->group(Group);
}

void AddApplication(CLI::App& app, IdentityOptions& options) {
  app.add_option(
         "-E,--cert", options.Certificate,
         "An application's certificate with its key: a file (PEM or PKCS#12), pkcs11:URI, tpm:HANDLE or tpm:FILE "
         "(TSS2 PRIVATE KEY; with --cert-chain)")
      ->type_name("WHERE")
      ->group(Group);
  app.add_option("--cert-chain", options.CertificateChain, "The certificate (PEM) of a key in a TPM")
      ->type_name("FILE")
      ->group(Group);
  app.add_option("--cert-password-file", options.PasswordFile, "Its first line opens the certificate, or is the PIN")
      ->type_name("FILE")
      ->group(Group);
  app.add_flag("--federated", options.IsFederated, "Exchange the managed identity's token for the application's")
      ->group(Group);
  app.add_option(
         "--assertion-file", options.AssertionFile,
         "Exchange the bound token in this file, with the certificate that it is bound to in --cert")
      ->type_name("FILE")
      ->group(Group);
  app.add_option("--tenant", options.TenantId, "The application's tenant")->type_name("ID")->group(Group);
  app.add_option("--client-id", options.ClientId, "The application's id")->type_name("ID")->group(Group);
  app.add_option(
         "--allow-tenant", options.AllowedTenants, "Another tenant that a resource may ask a token of; * for any")
      ->type_name("ID")
      ->allow_extra_args(false)
      ->group(Group);
  app.add_option("--authority", options.AuthorityHost, "Where the tenant signs in")
      ->type_name("URL")
      ->capture_default_str()
      ->group(Group);
  app.add_option("--region", options.Region, "The token service's region, or discover")
      ->type_name("NAME")
      ->group(Group);
}

}  // namespace

void AddIdentityOptions(CLI::App& app, IdentityOptions& options) {
  AddManagedIdentity(app, options);
  AddApplication(app, options);
  app.add_option("--binding", options.Binding, "Whether tokens have to be bound to the certificate")
      ->check(CLI::IsMember({"required", "preferred", "none"}))
      ->type_name("")
      ->capture_default_str()
      ->group(Group);
}

ManagedIdentityId ParseManagedIdentity(std::string const& text) {
  if (text == "system") return {};
  auto const equals = text.find('=');
  auto const kind = text.substr(0, equals);
  if (equals != std::string::npos) {
    auto const value = text.substr(equals + 1);
    if (kind == "client_id") return ManagedIdentityId::FromClientId(value);
    if (kind == "object_id") return ManagedIdentityId::FromObjectId(value);
    if (kind == "resource_id") return ManagedIdentityId::FromResourceId(value);
  }
  Fail(
      errors::Usage, "\"" + text + "\" is no managed identity",
      "Give --identity system, client_id=ID, object_id=ID or resource_id=ID");
}

TokenBinding ParseBinding(std::string const& text) {
  if (text == "none") return TokenBinding::None;
  return text == "preferred" ? TokenBinding::Preferred : TokenBinding::Required;
}

}  // namespace mtlspop::command
