// A PKCS#11 module: SoftHSM, whose token can be taken out and put back, which can do with fewer mechanisms, and that counts
// the PINs that it is shown.

#include <atomic>

#include <dlfcn.h>

#include <p11-kit/pkcs11.h>

namespace {

std::atomic<bool> present{true};
std::atomic<int> logins{0};
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
  return present ? SoftHsm()->C_GetTokenInfo(slot, info) : CKR_TOKEN_NOT_PRESENT;
}

CK_RV GetMechanismInfo(CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO* info) {
  return Lacks(type) ? CKR_MECHANISM_INVALID : SoftHsm()->C_GetMechanismInfo(slot, type, info);
}

CK_RV SignInit(CK_SESSION_HANDLE session, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key) {
  if (Lacks(mechanism->mechanism)) return CKR_MECHANISM_INVALID;
  lastUsed = mechanism->mechanism;
  return present ? SoftHsm()->C_SignInit(session, mechanism, key) : CKR_DEVICE_REMOVED;
}

CK_RV Login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR* pin, CK_ULONG length) {
  ++logins;
  return SoftHsm()->C_Login(session, user, pin, length);
}

CK_FUNCTION_LIST functions;

}  // namespace

extern "C" {

__attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST** list) {
  functions = *SoftHsm();
  functions.C_GetSlotList = &GetSlotList;
  functions.C_GetTokenInfo = &GetTokenInfo;
  functions.C_GetMechanismInfo = &GetMechanismInfo;
  functions.C_SignInit = &SignInit;
  functions.C_Login = &Login;
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
  }
  present = isPresent != 0;
}

__attribute__((visibility("default"))) int RemovableModuleLogins() { return logins; }

__attribute__((visibility("default"))) void RemovableModuleSetLacking(int pss, int raw) {
  lacksPss = pss != 0;
  lacksRaw = raw != 0;
}

__attribute__((visibility("default"))) unsigned long RemovableModuleLastUsed() { return lastUsed; }
}
