// A PKCS#11 module: SoftHSM, whose token can be taken out and put back, which can do with fewer mechanisms, can have a pad,
// and that counts the PINs that it is shown.

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <vector>

#include <dlfcn.h>

#include <p11-kit/pkcs11.h>

namespace {

std::atomic<bool> present{true};
std::atomic<int> logins{0};
/// Said of the token beside what SoftHSM says.
std::atomic<CK_FLAGS> moreFlags{0};
/// What whoever stands at the pad types.
std::atomic<char const*> typed{nullptr};

/// Whether it makes no keys.
std::atomic<bool> makesNoKeys{false};
/// The id of a key that another process makes at the same time; negative for none.
std::atomic<int> twinsId{-1};

/// How many sessions it gives, and whether it says so.
std::atomic<CK_ULONG> mostSessions{0};
std::atomic<bool> saysMostSessions{false};
std::atomic<CK_ULONG> sessions{0};

/// How many readings go well before one fails, and with what; negative for all.
std::atomic<int> goodReadings{-1};
std::atomic<CK_RV> readingsFailure{CKR_OK};

/// While logins are held, they wait.
std::mutex holding;
std::condition_variable changed;
bool loginsAreHeld = false;

/// Mechanisms that the token does not have, whatever SoftHSM says.
std::atomic<bool> lacksPss{false};
std::atomic<bool> lacksRaw{false};
/// The one that a signature was last begun with.
std::atomic<CK_MECHANISM_TYPE> lastUsed{0};

bool Lacks(CK_MECHANISM_TYPE type) {
  return (lacksPss && type == CKM_RSA_PKCS_PSS) || (lacksRaw && type == CKM_RSA_X_509);
}

CK_FUNCTION_LIST* SoftHsm() {
  static CK_FUNCTION_LIST* const list = [] {
    CK_FUNCTION_LIST* found = nullptr;
    auto* const module = ::dlopen("/usr/lib/softhsm/libsofthsm2.so", RTLD_NOW);
    auto const get = reinterpret_cast<CK_C_GetFunctionList>(::dlsym(module, "C_GetFunctionList"));
    get(&found);
    return found;
  }();
  return list;
}

CK_RV GetSlotList(CK_BBOOL tokenPresent, CK_SLOT_ID* slots, CK_ULONG* count) {
  if (present || tokenPresent == CK_FALSE) return SoftHsm()->C_GetSlotList(tokenPresent, slots, count);
  *count = 0;
  return CKR_OK;
}

CK_RV GetTokenInfo(CK_SLOT_ID slot, CK_TOKEN_INFO* info) {
  auto const reason = present ? SoftHsm()->C_GetTokenInfo(slot, info) : CKR_TOKEN_NOT_PRESENT;
  if (reason == CKR_OK) info->flags |= moreFlags;
  if (reason == CKR_OK && saysMostSessions) info->ulMaxSessionCount = info->ulMaxRwSessionCount = mostSessions;
  return reason;
}

CK_RV GetMechanismInfo(CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO* info) {
  return Lacks(type) ? CKR_MECHANISM_INVALID : SoftHsm()->C_GetMechanismInfo(slot, type, info);
}

CK_RV SignInit(CK_SESSION_HANDLE session, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key) {
  if (Lacks(mechanism->mechanism)) return CKR_MECHANISM_INVALID;
  lastUsed = mechanism->mechanism;
  return present ? SoftHsm()->C_SignInit(session, mechanism, key) : CKR_DEVICE_REMOVED;
}

CK_RV GetAttributeValue(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE* wanted, CK_ULONG count) {
  if (goodReadings >= 0 && goodReadings-- == 0) return readingsFailure;
  return SoftHsm()->C_GetAttributeValue(session, object, wanted, count);
}

CK_RV Login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR* pin, CK_ULONG length) {
  ++logins;
  changed.notify_all();
  {
    std::unique_lock<std::mutex> lock{holding};
    changed.wait(lock, [] { return !loginsAreHeld; });
  }
  auto const* const text = typed.load();
  if (pin == nullptr && text != nullptr) {
    return SoftHsm()->C_Login(
        session, user, reinterpret_cast<CK_UTF8CHAR*>(const_cast<char*>(text)), std::strlen(text));
  }
  return SoftHsm()->C_Login(session, user, pin, length);
}

std::vector<CK_ATTRIBUTE> WithId(CK_ATTRIBUTE const* given, CK_ULONG count, CK_BYTE* id) {
  std::vector<CK_ATTRIBUTE> attributes{given, given + count};
  for (auto& attribute : attributes) {
    if (attribute.type == CKA_ID) attribute = {CKA_ID, id, 1};
  }
  return attributes;
}

