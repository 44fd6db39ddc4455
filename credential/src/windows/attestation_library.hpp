#pragma once

/// @file
/// Microsoft's AttestationClientLib.dll, loaded at run time.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <windows.h>

#include <ncrypt.h>

#include "mtlspop/transport/observer.hpp"
#include "mtlspop/transport/secret.hpp"

namespace mtlspop::windows {

/// What WinVerifyTrust found out about a file.
struct SignatureCheck {
  /// 0 where the signature is good and Windows trusts its signer, otherwise why not.
  LONG Status = TRUST_E_NOSIGNATURE;
  /// The signer's own certificate in DER; empty where there is none.
  std::vector<std::uint8_t> Signer{};
  /// Whether its chain ends in one of Microsoft's own roots (CERT_CHAIN_POLICY_MICROSOFT_ROOT).
  bool HasMicrosoftRoot = false;
};

/// What loading a library takes, as an interface, so that tests can load one that nobody signed.
///
/// Thread safety: all members may be called from any thread at any time.
class LibraryFunctions {
 public:
  virtual ~LibraryFunctions() = default;

  /// WinVerifyTrust over the open file; `path` is for Windows' messages only.
  virtual SignatureCheck VerifySignature(std::filesystem::path const& path, HANDLE file) = 0;
  /// LoadLibraryExW; null where that fails.
  virtual HMODULE Load(std::filesystem::path const& path, DWORD flags) = 0;
  virtual FARPROC Find(HMODULE library, char const* name) = 0;
  virtual void Unload(HMODULE library) = 0;
};

/// Windows' own.
std::shared_ptr<LibraryFunctions> SystemLibraries();

/// Where the library is: what `fromEnvironment` (the value of ATTESTATION_CLIENTLIB_PATH) names, or, where that is empty,
/// AttestationClientLib.dll beside the program. Empty where there is no such file, or where the path does not begin with a
/// drive ("C:\"): the current folder is nobody's to trust, and neither is what a network or a device says is a file.
std::filesystem::path FindAttestationLibrary(std::string const& fromEnvironment);

/// Whether this process runs with the full half of a split token, that is, was started "as administrator": its environment
/// is that of its user, and what runs with the lesser half of the token writes it too.
bool IsElevated() noexcept;

/// What ATTESTATION_CLIENTLIB_PATH says, null for nothing, as far as it is followed: an elevated process loads no code from
/// where somebody with fewer rights says.
std::wstring AllowedLibraryPath(wchar_t const* named, bool isElevated);

/// The loaded library, initialized. It is uninitialized and unloaded when this is destroyed, which runs its code.
///
/// What is verified is what is loaded: the file is held open, so that nobody can write, rename or remove it, from before
/// its path is resolved (links and junctions are followed once) until it is loaded by the path that was found. Its
/// signature must be good, trusted by Windows, and made by Microsoft Corporation under one of Microsoft's roots.
///
/// Thread safety: none. One call at a time, whichever it is.
class AttestationLibrary final {
 public:
  /// Whose log the library's own lines go to. They come from any thread, and are dropped once nobody holds it any more.
  using Log = std::weak_ptr<EventSink const>;

  /// @throw Error `attestation_failed`
  AttestationLibrary(std::shared_ptr<LibraryFunctions> functions, std::filesystem::path const& path, Log const& log);
  ~AttestationLibrary();
  AttestationLibrary(AttestationLibrary const&) = delete;
  AttestationLibrary& operator=(AttestationLibrary const&) = delete;

  /// The JWT for `key`. What the library has to say meanwhile, and until the next call, goes to `log`.
  /// @throw Error `attestation_failed`
  Secret Attest(std::string const& endpoint, std::string const& clientId, NCRYPT_KEY_HANDLE key, Log const& log);

 private:
  class NativeLog;
  struct Exports;

  std::shared_ptr<LibraryFunctions> functions_;
  std::unique_ptr<NativeLog> log_;
  HMODULE library_ = nullptr;
  std::unique_ptr<Exports> exports_;
};

/// What a negative result of the library means, for an error's text.
char const* DescribeAttestationResult(int result) noexcept;

}  // namespace mtlspop::windows
