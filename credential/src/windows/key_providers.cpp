#include "key_providers.hpp"

#include <string>
#include <utility>

#include "certificate_store.hpp"
#include "key_tier.hpp"
#include "mtlspop/base/environment_variable.hpp"
#include "mtlspop/credential/windows.hpp"
#include "persisted_key_provider.hpp"
#include "transient_key_provider.hpp"

namespace mtlspop::windows {
namespace {

/// The name that credentials ask for, so that what is looked for before the first request is the key of the request.
std::string ConfiguredName() {
  char const* const name = ReadEnvironmentVariable("MSAL_MSI_V2_KEY_NAME");
  return name == nullptr ? std::string{} : name;
}

}  // namespace

gsl::not_null<std::shared_ptr<KeyProvider>> MakeKeyGuardKeyProvider(
    std::shared_ptr<KeyFunctions> functions,
    KeyIsGone keyIsGone,
    EventSink observer,
    std::string const& usualName,
    std::shared_ptr<MutexFunctions> mutexes) {
  return std::shared_ptr<KeyProvider>{std::make_shared<PersistedKeyProvider>(
      KeyGuardTier, std::move(functions), std::move(mutexes), std::move(keyIsGone), std::move(observer), usualName)};
}

gsl::not_null<std::shared_ptr<KeyProvider>> MakeTpmKeyProvider(
    std::shared_ptr<KeyFunctions> functions,
    KeyIsGone keyIsGone,
    EventSink observer,
    std::string const& usualName,
    std::shared_ptr<MutexFunctions> mutexes) {
  return std::shared_ptr<KeyProvider>{std::make_shared<PersistedKeyProvider>(
      TpmTier, std::move(functions), std::move(mutexes), std::move(keyIsGone), std::move(observer), usualName)};
}

gsl::not_null<std::shared_ptr<KeyProvider>> MakeSoftwareKeyProvider(std::shared_ptr<KeyFunctions> functions) {
  return std::shared_ptr<KeyProvider>{std::make_shared<TransientKeyProvider>(std::move(functions))};
}

gsl::not_null<std::shared_ptr<KeyProvider>> MakeKeyGuardKeyProvider(EventSink observer) {
  return MakeKeyGuardKeyProvider(SystemKeys(), PurgeFromPersonalStore(observer), observer, ConfiguredName());
}

gsl::not_null<std::shared_ptr<KeyProvider>> MakeTpmKeyProvider(EventSink observer) {
  return MakeTpmKeyProvider(SystemKeys(), PurgeFromPersonalStore(observer), observer, ConfiguredName());
}

}  // namespace mtlspop::windows

namespace mtlspop {

gsl::not_null<std::shared_ptr<KeyProvider>> MakeSoftwareKeyProvider() {
  return windows::MakeSoftwareKeyProvider(windows::SystemKeys());
}

}  // namespace mtlspop
