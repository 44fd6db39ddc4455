#pragma once

/// @file
/// Bindings in CurrentUser\My, over tables of functions.

#include <memory>

#include "key_functions.hpp"
#include "key_providers.hpp"
#include "named_mutex.hpp"
#include "store_functions.hpp"

#include "mtlspop/credential/binding_store.hpp"
#include "mtlspop/credential/windows.hpp"

namespace mtlspop::windows {

/// As the function of windows.hpp, over tables of functions.
gsl::not_null<std::shared_ptr<BindingStore>> MakeCertificateStoreBindingStore(
    std::shared_ptr<StoreFunctions> store,
    std::shared_ptr<KeyFunctions> keys,
    std::shared_ptr<MutexFunctions> mutexes,
    CertificateStoreOptions options);

/// Removes the certificates from CurrentUser\My that this library put there and that belong to a key. Those of a binding
/// that somebody is at just now stay: they are removed when it is loaded or saved.
KeyIsGone PurgeFromStore(
    std::shared_ptr<StoreFunctions> store, std::shared_ptr<MutexFunctions> mutexes, EventSink observer);
KeyIsGone PurgeFromPersonalStore(EventSink observer);

}  // namespace mtlspop::windows
