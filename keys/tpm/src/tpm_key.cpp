#include "mtlspop/tpm/tpm_key.hpp"

#include <charconv>
#include <fstream>
#include <iterator>
#include <mutex>

#include "mtlspop/base/per_process.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/credential/openssl.hpp"
#include "mtlspop/transport/openssl.hpp"
#include "tpm_device.hpp"
#include "tpm_signer.hpp"
#include "tss2_pem.hpp"

namespace mtlspop {
namespace {

using tpm::Connection;
using tpm::Device;
using tpm::EsysPtr;
using tpm::KeyMaterial;

constexpr std::uint32_t FirstPersistent = TPM2_PERSISTENT_FIRST;
constexpr std::uint32_t LastPersistent = TPM2_PERSISTENT_LAST;

/// RSA-2048 that may do the bare operation. No restriction and no scheme: the padding is made here.
TPM2B_PUBLIC NewKeyTemplate() {
  TPM2B_PUBLIC made{};
  auto& area = made.publicArea;
  area.type = TPM2_ALG_RSA;
  area.nameAlg = TPM2_ALG_SHA256;
  area.objectAttributes = TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_SIGN_ENCRYPT | TPMA_OBJECT_DECRYPT | TPMA_OBJECT_NODA |
                          TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN;
  auto& parameters = area.parameters.rsaDetail;
  parameters.symmetric.algorithm = TPM2_ALG_NULL;
  parameters.scheme.scheme = TPM2_ALG_NULL;
  parameters.keyBits = 2048;
  return made;
}

KeyMaterial CreateSealed(Connection& connection, TpmOptions const& options) {
  connection.UnloadAll();
  auto const parent = connection.LoadParent(TPM2_RH_OWNER, options);
  auto const unload = gsl::finally([&] { connection.Unload(parent, false); });
  TPM2B_SENSITIVE_CREATE sensitive{};
  auto const cleanse = gsl::finally([&] { OPENSSL_cleanse(&sensitive, sizeof sensitive); });
  sensitive.sensitive.userAuth = *tpm::Authorization{options.KeyAuthorization}.Get();
  auto const shape = NewKeyTemplate();
  TPM2B_DATA const outside{};
  TPML_PCR_SELECTION const registers{};
  TPM2B_PRIVATE* privatePart = nullptr;
  TPM2B_PUBLIC* publicPart = nullptr;
  auto const reason = Esys_Create(
      connection.Get(), parent, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &sensitive, &shape, &outside, &registers,
      &privatePart, &publicPart, nullptr, nullptr, nullptr);
  EsysPtr<TPM2B_PRIVATE> const ownedPrivate{privatePart};
  EsysPtr<TPM2B_PUBLIC> const ownedPublic{publicPart};
  Device::Check(reason, errors::KeyUnavailable, "The TPM does not make a key");
  return {0, 0, TPM2_RH_OWNER, *publicPart, *privatePart};
}

/// The public half of what is under a persistent handle, none where nothing is.
std::optional<TPM2B_PUBLIC> ReadPersistent(Connection& connection, TPM2_HANDLE handle) {
  ESYS_TR object = ESYS_TR_NONE;
  auto reason = Esys_TR_FromTPMPublic(connection.Get(), handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &object);
  if ((reason & ~(TPM2_RC_N_MASK | TPM2_RC_P)) == TPM2_RC_HANDLE) return std::nullopt;
  Device::Check(reason, errors::KeyUnavailable, "The TPM does not open the key under the persistent handle");
  TPM2B_PUBLIC* area = nullptr;
  reason = Esys_ReadPublic(connection.Get(), object, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &area, nullptr, nullptr);
  EsysPtr<TPM2B_PUBLIC> const owned{area};
  connection.Unload(object, true);
  Device::Check(reason, errors::KeyUnavailable, "The TPM does not show the key under the persistent handle");
  return *area;
}

/// Puts `object` under the handle, or takes away what is there.
TSS2_RC EvictControl(Connection& connection, ESYS_TR object, TPM2_HANDLE handle) {
  ESYS_TR kept = ESYS_TR_NONE;
  auto const reason = Esys_EvictControl(
      connection.Get(), ESYS_TR_RH_OWNER, object, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, handle, &kept);
  if (reason == TSS2_RC_SUCCESS && kept != ESYS_TR_NONE) connection.Unload(kept, true);
  return reason;
}

void Evict(Connection& connection, TPM2_HANDLE handle) {
  ESYS_TR object = ESYS_TR_NONE;
  Device::Check(
      Esys_TR_FromTPMPublic(connection.Get(), handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &object),
      errors::KeyUnavailable, "The TPM does not open the key under the persistent handle");
  Device::Check(
      EvictControl(connection, object, handle), errors::KeyUnavailable,
      "The TPM does not give the persistent handle up");
}

gsl::not_null<std::shared_ptr<EVP_PKEY>> MakeKey(
    std::shared_ptr<Device> const& device, KeyMaterial const& material, Context const& context) {
  std::shared_ptr<openssl::Signer const> signer = std::make_shared<tpm::TpmSigner>(device, material);
  return openssl::MakeSignerKey(std::move(signer), context);
}

std::string HandleText(TPM2_HANDLE handle) {
  char text[16];
  std::snprintf(text, sizeof text, "0x%08X", handle);
  return text;
}

/// A persistent handle as a text; 0 where it is none.
TPM2_HANDLE ParseHandle(std::string const& text) {
  if (text.rfind("0x", 0) != 0) return 0;
  TPM2_HANDLE number = 0;
  auto const* const last = text.data() + text.size();
  auto const [end, failure] = std::from_chars(text.data() + 2, last, number, 16);
  bool const good = failure == std::errc{} && end == last && number >= FirstPersistent && number <= LastPersistent;
  return good ? number : 0;
}

/// What a handle or a TSS2 PRIVATE KEY names.
KeyMaterial FindMaterial(Device& device, std::string const& key, Context const& context) {
  if (auto sealed = tpm::FromPem(key)) return *sealed;
  auto const handle = ParseHandle(key);
  if (handle == 0) {
    throw Error{
        {errors::KeyUnavailable,
         "The key is neither a persistent handle of a TPM nor a TSS2 PRIVATE KEY without policies",
         "Give a handle such as 0x81010001, or the text of a key file as tpm2_encodeobject writes it"}};
  }
  std::optional<TPM2B_PUBLIC> area;
  device.Run(context, [&](Connection& connection) { area = ReadPersistent(connection, handle); });
  if (!area) {
    throw Error{
        {errors::KeyUnavailable, "The TPM has no key under the handle " + HandleText(handle),
         "Check the handle against `tpm2_getcap handles-persistent`"}};
  }
  return {0, handle, 0, *area, {}};
}

class TpmKeyProvider final : public KeyProvider {
 public:
  explicit TpmKeyProvider(TpmKeyProviderOptions const& options)
      : device_(std::make_shared<Device>(options)), handle_(options.PersistentHandle) {}

