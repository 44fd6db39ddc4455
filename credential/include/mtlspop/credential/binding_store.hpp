#pragma once

/// @file
/// Where binding certificates rest between two uses.
///
/// The default keeps them in memory, which is right for most services: a new certificate costs two requests. A file
/// store spares these at each start of a short-lived process; it is opt-in, because the private key then lies on the
/// disk.

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <gsl/pointers>

#include "mtlspop/credential/key_provider.hpp"
#include "mtlspop/transport/binding_certificate.hpp"
#include "mtlspop/transport/clock.hpp"
#include "mtlspop/transport/context.hpp"
#include "mtlspop/transport/log.hpp"

namespace mtlspop {

/// A binding certificate with all that is needed to ask for tokens with it.
struct StoredBinding {
  /// Never null.
  std::shared_ptr<BindingCertificate const> Certificate;
  /// The key, for the next certificate; null where it can be used through the certificate only.
  std::shared_ptr<BindingKey const> Key;
  /// As the metadata service gave it, without a trailing slash.
  std::string MtlsEndpoint;
  /// The whole URL of the token endpoint where the metadata service gave one; else "".
  std::string TokenEndpoint;
  /// The canonical client id.
  std::string ClientId;
  std::string TenantId;
  /// Whether the key was attested.
  bool Attested = false;
  /// When the certificate was issued, by this machine's clock: its life counts from here, since issuers antedate.
  std::chrono::system_clock::time_point IssuedOn;
};

/// Keeps bindings by name. A store that fails never makes a credential fail: what it throws, of whatever type, becomes a
/// warning in the log.
///
/// One store can serve any number of credentials; those that ask for the same identity in the same way then share one
/// binding.
///
/// Thread safety: all members may be called from any thread at any time.
class BindingStore {
 public:
  /// Held while a binding is made, so that threads and processes that share the store make one and not each their own.
  class Lock {
   public:
    virtual ~Lock() = default;
  };

  virtual ~BindingStore() = default;

  /// Waits until nobody else holds the lock of that name. Null where it could not be had in a reasonable time: the
  /// caller goes on without it.
  virtual std::unique_ptr<Lock> Acquire(std::string_view name, Context const& context) = 0;
  /// The binding of that name, none where there is none that can be used.
  virtual std::optional<StoredBinding> Load(std::string_view name) = 0;
  /// Puts a binding in the place of the one of that name. A store that cannot keep the key keeps nothing.
  virtual void Save(std::string_view name, StoredBinding const& binding) = 0;
  /// Forgets the binding of that name if its `x5t#S256` is `x5tS256`.
  virtual void Remove(std::string_view name, std::string_view x5tS256) = 0;
};

/// Keeps bindings in the process's memory.
gsl::not_null<std::shared_ptr<BindingStore>> MakeMemoryBindingStore();

/// Options of `MakeFileBindingStore`.
struct FileBindingStoreOptions {
  /// The folder. Made with mode 0700 where it does not exist, with those above it that are missing; refused where it
  /// belongs to another user, group or others may enter it, it is a link, or others can write one of those above it (/tmp
  /// and others with the sticky bit may be written by all).
  std::string Folder{};
  Logger Log{};
  /// Must not be null.
  std::shared_ptr<Clock> Time = SystemClock();
  /// Opens keys that cannot be taken out of where they are, by their `BindingKey::Reference()`: the provider that made
  /// them. Null where only keys in memory are to be kept.
  std::shared_ptr<KeyProvider> Keys{};
};

/// Keeps bindings, private keys included, in files of mode 0600: written to a new file that then takes the old one's
/// place, locked between processes with `flock`. A file is read only if it belongs to this user and nobody else may
/// read it, it was kept under the name that it is asked for by, its key belongs to its certificate, a signing probe
/// succeeds, its endpoints are https URLs, and the certificate still lives. Whatever else is found is set aside under a
/// name that ends in `.damaged`, with a warning, and removed after a day, since a key may be in it. Modes do not depend on
/// the umask.
///
/// Of keys that cannot be taken out of where they are (in a TPM, for example) the reference is kept, where
/// `FileBindingStoreOptions::Keys` can open it again; else nothing.
/// @throw Error `invalid_argument` for a folder that is refused, `binding_store_unusable` where it cannot be made or
/// opened; the store's members throw the latter too. `invalid_argument` on Windows, where keys rest in the system's own
/// store and need no file.
gsl::not_null<std::shared_ptr<BindingStore>> MakeFileBindingStore(FileBindingStoreOptions options);

}  // namespace mtlspop
