#include "credential_choice.hpp"

#include <charconv>
#include <utility>

#include "assertion_file.hpp"
#include "certificate_choice.hpp"
#include "errors.hpp"
#include "mtlspop/credential/binding_store.hpp"
#include "mtlspop/credential/client_assertion_credential.hpp"
#include "mtlspop/transport/redact.hpp"
#include "text.hpp"
#if defined(MTLSPOP_COMMAND_PKCS11)
#include "mtlspop/pkcs11/pkcs11_key.hpp"
#endif
#if defined(MTLSPOP_COMMAND_TPM)
#include "mtlspop/tpm/tpm_key.hpp"
#endif

namespace mtlspop::command {
namespace {

constexpr std::uint32_t FirstPersistentHandle = 0x81000000;
constexpr std::uint32_t LastPersistentHandle = 0x81FFFFFF;

KeyStrength ParseStrength(std::string const& text) {
  for (auto const strength : {KeyStrength::Software, KeyStrength::Hardware, KeyStrength::KeyGuard}) {
    if (text == ToString(strength)) return strength;
  }
  return KeyStrength::None;
}

std::uint32_t ParseHandle(std::string const& text) {
  std::uint32_t handle = 0;
  auto const* const first = text.data() + (text.rfind("0x", 0) == 0 ? 2 : 0);
  auto const* const last = text.data() + text.size();
  auto const [end, failure] = std::from_chars(first, last, handle, 16);
  bool const isNumber = failure == std::errc{} && end == last;
  if (!isNumber || handle < FirstPersistentHandle || handle > LastPersistentHandle) {
    Fail(
        errors::Usage, "\"" + text + "\" is no persistent handle of a TPM",
        "Give --key tpm:HANDLE with one from 0x81000000 to 0x81FFFFFF, or --key tpm");
  }
  return handle;
}

std::shared_ptr<KeyProvider> KeysInTpm(std::string const& key) {
  auto const handle = key == "tpm" ? 0 : ParseHandle(key.substr(4));
#if defined(MTLSPOP_COMMAND_TPM)
  TpmKeyProviderOptions options;
  options.PersistentHandle = handle;
  return MakeTpmKeyProvider(std::move(options)).get();
#else
  static_cast<void>(handle);
  Fail(errors::NotBuilt, "This mtlspop was built without TPM", "Install libtss2-dev and build it again");
#endif
}

std::shared_ptr<KeyProvider> KeysInToken(std::string const& uri) {
#if defined(MTLSPOP_COMMAND_PKCS11)
  Pkcs11KeyProviderOptions options;
  options.Uri = uri;
  return MakePkcs11KeyProvider(std::move(options)).get();
#else
  static_cast<void>(uri);
  Fail(errors::NotBuilt, "This mtlspop was built without PKCS#11", "Install libp11-kit-dev and build it again");
#endif
}

void FillAuthority(IdentityOptions const& options, AuthorityOptions& authority) {
  authority.TenantId = options.TenantId;
  authority.AuthorityHost = options.AuthorityHost;
  authority.Region = options.Region;
  authority.AdditionallyAllowedTenants = options.AllowedTenants;
}

bool IsApplication(IdentityOptions const& options) noexcept {
  return options.IsFederated || !options.Certificate.empty() || !options.AssertionFile.empty();
}

void Require(bool condition, char const* what, char const* action) {
  if (!condition) Fail(errors::Usage, what, action);
}

void CheckTogether(IdentityOptions const& options) {
  if (!IsApplication(options)) {
    Require(
        options.ClientId.empty(),
        "--client-id without --cert and --federated names an application that has nothing to show",
        "For a user-assigned managed identity give --identity client_id=ID");
    return;
  }
  Require(
      !options.TenantId.empty() && !options.ClientId.empty(), "An application needs its tenant and its id",
      "Give --tenant and --client-id");
  auto const hasFile = !options.AssertionFile.empty();
  Require(
      !hasFile || !options.Certificate.empty(),
      "The token in --assertion-file cannot be used without the certificate that it is bound to",
      "Give that as --cert");
  Require(
      !options.IsFederated || hasFile || options.Certificate.empty(),
      "--federated uses the managed identity's certificate, and --cert gives another",
      "Leave --cert out, or --federated");
}

std::shared_ptr<TokenCredential> MakeFederated(
    IdentityOptions const& options, CredentialSurroundings const& surroundings) {
  ClientAssertionCredentialOptions application;
  FillAuthority(options, application);
  application.ClientId = options.ClientId;
  application.Binding = ParseBinding(options.Binding);
  application.Transport = surroundings.Transport;
  application.Observer = surroundings.Observer;
  if (options.AssertionFile.empty()) {
    application.Assertion =
        std::make_shared<ManagedIdentityCredential>(MakeManagedIdentityOptions(options, surroundings));
  } else {
    application.Assertion = std::make_shared<AssertionFile>(options.AssertionFile, CertificateOf(options));
  }
  return std::make_shared<ClientAssertionCredential>(std::move(application));
}

std::shared_ptr<TokenCredential> MakeApplication(
    IdentityOptions const& options, CredentialSurroundings const& surroundings) {
  ClientCertificateCredentialOptions application;
  FillAuthority(options, application);
  application.ClientId = options.ClientId;
  ChooseCertificate(options, application);
  application.Binding = ParseBinding(options.Binding);
  application.Transport = surroundings.Transport;
  application.Observer = surroundings.Observer;
  return std::make_shared<ClientCertificateCredential>(std::move(application));
}

}  // namespace

bool UsesManagedIdentity(IdentityOptions const& options) noexcept {
  return options.Certificate.empty() && options.AssertionFile.empty();
}

std::shared_ptr<KeyProvider> MakeKeys(IdentityOptions const& options) {
  if (options.Key == "default") return MakeDefaultKeyProvider().get();
  if (options.Key == "software") return MakeSoftwareKeyProvider().get();
  if (options.Key == "tpm" || options.Key.compare(0, 4, "tpm:") == 0) return KeysInTpm(options.Key);
  if (options.Key.compare(0, 7, "pkcs11:") == 0) return KeysInToken(options.Key);
  Fail(
      errors::Usage, "\"" + Redact(options.Key) + "\" is no place for a key",
      "Give --key default, software, tpm, tpm:HANDLE or pkcs11:URI");
}

ManagedIdentityCredentialOptions MakeManagedIdentityOptions(
    IdentityOptions const& options, CredentialSurroundings const& surroundings) {
  ManagedIdentityCredentialOptions identity;
  identity.Identity = ParseManagedIdentity(options.ManagedIdentity);
  // The first leg of a federated identity has to be bound, whatever the second one is.
  identity.Binding = options.IsFederated ? TokenBinding::Required : ParseBinding(options.Binding);
  identity.Attest = options.Attest;
  identity.MinimumStrength = ParseStrength(options.MinimumStrength);
  identity.AdditionallyAllowedTenants = options.AllowedTenants;
  identity.ImdsEndpoint = options.MetadataEndpoint;
  identity.Keys = MakeKeys(options);
  if (!options.BindingStore.empty()) {
    FileBindingStoreOptions store;
    store.Folder = options.BindingStore;
    store.Observer = surroundings.Observer;
    store.Keys = identity.Keys;
    identity.Store = MakeFileBindingStore(std::move(store)).get();
  }
  identity.Transport = surroundings.Transport;
  identity.Observer = surroundings.Observer;
  return identity;
}

std::shared_ptr<TokenCredential> MakeCredential(
    IdentityOptions const& options, CredentialSurroundings const& surroundings) {
  CheckTogether(options);
  if (options.IsFederated || !options.AssertionFile.empty()) return MakeFederated(options, surroundings);
  if (!options.Certificate.empty()) return MakeApplication(options, surroundings);
  return std::make_shared<ManagedIdentityCredential>(MakeManagedIdentityOptions(options, surroundings));
}

std::function<std::shared_ptr<TokenCredential>(ManagedIdentityId const&)> MakeCredentialFactory(
    IdentityOptions options, CredentialSurroundings surroundings) {
  auto const own = ParseManagedIdentity(options.ManagedIdentity);
  auto const isApplication = IsApplication(options);
  auto const credential = MakeCredential(options, surroundings);
  return [credential, own, isApplication](ManagedIdentityId const& wanted) {
    if (wanted == ManagedIdentityId::SystemAssigned() || (!isApplication && wanted == own)) return credential;
    Fail(
        errors::Usage,
        "The program asks for the managed identity " + wanted.ToString() + ", and may only be " +
            (isApplication ? std::string{"the application of --client-id"} : own.ToString()),
        "Name that identity to mtlspop with --identity");
  };
}

std::function<std::shared_ptr<TokenCredential>(ManagedIdentityId const&)> MakeBearerFactory(
    IdentityOptions const& options, CredentialSurroundings surroundings) {
  Require(
      !IsApplication(options), "The machine's own metadata service has no tokens of an application",
      "Leave --bearer-for-others out, or --cert and --federated");
  // Of all that is said about keys nothing matters to it.
  IdentityOptions bearer;
  bearer.ManagedIdentity = options.ManagedIdentity;
  bearer.MetadataEndpoint = options.MetadataEndpoint;
  bearer.AllowedTenants = options.AllowedTenants;
  bearer.Binding = "none";
  return MakeCredentialFactory(std::move(bearer), std::move(surroundings));
}

}  // namespace mtlspop::command
