// For a program that leaves the keys to the library: under Wine, whose SChannel signs with no key of CNG, they are container
// keys. The linker leads calls of MakeDefaultKeyProvider here (--wrap).

#include "container_keys.hpp"
#include "wine.hpp"

namespace mtlspop::windows_tests {

using Keys = gsl::not_null<std::shared_ptr<KeyProvider>>;

Keys LibrarysDefaultKeys() __asm__("__real__ZN7mtlspop22MakeDefaultKeyProviderEv");
Keys DefaultKeysOfThisMachine() __asm__("__wrap__ZN7mtlspop22MakeDefaultKeyProviderEv");

Keys DefaultKeysOfThisMachine() { return IsWine() ? MakeContainerKeyProvider() : LibrarysDefaultKeys(); }

}  // namespace mtlspop::windows_tests
