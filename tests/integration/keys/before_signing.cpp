#include "before_signing.hpp"

#include <mutex>

#include <dlfcn.h>

namespace mtlspop::test {
namespace {

std::mutex mutex;
BeforeSigning::Hook current;

BeforeSigning::Hook Current() {
  std::lock_guard<std::mutex> const lock{mutex};
  return current;
}

void Set(BeforeSigning::Hook hook) {
  std::lock_guard<std::mutex> const lock{mutex};
  current = std::move(hook);
}

}  // namespace

BeforeSigning::BeforeSigning(Hook hook) { Set(std::move(hook)); }

BeforeSigning::~BeforeSigning() { Set(nullptr); }

}  // namespace mtlspop::test

/// The program's own comes before that of libtss2.
TSS2_RC Esys_RSA_Decrypt(
    ESYS_CONTEXT* esys,
    ESYS_TR key,
    ESYS_TR first,
    ESYS_TR second,
    ESYS_TR third,
    TPM2B_PUBLIC_KEY_RSA const* block,
    TPMT_RSA_DECRYPT const* scheme,
    TPM2B_DATA const* label,
    TPM2B_PUBLIC_KEY_RSA** out) {
  static auto* const real = reinterpret_cast<decltype(&Esys_RSA_Decrypt)>(::dlsym(RTLD_NEXT, "Esys_RSA_Decrypt"));
  if (auto const hook = mtlspop::test::Current()) {
    auto const reason = hook(esys, key);
    if (reason != TSS2_RC_SUCCESS) return reason;
  }
  return real(esys, key, first, second, third, block, scheme, label, out);
}
