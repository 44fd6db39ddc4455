#include "attestation_provider.hpp"

#include <cstdlib>
#include <map>
#include <mutex>
#include <utility>

#include "../failure.hpp"
#include "../flight.hpp"
#include "../worker.hpp"
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

/// Native calls take as long as they take. They are made on threads that belong to the process, which therefore never
/// end with anybody who has stopped waiting: not with a caller, and not with a credential.
Worker& CallThreads() {
  static Worker& threads = *new Worker;
  return threads;
}

/// The library, loaded when it is first needed.
class LazyLibrary final {
 public:
  LazyLibrary(std::shared_ptr<LibraryFunctions> functions, std::string path, Logger log)
      : functions_(std::move(functions)), path_(std::move(path)), log_(std::move(log)) {}
  ~LazyLibrary() {
    std::lock_guard<std::mutex> const lock{OneCallAtATime()};
    library_.reset();
  }
  LazyLibrary(LazyLibrary const&) = delete;
  LazyLibrary& operator=(LazyLibrary const&) = delete;

  bool IsThere() const { return !FindAttestationLibrary(path_).empty(); }

  /// Waits for its turn, and makes no call for somebody who has left meanwhile.
  Secret Attest(AttestationRequest const& request, Context const& context) {
    std::lock_guard<std::mutex> const lock{OneCallAtATime()};
    context.ThrowIfEnded("Attesting the binding key");
    if (!library_) {
      library_ = Load();
    }
    return library_->Attest(request.Endpoint, request.ClientId, GetKeyHandle(*request.Key));
  }

 private:
  /// With the lock held. Providers share the library: it is initialized once for the process.
  std::shared_ptr<AttestationLibrary> Load() const {
    static std::map<std::filesystem::path, std::weak_ptr<AttestationLibrary>> loaded;
    auto const path = FindAttestationLibrary(path_);
    if (path.empty()) {
      throw Error{ErrorDetails{
          errors::AttestationFailed, "The attestation library is not there",
          "Put AttestationClientLib.dll of the package Microsoft.Azure.Security.KeyGuardAttestation beside the "
          "program, or name it by an absolute path in ATTESTATION_CLIENTLIB_PATH"}};
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
  std::string path_;
  Logger log_;
  std::shared_ptr<AttestationLibrary> library_;
};

/// What a thread of `CallThreads` does. The library is let go of before anybody learns that the call has ended.
void Call(
    std::shared_ptr<LazyLibrary> library,
    Flight<Secret>& flight,
    AttestationRequest const& request,
    Context const& context) {
  try {
    auto token = library->Attest(request, context);
    library.reset();
    flight.Complete(std::move(token));
  } catch (...) {
    auto failure = mtlspop::Failure::Current();
    library.reset();
    flight.Fail(std::move(failure));
  }
}

class KeyGuardAttestationProvider final : public AttestationProvider {
 public:
  explicit KeyGuardAttestationProvider(std::shared_ptr<LazyLibrary> library) noexcept : library_(std::move(library)) {}

  bool IsAvailable() const noexcept override {
    try {
      return library_->IsThere();
    } catch (std::exception const&) {
      return false;
    }
  }

  Secret Attest(AttestationRequest const& request, Context const& context) override {
    GetKeyHandle(*request.Key);
    if (request.Key->Strength() != KeyStrength::KeyGuard) {
      throw Error{ErrorDetails{
          errors::AttestationFailed, "Only KeyGuard keys can be attested, and this one is not one",
          "Set the credential's minimum strength to keyguard, and check that virtualization-based security is "
          "running"}};
    }
    context.ThrowIfEnded("Attesting the binding key");
    auto const flight = std::make_shared<Flight<Secret>>();
    CallThreads().Run([library = library_, flight, request, context](Context const&) mutable {
      Call(std::move(library), *flight, request, context);
    });
    return flight->Wait(context, "Attesting the binding key");
  }

 private:
  std::shared_ptr<LazyLibrary> library_;
};

}  // namespace

gsl::not_null<std::shared_ptr<AttestationProvider>> MakeKeyGuardAttestationProvider(
    std::shared_ptr<LibraryFunctions> functions, std::string libraryPath, Logger log) {
  return std::shared_ptr<AttestationProvider>{std::make_shared<KeyGuardAttestationProvider>(
      std::make_shared<LazyLibrary>(std::move(functions), std::move(libraryPath), std::move(log)))};
}

gsl::not_null<std::shared_ptr<AttestationProvider>> MakeKeyGuardAttestationProvider(Logger log) {
  char const* const path = std::getenv("ATTESTATION_CLIENTLIB_PATH");
  return MakeKeyGuardAttestationProvider(SystemLibraries(), path == nullptr ? "" : path, std::move(log));
}

}  // namespace mtlspop::windows