  KeyStrength HighestStrength() const noexcept override {
    return device_->IsThere() ? KeyStrength::Hardware : KeyStrength::None;
  }

  gsl::not_null<std::shared_ptr<BindingKey const>> GetOrCreateKey(
      KeyRequest const& request, Context const& context) override {
    if (request.MinimumStrength > KeyStrength::Hardware) {
      throw Error{
          {errors::MinimumStrengthNotAvailable,
           "A key of strength " + std::string{ToString(request.MinimumStrength)} +
               " was asked for, and a TPM's are of strength hardware",
           "Lower the minimum strength in the credential's options"}};
    }
    KeyMaterial material;
    device_->Run(context, [&](Connection& connection) {
      material =
          handle_ == 0 ? CreateSealed(connection, device_->Options()) : OpenOrCreate(connection, request, context);
    });
    return Wrap(material, context);
  }

  std::shared_ptr<BindingKey const> OpenKey(std::string const& reference, Context const& context) override {
    if (ParseHandle(reference) == 0 && !tpm::FromPem(reference)) return nullptr;
    return Wrap(FindMaterial(*device_, reference, context), context).get();
  }

 private:
  static bool IsWanted(std::optional<TPM2B_PUBLIC> const& area, KeyRequest const& request) {
    if (!area || !request.ForceNew) return area.has_value();
    return !request.Refused.empty() && request.Refused != tpm::EncodePublicKey(area->publicArea);
  }
  KeyMaterial Kept(TPM2B_PUBLIC const& area) const { return {0, handle_, 0, area, {}}; }

