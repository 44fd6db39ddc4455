#include "attestation_provider.hpp"

#include <cstdlib>
#include <map>
#include <mutex>
#include <utility>

#include "cng_key.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/credential/windows.hpp"

namespace mtlspop::windows {
namespace {

/// The library is one for the process and does not say that it may be called from two threads.
std::mutex& OneCallAtATime() {
  static std::mutex mutex;
  return mutex;
}

class KeyGuardAttestationProvider final : public AttestationProvider {
 public:
  KeyGuardAttestationProvider(std::shared_ptr<LibraryFunctions> functions, std::string libraryPath, Logger log)
      : functions_(std::move(functions)), libraryPath_(std::move(libraryPath)), log_(std::move(log)) {}

  bool IsAvailable() const noexcept override {
    try {
      return !FindAttestationLibrary(libraryPath_).empty();
    } catch (std::exception const&) {
      return false;
    }
  }

  ~KeyGuardAttestationProvider() override {
    std::lock_guard<std::mutex> const lock{OneCallAtATime()};
    library_.reset();
  }
  KeyGuardAttestationProvider(KeyGuardAttestationProvider const&) = delete;
  KeyGuardAttestationProvider& operator=(KeyGuardAttestationProvider const&) = delete;

  Secret Attest(AttestationRequest const& request, Context const& context) override {
    auto const key = GetKeyHandle(*request.Key);
    if (request.Key->Strength() != KeyStrength::KeyGuard) {
      throw Error{ErrorDetails{
          errors::AttestationFailed, "Only KeyGuard keys can be attested, and this one is not one",
          "Set the credential's minimum strength to keyguard, and check that virtualization-based security is "
          "running"}};
    }
    std::lock_guard<std::mutex> const lock{OneCallAtATime()};
    context.ThrowIfEnded("Attesting the binding key");
    if (!library_) {
      library_ = Load();
    }
    return library_->Attest(request.Endpoint, request.ClientId, key);
  }

 private:
  /// With the lock held. Providers share the library: it is initialized once for the process.
  std::shared_ptr<AttestationLibrary> Load() const {
    static std::map<std::filesystem::path, std::weak_ptr<AttestationLibrary>> loaded;
    auto const path = FindAttestationLibrary(libraryPath_);
    if (path.empty()) {
      throw Error{ErrorDetails{
          errors::AttestationFailed, "The attestation library is not there",
          "Put AttestationClientLib.dll of the package Microsoft.Azure.Security.KeyGuardAttestation beside the "
          "program, or "
          "name it by an absolute path in ATTESTATION_CLIENTLIB_PATH"}};
    }
    auto& entry = loaded[path];
    auto library = entry.lock();
    if (!library) {
      library = std::make_shared<AttestationLibrary>(functions_, path, log_);
      entry = library;
    }
    return library;
  }

  std::shared_ptr<LibraryFunctions> functions_;
  std::string libraryPath_;
  Logger log_;
  std::shared_ptr<AttestationLibrary> library_;
};

}  // namespace

gsl::not_null<std::shared_ptr<AttestationProvider>> MakeKeyGuardAttestationProvider(
    std::shared_ptr<LibraryFunctions> functions, std::string libraryPath, Logger log) {
  return std::shared_ptr<AttestationProvider>{
      std::make_shared<KeyGuardAttestationProvider>(std::move(functions), std::move(libraryPath), std::move(log))};
}

gsl::not_null<std::shared_ptr<AttestationProvider>> MakeKeyGuardAttestationProvider(Logger log) {
  char const* const path = std::getenv("ATTESTATION_CLIENTLIB_PATH");
  return MakeKeyGuardAttestationProvider(SystemLibraries(), path == nullptr ? "" : path, std::move(log));
}

}  // namespace mtlspop::windows
