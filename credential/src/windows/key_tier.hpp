#pragma once

/// @file
/// The tiers of Windows' keys: where the keys of each come from, what makes them trustworthy, and why there may be none.

#include <memory>
#include <string>

#include "cng_key.hpp"
#include "key_functions.hpp"

#include "mtlspop/credential/key_provider.hpp"
#include "mtlspop/transport/error.hpp"

namespace mtlspop::windows {

/// One tier: where its keys come from and what makes them trustworthy.
struct Tier {
  KeyStrength Strength;
  wchar_t const* Provider;
  wchar_t const* KeyName;
  DWORD CreationFlags;
  bool MustBeIsolated;
};

extern Tier const KeyGuardTier;
extern Tier const TpmTier;
/// Keys in the process's memory, as far as Windows knows such: under a name that nobody else knows.
extern Tier const SoftwareTier;

/// How long a tier will have no key to give.
enum class Lasts {
  /// As long as the process runs.
  ForGood,
  /// Until somebody mends it.
  UntilMended,
  /// It may be over the next time.
  Shortly
};

/// A tier that has no key to give.
class TierUnavailable final : public Error {
 public:
  TierUnavailable(Error const& error, Lasts lasts) : Error(With(error, lasts)), lasts_(lasts) {}

  bool IsForGood() const noexcept { return lasts_ == Lasts::ForGood; }

 private:
  static ErrorDetails With(Error const& error, Lasts lasts) {
    auto details = error.Details();
    details.Transient = lasts == Lasts::Shortly;
    return details;
  }

  Lasts lasts_;
};

/// A tier that cannot give a key: the provider answered `status`.
TierUnavailable Unavailable(Tier const& tier, char const* what, SECURITY_STATUS status);

/// A key that is there, and neither usable nor known to be of no use to anybody.
TierUnavailable Unusable(Tier const& tier, std::wstring const& name, char const* what, SECURITY_STATUS status);

/// A key that lives and is not what this tier gives: somebody else's.
TierUnavailable NameIsTaken(Tier const& tier, std::wstring const& name, std::string const& why);

/// Without the mutex nothing is made and nothing destroyed.
TierUnavailable Busy(Tier const& tier, std::wstring const& name, std::string const& whyNot);

/// @throw Error `minimum_strength_not_available`
[[noreturn]] void ThrowTooWeak(KeyStrength wanted, KeyStrength had);

/// The tier's key storage provider.
/// @throw TierUnavailable where it is not there, or does not say that it is what the tier needs
NCryptObject OpenProvider(std::shared_ptr<KeyFunctions> const& functions, Tier const& tier);

/// Sets what a new key has to be.
SECURITY_STATUS SetUp(KeyFunctions& functions, NCRYPT_KEY_HANDLE key);

/// Names of keys are ASCII.
std::wstring WidenName(std::string const& name);

}  // namespace mtlspop::windows