  KeyMaterial OpenOrCreate(Connection& connection, KeyRequest const& request, Context const& context) const {
    auto area = ReadPersistent(connection, handle_);
    if (IsWanted(area, request)) return Kept(*area);
    // Made before the other is taken away: where the TPM makes no key, the one that it has is still good for a retry.
    auto const sealed = CreateSealed(connection, device_->Options());
    auto const object = connection.Load(sealed, device_->Options(), context);
    auto const unload = gsl::finally([&] { connection.UnloadAll(); });
    // Another process may have been quicker.
    area = ReadPersistent(connection, handle_);
    if (IsWanted(area, request)) return Kept(*area);
    if (area) Evict(connection, handle_);
    auto const reason = EvictControl(connection, object, handle_);
    if (reason == TPM2_RC_NV_DEFINED) area = ReadPersistent(connection, handle_);
    if (reason == TPM2_RC_NV_DEFINED && IsWanted(area, request)) return Kept(*area);
    Device::Check(reason, errors::KeyUnavailable, "The TPM does not keep the key under the persistent handle");
    return Kept(sealed.Public);
  }

  gsl::not_null<std::shared_ptr<BindingKey const>> Wrap(KeyMaterial const& material, Context const& context) const {
    auto const key = MakeKey(device_, material, context);
    auto reference = material.Persistent != 0 ? HandleText(material.Persistent)
                                              : tpm::ToPem(material, !device_->Options().KeyAuthorization.Empty());
    return openssl::WrapBindingKey(gsl::make_not_null(key.get().get()), KeyStrength::Hardware, std::move(reference));
  }

  std::shared_ptr<Device> device_;
  TPM2_HANDLE handle_;
};

std::string ReadText(std::string const& path) {
  std::ifstream file{path, std::ios::binary};
  std::string text{std::istreambuf_iterator<char>{file}, std::istreambuf_iterator<char>{}};
  if (file && !text.empty()) return text;
  throw Error{
      {errors::ClientCertificateUnusable, "The file " + path + " cannot be read, or is empty",
       "Check that it exists and that this process may read it"}};
}

/// A certificate in a file with its key in a TPM. Opens both again where a file has changed.
class ClientCertificate final {
 public:
  ClientCertificate(TpmOptions options, std::string key, std::string path)
      : options_(std::move(options)), key_(std::move(key)), path_(std::move(path)) {}

  std::shared_ptr<BindingCertificate const> Get() {
    auto chain = ReadText(path_);
    auto key = ParseHandle(key_) != 0 ? key_ : ReadText(key_);
    auto& state = state_.Get();
    std::lock_guard<std::mutex> const lock{state.Mutex};
    if (state.Current && chain == state.Chain && key == state.KeyText) return state.Current;
    auto const opened = OpenTpmKey(options_, key, openssl::SigningContext::Current());
    state.Current = openssl::MakeBindingCertificateFromPem(
        chain, openssl::WrapPrivateKey(gsl::make_not_null(opened.get().get())), KeyStrength::Hardware);
    state.Chain = std::move(chain);
    state.KeyText = std::move(key);
    return state.Current;
  }

 private:
  struct State {
    /// A child of fork() goes on with what its parent has; where a thread of that one opens it just then, it opens its own.
    explicit State(State* parents) {
      if (parents == nullptr) return;
      std::unique_lock<std::mutex> const lock{parents->Mutex, std::try_to_lock};
      if (!lock) return;
      Chain = parents->Chain;
      KeyText = parents->KeyText;
      Current = parents->Current;
    }

    std::mutex Mutex;
    std::string Chain;
    std::string KeyText;
    std::shared_ptr<BindingCertificate const> Current;
  };

  TpmOptions const options_;
  std::string const key_;
  std::string const path_;
  PerProcess<State> state_;
};

}  // namespace

gsl::not_null<std::shared_ptr<KeyProvider>> MakeTpmKeyProvider(TpmKeyProviderOptions options) {
  auto const handle = options.PersistentHandle;
  if (handle != 0 && (handle < FirstPersistent || handle > LastPersistent)) {
    throw Error{
        {errors::InvalidArgument, HandleText(handle) + " is no persistent handle of a TPM",
         "Set TpmKeyProviderOptions::PersistentHandle to 0, or to one from 0x81000000 to 0x81FFFFFF"}};
  }
  return std::shared_ptr<KeyProvider>{std::make_shared<TpmKeyProvider>(options)};
}

gsl::not_null<std::shared_ptr<EVP_PKEY>> OpenTpmKey(
    TpmOptions const& options, std::string const& key, Context const& context) {
  auto const device = std::make_shared<Device>(options);
  return MakeKey(device, FindMaterial(*device, key, context), context);
}

std::function<std::shared_ptr<BindingCertificate const>()> TpmClientCertificate(
    TpmOptions options, std::string key, std::string certificatePath) {
  auto const source =
      std::make_shared<ClientCertificate>(std::move(options), std::move(key), std::move(certificatePath));
  return [source] { return source->Get(); };
}

}  // namespace mtlspop