CK_RV GenerateKeyPair(
    CK_SESSION_HANDLE session,
    CK_MECHANISM* mechanism,
    CK_ATTRIBUTE* publicHalf,
    CK_ULONG publicCount,
    CK_ATTRIBUTE* privateHalf,
    CK_ULONG privateCount,
    CK_OBJECT_HANDLE* publicObject,
    CK_OBJECT_HANDLE* privateObject) {
  if (makesNoKeys) return CKR_FUNCTION_FAILED;
  int const twin = twinsId.exchange(-1);
  if (twin >= 0) {
    auto id = static_cast<CK_BYTE>(twin);
    auto others = WithId(publicHalf, publicCount, &id);
    auto own = WithId(privateHalf, privateCount, &id);
    SoftHsm()->C_GenerateKeyPair(
        session, mechanism, others.data(), publicCount, own.data(), privateCount, publicObject, privateObject);
  }
  return SoftHsm()->C_GenerateKeyPair(
      session, mechanism, publicHalf, publicCount, privateHalf, privateCount, publicObject, privateObject);
}

CK_RV OpenSession(CK_SLOT_ID slot, CK_FLAGS flags, void* argument, CK_NOTIFY notify, CK_SESSION_HANDLE* session) {
  if (mostSessions != 0 && sessions >= mostSessions) return CKR_SESSION_COUNT;
  auto const reason = SoftHsm()->C_OpenSession(slot, flags, argument, notify, session);
  if (reason == CKR_OK) ++sessions;
  return reason;
}

CK_RV CloseSession(CK_SESSION_HANDLE session) {
  auto const reason = SoftHsm()->C_CloseSession(session);
  if (reason == CKR_OK) --sessions;
  return reason;
}

CK_RV Finalize(void* reserved) {
  sessions = 0;
  return SoftHsm()->C_Finalize(reserved);
}

CK_FUNCTION_LIST functions;

}  // namespace

extern "C" {

__attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST** list) {
  functions = *SoftHsm();
  functions.C_GetSlotList = &GetSlotList;
  functions.C_GetTokenInfo = &GetTokenInfo;
  functions.C_GetMechanismInfo = &GetMechanismInfo;
  functions.C_GetAttributeValue = &GetAttributeValue;
  functions.C_SignInit = &SignInit;
  functions.C_Login = &Login;
  functions.C_OpenSession = &OpenSession;
  functions.C_CloseSession = &CloseSession;
  functions.C_Finalize = &Finalize;
  functions.C_GenerateKeyPair = &GenerateKeyPair;
  *list = &functions;
  return CKR_OK;
}

/// Whoever takes a token out ends its sessions.
__attribute__((visibility("default"))) void RemovableModuleSetPresent(int isPresent) {
  if (isPresent == 0) {
    CK_SLOT_ID slots[64];
    CK_ULONG count = 64;
    SoftHsm()->C_GetSlotList(CK_TRUE, slots, &count);
    for (CK_ULONG index = 0; index < count; ++index) SoftHsm()->C_CloseAllSessions(slots[index]);
    sessions = 0;
  }
  present = isPresent != 0;
}

__attribute__((visibility("default"))) int RemovableModuleLogins() { return logins; }

__attribute__((visibility("default"))) void RemovableModuleSetFlags(unsigned long flags) { moreFlags = flags; }

__attribute__((visibility("default"))) void RemovableModuleSetMaking(int makesNone, int twin) {
  makesNoKeys = makesNone != 0;
  twinsId = twin;
}

__attribute__((visibility("default"))) void RemovableModuleFailReading(int after, unsigned long reason) {
  readingsFailure = reason;
  goodReadings = after;
}

__attribute__((visibility("default"))) void RemovableModuleSetSessions(unsigned long most, int says) {
  mostSessions = most;
  saysMostSessions = says != 0;
}

__attribute__((visibility("default"))) void RemovableModuleSetTyped(char const* pin) { typed = pin; }

__attribute__((visibility("default"))) void RemovableModuleHoldLogins(int hold) {
  std::lock_guard<std::mutex> const lock{holding};
  loginsAreHeld = hold != 0;
  changed.notify_all();
}

__attribute__((visibility("default"))) void RemovableModuleSetLacking(int pss, int raw) {
  lacksPss = pss != 0;
  lacksRaw = raw != 0;
}

__attribute__((visibility("default"))) unsigned long RemovableModuleLastUsed() { return lastUsed; }
}
