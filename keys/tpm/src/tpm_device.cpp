#include "tpm_device.hpp"

#include <cerrno>
#include <cstring>
#include <optional>

#include <openssl/crypto.h>
#include <unistd.h>

#include <tss2/tss2_rc.h>

#include "mtlspop/base/environment_variable.hpp"
#include "mtlspop/base/wait.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/transport/environment.hpp"
#include "primary_key.hpp"
#include "refused_secrets.hpp"

namespace mtlspop::tpm {
namespace {

constexpr std::string_view DevicePrefix = "device:";

std::string ResolveTcti(std::string const& wanted) {
  if (!wanted.empty()) return wanted;
  auto const* const named = ReadEnvironmentVariable("TPM2TOOLS_TCTI");
  return named != nullptr && *named != '\0' ? named : "device:/dev/tpmrm0";
}

bool HasResourceManager(std::string const& tcti) {
  return tcti.rfind("tabrmd", 0) == 0 || tcti.rfind("device:/dev/tpmrm", 0) == 0;
}

/// The device's path, "" where the TPM is reached in another way.
std::string DeviceOf(std::string const& tcti) {
  return tcti.rfind(DevicePrefix, 0) == 0 ? tcti.substr(DevicePrefix.size()) : std::string{};
}

/// The system's own words: what ESAPI says of a device that cannot be opened is only that it cannot.
void CheckAccess(std::string const& device) {
  if (device.empty() || ::access(device.c_str(), R_OK | W_OK) == 0) return;
  throw Error{
      {errors::KeyUnavailable, "The TPM at " + device + " cannot be opened: " + std::strerror(errno),
       "Check that this machine has a TPM 2.0 (Trusted Launch, vTPM), and that the user of this process is in the "
       "group "
       "that owns the device, which is called tss on most systems"}};
}

/// Tells a key from all others, in any TPM.
std::string NameOf(ESYS_CONTEXT* esys, ESYS_TR object) {
  TPM2B_NAME* name = nullptr;
  Device::Check(Esys_TR_GetName(esys, object, &name), errors::KeyUnavailable, "The TPM library does not name the key");
  EsysPtr<TPM2B_NAME> const owned{name};
  return {reinterpret_cast<char const*>(name->name), name->size};
}

[[noreturn]] void ThrowParentClosed(std::string const& since) {
  throw Error{
      {errors::KeyUnavailable, "The TPM wants an authorization for the key's parent" + since + ", and there is none",
       "Put the key itself under a persistent handle (tpm2_evictcontrol) and name that, or make it under another "
       "parent"}};
}

/// Without the number of the handle, parameter or session that it is about.
TSS2_RC BaseOf(TSS2_RC reason) noexcept { return reason & ~(TPM2_RC_N_MASK | TPM2_RC_P | TPM2_RC_S); }

bool IsLayer(TSS2_RC reason, TSS2_RC layer) noexcept { return (reason & TSS2_RC_LAYER_MASK) == layer; }

/// Where it is not the TPM that speaks, nor what manages it, but the library on the way there. It stays in disorder after most of
/// that, and answers everything with "bad sequence".
bool IsOfTheLibrary(TSS2_RC reason) noexcept {
  return IsLayer(reason, TSS2_ESAPI_RC_LAYER) || IsLayer(reason, TSS2_SYS_RC_LAYER) ||
         IsLayer(reason, TSS2_MU_RC_LAYER);
}

}  // namespace

Error TpmFailure(ErrorCode code, std::string const& what, TSS2_RC reason) {
  std::string action = "See docs/keys.md; tpm2_getcap and tpm2_readpublic show what the TPM has";
  auto const base = BaseOf(reason);
  if (reason == TPM2_RC_LOCKOUT) {
    action = "The TPM has locked itself after wrong authorizations. Wait, or have it reset with tpm2_dictionarylockout";
  } else if (IsAboutAuthorization(reason)) {
    action =
        "Check TpmOptions::KeyAuthorization, which this process shows once, and OwnerAuthorization, which it shows "
        "each time "
        "that it makes a key or loads a sealed one";
  } else if (base == TPM2_RC_HANDLE || base == TPM2_RC_REFERENCE_H0) {
    action = "Check the handle against `tpm2_getcap handles-persistent`";
  }
  return Error{{code, what + ": " + Tss2_RC_Decode(reason), std::move(action)}};
}

bool IsAboutAuthorization(TSS2_RC reason) noexcept {
  auto const base = BaseOf(reason);
  return base == TPM2_RC_AUTH_FAIL || base == TPM2_RC_BAD_AUTH;
}

void Device::Check(TSS2_RC reason, ErrorCode code, char const* what, bool mayBeRetried) {
  if (reason == TSS2_RC_SUCCESS) return;
  if (IsLayer(reason, TSS2_TCTI_RC_LAYER)) {
    throw Lost{mayBeRetried, TpmFailure(errors::KeyUnavailable, "The connection to the TPM was lost", reason)};
  }
  // Of all else the command may have reached the TPM, with an authorization that must not be shown again.
  if (IsOfTheLibrary(reason)) throw Lost{reason == TSS2_ESYS_RC_BAD_SEQUENCE, TpmFailure(code, what, reason)};
  throw TpmFailure(code, what, reason);
}

Authorization::Authorization(Secret const& secret) noexcept {
  value_.size = static_cast<UINT16>(secret.Reveal().copy(reinterpret_cast<char*>(value_.buffer), sizeof value_.buffer));
}

Authorization::~Authorization() { OPENSSL_cleanse(&value_, sizeof value_); }

void ForgetAuthorization(ESYS_CONTEXT* esys, ESYS_TR object) noexcept {
  // All of it: of null it would keep the bytes.
  TPM2B_AUTH const none{};
  Esys_TR_SetAuth(esys, object, &none);
}

Connection::Connection(std::string const& tcti) {
  auto const opened = Tss2_TctiLdr_Initialize(tcti.c_str(), &tcti_);
  if (opened != TSS2_RC_SUCCESS) {
    throw TpmFailure(errors::KeyUnavailable, "The TPM cannot be reached by \"" + tcti + "\"", opened);
  }
  auto const begun = Esys_Initialize(&esys_, tcti_, nullptr);
  if (begun != TSS2_RC_SUCCESS) {
    Tss2_TctiLdr_Finalize(&tcti_);
    throw TpmFailure(errors::KeyUnavailable, "The TPM library cannot be started", begun);
  }
}

Connection::~Connection() {
  ForgetAuthorization(esys_, ESYS_TR_RH_OWNER);
  Esys_Finalize(&esys_);
  Tss2_TctiLdr_Finalize(&tcti_);
}

ESYS_TR Connection::LoadParent(TPM2_HANDLE parent, TpmOptions const& options) {
  if (parent == TPM2_RH_OWNER) return MakePrimaryKey(esys_, options.OwnerAuthorization);
  ESYS_TR object = ESYS_TR_NONE;
  Device::Check(
      Esys_TR_FromTPMPublic(esys_, parent, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &object), errors::KeyUnavailable,
      "The TPM has no key under the handle of the parent key");
  return object;
}

void Connection::Unload(ESYS_TR object, bool persistent) noexcept {
  ForgetAuthorization(esys_, object);
  if (persistent) {
    Esys_TR_Close(esys_, &object);
  } else {
    Esys_FlushContext(esys_, object);
  }
}

void Connection::UnloadAll() noexcept {
  if (loaded_ != ESYS_TR_NONE) Unload(loaded_, loadedIsPersistent_);
  loaded_ = ESYS_TR_NONE;
  loadedId_ = 0;
}

ESYS_TR Connection::LoadSealed(KeyMaterial const& key, TpmOptions const& options, Context const& context) {
  bool const isPersistent = key.Parent != TPM2_RH_OWNER;
  auto const parent = LoadParent(key.Parent, options);
  auto const unload = gsl::finally([&] { Unload(parent, isPersistent); });
  // One that others made may have an authorization. The empty one, which is all there is to show, counts as a wrong one then.
  std::optional<keys::SecretShowing> showing;
  if (isPersistent) {
    showing.emplace(NameOf(esys_, parent), context);
    if (showing->WasRefused({})) ThrowParentClosed(" and has refused to go without before");
  }
  ESYS_TR object = ESYS_TR_NONE;
  auto const reason =
      Esys_Load(esys_, parent, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &key.Private, &key.Public, &object);
  if (isPersistent && IsAboutAuthorization(reason)) {
    showing->NoteRefused({});
    ThrowParentClosed("");
  }
  Device::Check(
      reason, errors::KeyUnavailable, "The TPM does not load the key, which may be another TPM's", !isPersistent);
  return object;
}

ESYS_TR Connection::Load(KeyMaterial const& key, TpmOptions const& options, Context const& context) {
  if (key.Id != 0 && loadedId_ == key.Id) return loaded_;
  // Without a resource manager there is room for three objects in all.
  UnloadAll();
  ESYS_TR object = ESYS_TR_NONE;
  if (key.Persistent != 0) {
    Device::Check(
        Esys_TR_FromTPMPublic(esys_, key.Persistent, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &object),
        errors::KeyUnavailable, "The TPM has no key under the handle");
  } else {
    object = LoadSealed(key, options, context);
  }
  Esys_TR_SetAuth(esys_, object, Authorization{options.KeyAuthorization}.Get());
  loaded_ = object;
  loadedId_ = key.Id;
  loadedIsPersistent_ = key.Persistent != 0;
  return object;
}

/// The right to talk to the TPM, until it goes out of scope.
class Device::Turn final {
 public:
  /// @param letsGo whether the connection ends where nobody else waits for it
  Turn(State& state, bool letsGo, Context const& context) : state_(state), letsGo_(letsGo) {
    std::unique_lock<std::mutex> lock{state_.Mutex};
    ++state_.Waiting;
    try {
      WaitOrThrow(lock, state_.Changed, context, "Waiting for the TPM", [this] { return !state_.Busy; });
    } catch (...) {
      --state_.Waiting;
      // Whoever had the TPM may have left the connection to this one.
      if (!state_.Busy) End(lock);
      throw;
    }
    --state_.Waiting;
    state_.Busy = true;
  }
  ~Turn() {
    std::unique_lock<std::mutex> lock{state_.Mutex};
    End(lock);
  }
  Turn(Turn const&) = delete;
  Turn& operator=(Turn const&) = delete;

