#include "attestation_provider.hpp"

#include <filesystem>
#include <map>
#include <utility>

#include "../crypto.hpp"
#include "attestation_calls.hpp"
#include "cng_key.hpp"
#include "mtlspop/base/encoding.hpp"
#include "mtlspop/base/windows/environment_variable.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/credential/windows.hpp"

namespace mtlspop::windows {
namespace {

/// The library, loaded when it is first needed.
class LazyLibrary final {
 public:
  LazyLibrary(std::shared_ptr<LibraryFunctions> functions, std::string path, AttestationLibrary::Log observer)
      : functions_(std::move(functions)), path_(std::move(path)), observer_(std::move(observer)) {}
  ~LazyLibrary() { AttestationCalls::OfTheProcess().Release(std::move(library_)); }
  LazyLibrary(LazyLibrary const&) = delete;
  LazyLibrary& operator=(LazyLibrary const&) = delete;

  std::string const& Path() const noexcept { return path_; }
  bool IsThere() const { return !FindAttestationLibrary(path_).empty(); }

  /// On the thread of the calls.
  Secret Attest(AttestationRequest const& request) {
    if (library_.empty()) {
      library_.push_back(Load());
    }
    return library_.front()->Attest(request.Endpoint, request.ClientId, GetKeyHandle(*request.Key), observer_);
  }

 private:
  /// Providers share the library: it is initialized once for the process.
  std::shared_ptr<AttestationLibrary> Load() const {
    // Never destroyed: the thread of the calls does not end with the program's main function.
    static auto& loaded = *new std::map<std::filesystem::path, std::weak_ptr<AttestationLibrary>>;
    auto const path = FindAttestationLibrary(path_);
    if (path.empty()) {
      throw Error{ErrorDetails{
          errors::AttestationFailed, "The attestation library is not there",
          "Put AttestationClientLib.dll of the package Microsoft.Azure.Security.KeyGuardAttestation beside the "
          "program, or name it by an absolute path on a local drive in ATTESTATION_CLIENTLIB_PATH"}};
    }
    auto& entry = loaded[path];
    auto library = entry.lock();
    if (!library) {
      library = std::make_shared<AttestationLibrary>(functions_, path, observer_);
      entry = library;
    }
    return library;
  }

  std::shared_ptr<LibraryFunctions> functions_;
  std::string path_;
  AttestationLibrary::Log observer_;
  /// None or one; see `AttestationCalls::Release`.
  AttestationCalls::Libraries library_;
};

/// Two calls of the same name are the same call.
std::string NameOf(LazyLibrary const& library, AttestationRequest const& request) {
  auto const digest = crypto::Sha256(request.Key->SubjectPublicKeyInfo());
  return library.Path() + '\n' + request.Endpoint + '\n' + request.ClientId + '\n' + encoding::ToBase64Url(digest);
}

/// Neither its members nor its destructor wait for the library. A call that goes on without it has what it needs, but for
/// the log, whose sink may not live longer than the provider.
class KeyGuardAttestationProvider final : public AttestationProvider {
 public:
  KeyGuardAttestationProvider(std::shared_ptr<LibraryFunctions> functions, std::string libraryPath, EventSink observer)
      : observer_(std::make_shared<EventSink const>(std::move(observer))),
        library_(std::make_shared<LazyLibrary>(std::move(functions), std::move(libraryPath), observer_)) {}

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
    return AttestationCalls::OfTheProcess().Make(
        NameOf(*library_, request), [library = library_, request] { return library->Attest(request); }, context);
  }

 private:
  std::shared_ptr<EventSink const> observer_;
  std::shared_ptr<LazyLibrary> library_;
};

}  // namespace

gsl::not_null<std::shared_ptr<AttestationProvider>> MakeKeyGuardAttestationProvider(
    std::shared_ptr<LibraryFunctions> functions, std::string libraryPath, EventSink observer) {
  return std::shared_ptr<AttestationProvider>{
      std::make_shared<KeyGuardAttestationProvider>(std::move(functions), std::move(libraryPath), std::move(observer))};
}

gsl::not_null<std::shared_ptr<AttestationProvider>> MakeKeyGuardAttestationProvider(EventSink observer) {
  auto const path = AllowedLibraryPath(ReadEnvironmentVariable(L"ATTESTATION_CLIENTLIB_PATH"), IsElevated());
  return MakeKeyGuardAttestationProvider(
      SystemLibraries(), std::filesystem::path{path}.u8string(), std::move(observer));
}

}  // namespace mtlspop::windows
