#pragma once

/// @file
/// The tiers of Windows' keys, over a table of functions.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "key_functions.hpp"
#include "named_mutex.hpp"

#include "mtlspop/credential/key_provider.hpp"
#include "mtlspop/transport/observer.hpp"

namespace mtlspop::windows {

/// Called with the SubjectPublicKeyInfo of a key that does not live any more, so that the certificates that belonged to
/// it can be removed. Must not throw.
using KeyIsGone = std::function<void(std::vector<std::uint8_t> const& subjectPublicKeyInfo)>;

/// As the functions of windows.hpp, over tables of functions. `usualName` is the name of the key where a request names
/// none, and of the one that `HighestStrength()` makes; "" for the provider's own.
gsl::not_null<std::shared_ptr<KeyProvider>> MakeKeyGuardKeyProvider(
    std::shared_ptr<KeyFunctions> functions,
    KeyIsGone keyIsGone,
    EventSink observer,
    std::string const& usualName = {},
    std::shared_ptr<MutexFunctions> mutexes = SystemMutexes());
gsl::not_null<std::shared_ptr<KeyProvider>> MakeTpmKeyProvider(
    std::shared_ptr<KeyFunctions> functions,
    KeyIsGone keyIsGone,
    EventSink observer,
    std::string const& usualName = {},
    std::shared_ptr<MutexFunctions> mutexes = SystemMutexes());
gsl::not_null<std::shared_ptr<KeyProvider>> MakeSoftwareKeyProvider(std::shared_ptr<KeyFunctions> functions);

}  // namespace mtlspop::windows
