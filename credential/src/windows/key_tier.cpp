#include "key_tier.hpp"

#include <utility>

#include "mtlspop/base/windows/wide_text.hpp"
#include "mtlspop/credential/errors.hpp"
#include "status.hpp"

// Newer than the cross compiler's headers; the values are those of the Windows SDK's ncrypt.h.
#ifndef NCRYPT_USE_VIRTUAL_ISOLATION_FLAG
#define NCRYPT_USE_VIRTUAL_ISOLATION_FLAG 0x00020000
#endif
#ifndef NCRYPT_USE_PER_BOOT_KEY_FLAG
#define NCRYPT_USE_PER_BOOT_KEY_FLAG 0x00040000
#endif

namespace mtlspop::windows {
namespace {

constexpr DWORD KeyBits = 2048;

Lasts LastsAfter(SECURITY_STATUS status) {
  return IsVbsUnavailable(status) || status == NTE_NOT_SUPPORTED ? Lasts::ForGood : Lasts::Shortly;
}

std::string NameOf(Tier const& tier, std::wstring const& name) {
  return std::string{ToString(tier.Strength)} + " key " + NarrowAscii(name);
}

std::string HowToDelete(Tier const& tier) {
  return "delete it with certutil -user -csp \"" + NarrowAscii(tier.Provider) + "\" -delkey and its name";
}

}  // namespace

constexpr Tier KeyGuardTier{
    KeyStrength::KeyGuard, MS_KEY_STORAGE_PROVIDER, L"MtlspopKeyGuardKey",
    NCRYPT_USE_VIRTUAL_ISOLATION_FLAG | NCRYPT_USE_PER_BOOT_KEY_FLAG, true};
constexpr Tier TpmTier{KeyStrength::Hardware, PlatformProvider, L"MtlspopTpmKey", 0, false};
constexpr Tier SoftwareTier{KeyStrength::Software, MS_KEY_STORAGE_PROVIDER, L"", 0, false};

std::wstring WidenName(std::string const& name) { return {name.begin(), name.end()}; }

[[noreturn]] void ThrowTooWeak(KeyStrength wanted, KeyStrength had) {
  ErrorDetails details{
      errors::MinimumStrengthNotAvailable,
      "A key of strength " + std::string{ToString(wanted)} + " was asked for, and this provider makes " +
          std::string{ToString(had)} + " keys at best",
      "Lower the minimum strength in the credential's options, or run where stronger keys exist (a Trusted Launch "
      "virtual machine with Windows for KeyGuard)"};
  details.NothingSent = true;
  throw Error{std::move(details)};
}

TierUnavailable Unavailable(Tier const& tier, char const* what, SECURITY_STATUS status) {
  auto const failure = Failure(
      errors::KeyUnavailable, std::string{what} + " for a " + std::string{ToString(tier.Strength)} + " key", status,
      tier.Strength == KeyStrength::KeyGuard ? "Check with msinfo32 that virtualization-based security is running; it "
                                               "needs a Trusted Launch virtual machine "
                                               "with secure boot and vTPM"
                                             : "Check with Get-Tpm that the machine has a TPM that is ready");
  return TierUnavailable{failure, LastsAfter(status)};
}

TierUnavailable Unusable(Tier const& tier, std::wstring const& name, char const* what, SECURITY_STATUS status) {
  return TierUnavailable{
      Failure(
          errors::KeyUnavailable, "The " + NameOf(tier, name) + " " + what, status,
          "Check that this account may use the key, and try again. Where it stays like this and nobody needs the "
          "key, " +
              HowToDelete(tier) + "; another one is made then"),
      Lasts::Shortly};
}

TierUnavailable NameIsTaken(Tier const& tier, std::wstring const& name, std::string const& why) {
  ErrorDetails details{
      errors::KeyUnavailable,
      "The name " + NarrowAscii(name) + " is that of a key which is in use and no " +
          std::string{ToString(tier.Strength)} + " key. It is left alone. " + why,
      "Choose a name that no other program uses, with the environment variable MSAL_MSI_V2_KEY_NAME. Or, if nobody "
      "needs that key, " +
          HowToDelete(tier)};
  details.NothingSent = true;
  return TierUnavailable{Error{std::move(details)}, Lasts::UntilMended};
}

TierUnavailable Busy(Tier const& tier, std::wstring const& name, std::string const& whyNot) {
  ErrorDetails details{
      errors::KeyUnavailable, "The " + NameOf(tier, name) + " has to be made or replaced, and " + whyNot,
      "Try again. Where it stays like this, look for a process that hangs or keeps the mutex, of this user or of the "
      "account that is named, and end it"};
  details.NothingSent = true;
  return TierUnavailable{Error{std::move(details)}, Lasts::Shortly};
}

SECURITY_STATUS SetUp(KeyFunctions& functions, NCRYPT_KEY_HANDLE key) {
  DWORD bits = KeyBits;
  auto status = functions.SetProperty(key, NCRYPT_LENGTH_PROPERTY, reinterpret_cast<BYTE*>(&bits), sizeof bits);
  if (status == 0) {
    // Never exportable, not even encrypted.
    DWORD policy = 0;
    status = functions.SetProperty(key, NCRYPT_EXPORT_POLICY_PROPERTY, reinterpret_cast<BYTE*>(&policy), sizeof policy);
  }
  return status == 0 ? functions.FinalizeKey(key) : status;
}

NCryptObject OpenProvider(std::shared_ptr<KeyFunctions> const& functions, Tier const& tier) {
  NCRYPT_PROV_HANDLE provider = 0;
  auto status = functions->OpenStorageProvider(&provider, tier.Provider);
  if (status != 0) {
    throw Unavailable(tier, "The key storage provider cannot be opened", status);
  }
  NCryptObject opened{functions, provider};
  if (tier.Strength == KeyStrength::Hardware) {
    status = ProbeHardware(*functions, provider);
    if (status != 0) {
      throw Unavailable(tier, "The key storage provider does not say that it is hardware", status);
    }
  }
  return opened;
}

}  // namespace mtlspop::windows