 private:
  void End(std::unique_lock<std::mutex>& lock) noexcept {
    if (letsGo_ && state_.Open && state_.Waiting == 0) {
      state_.Busy = true;
      lock.unlock();
      state_.Open->UnloadAll();
      state_.Open.reset();
      lock.lock();
    }
    state_.Busy = false;
    state_.Changed.notify_one();
  }

  State& state_;
  bool const letsGo_;
};

Device::Device(TpmOptions options)
    : options_(std::move(options)), tcti_(ResolveTcti(options_.Tcti)), isManaged_(HasResourceManager(tcti_)) {
  for (auto const* const secret : {&options_.KeyAuthorization, &options_.OwnerAuthorization}) {
    if (secret->Reveal().size() <= sizeof TPM2B_AUTH::buffer) continue;
    throw Error{
        {errors::InvalidArgument, "An authorization for the TPM has more than 64 bytes",
         "Set TpmOptions::KeyAuthorization and OwnerAuthorization to what the TPM was given, which is shorter"}};
  }
}

Device::~Device() {
  auto* const state = state_.Find();
  if (state != nullptr && state->Open) state->Open->UnloadAll();
}

bool Device::IsThere() const noexcept {
  auto const device = DeviceOf(tcti_);
  return device.empty() || ::access(device.c_str(), R_OK | W_OK) == 0;
}

void Device::RunOnce(State& state, std::function<void(Connection&)> const& action) {
  bool const isNew = !state.Open;
  if (isNew) {
    CheckAccess(DeviceOf(tcti_));
    state.Open = std::make_unique<Connection>(tcti_);
  }
  try {
    action(*state.Open);
  } catch (Lost const& lost) {
    state.Open.reset();
    if (isNew || !lost.MayBeRetried) throw Error{lost.Failure};
    throw;
  }
}

void Device::Run(Context const& context, std::function<void(Connection&)> const& action) {
  auto& state = state_.Get();
  Turn const turn{state, !isManaged_, context};
  try {
    RunOnce(state, action);
  } catch (Lost const&) {
    RunOnce(state, action);
  }
}

}  // namespace mtlspop::tpm
