#pragma once

/// @file
/// Microsoft's AttestationClientLib.dll, loaded at run time.

#include <filesystem>
#include <memory>
#include <string>

#include <windows.h>

#include <ncrypt.h>

#include "mtlspop/transport/log.hpp"
#include "mtlspop/transport/secret.hpp"

namespace mtlspop::windows {

/// What loading a library takes, as an interface, so that tests can load one that nobody signed.
///
/// Thread safety: all members may be called from any thread at any time.
class LibraryFunctions {
 public:
  virtual ~LibraryFunctions() = default;

  /// WinVerifyTrust over the open file: 0 where its signature is good and its signer trusted.
  virtual LONG VerifySignature(std::filesystem::path const& path, HANDLE file) = 0;
  /// LoadLibraryExW; null where that fails.
  virtual HMODULE Load(std::filesystem::path const& path, DWORD flags) = 0;
  virtual FARPROC Find(HMODULE library, char const* name) = 0;
  virtual void Unload(HMODULE library) = 0;
};

/// Windows' own.
std::shared_ptr<LibraryFunctions> SystemLibraries();

/// Where the library is: what `fromEnvironment` (the value of ATTESTATION_CLIENTLIB_PATH) names, or, where that is empty,
/// AttestationClientLib.dll beside the program. Empty where there is no such file, or where the path is not absolute: the
/// current folder is nobody's to trust.
std::filesystem::path FindAttestationLibrary(std::string const& fromEnvironment);

/// The loaded library, initialized. It is uninitialized and unloaded when this is destroyed.
///
/// Thread safety: one call at a time; `Attest` sees to that.
class AttestationLibrary final {
 public:
  /// @throw Error `attestation_failed`
  AttestationLibrary(std::shared_ptr<LibraryFunctions> functions, std::filesystem::path const& path, Logger log);
  ~AttestationLibrary();
  AttestationLibrary(AttestationLibrary const&) = delete;
  AttestationLibrary& operator=(AttestationLibrary const&) = delete;

  /// The JWT for `key`.
  /// @throw Error `attestation_failed`
  Secret Attest(std::string const& endpoint, std::string const& clientId, NCRYPT_KEY_HANDLE key);

 private:
  struct Exports;

  std::shared_ptr<LibraryFunctions> functions_;
  std::unique_ptr<Logger> log_;
  HMODULE library_ = nullptr;
  std::unique_ptr<Exports> exports_;
};

/// What a negative result of the library means, for an error's text.
char const* DescribeAttestationResult(int result) noexcept;

}  // namespace mtlspop::windows
