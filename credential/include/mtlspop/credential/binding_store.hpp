#pragma once

/// @file
/// Where binding certificates are kept between two uses.
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
#include "mtlspop/export.hpp"
#include "mtlspop/transport/binding_certificate.hpp"
#include "mtlspop/transport/clock.hpp"
#include "mtlspop/transport/context.hpp"
#include "mtlspop/transport/observer.hpp"

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
  /// The tenant that the certificate was issued for.
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
class MTLSPOP_EXPORT BindingStore {
 public:
  /// Held while a binding is made, so that threads and processes that share the store make one and not each their own.
  class MTLSPOP_EXPORT Lock {
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
MTLSPOP_EXPORT gsl::not_null<std::shared_ptr<BindingStore>> MakeMemoryBindingStore();

/// Options of `MakeFileBindingStore`.
struct FileBindingStoreOptions {
  /// The folder. Where it does not exist, it is made with mode 0700, together with the folders above it that are
  /// missing. It is refused where it belongs to another user, where the group or others may enter it, where it is a
  /// symbolic link, or where others may write to a folder above it (/tmp and other folders with the sticky bit are
  /// allowed).
  std::string Folder{};
  /// Who is told of what happens; the process's default observer where nobody else is named.
  EventSink Observer{};
  /// Must not be null.
  std::shared_ptr<Clock> Time = SystemClock();
  /// Opens keys that cannot be taken out of where they are, by their `BindingKey::Reference()`: the provider that made
  /// them. Null where only keys in memory are to be kept.
  std::shared_ptr<KeyProvider> Keys{};
};

/// Keeps bindings, private keys included, in files of mode 0600. A new file is written and then takes the old one's
/// place; processes lock each other out with `flock`. A file is read only if all of this holds: it belongs to this user
/// and nobody else may read it; it was saved under the name that is asked for; its key belongs to its certificate and
/// signs; its endpoints are https URLs; the certificate has not expired. Whatever else is found is set aside under a
/// name that ends in `.damaged`, with a warning, and removed after a day, since a key may be in it. Modes do not depend
/// on the umask.
///
/// A file with a key in it is good until the machine is started anew (on Linux): what a machine that is made of this one's
/// disk, or is given a copy of the folder, finds there would give it this machine's identity.
///
/// Of keys that cannot be taken out of where they are (in a TPM, for example) the reference is kept, where
/// `FileBindingStoreOptions::Keys` can open it again; else nothing.
/// @throw Error `invalid_argument` for a folder that is refused, `binding_store_unusable` where it cannot be made or
/// opened; the store's members throw the latter too. `invalid_argument` on Windows, where keys rest in the system's own
/// store and need no file.
MTLSPOP_EXPORT gsl::not_null<std::shared_ptr<BindingStore>> MakeFileBindingStore(FileBindingStoreOptions options);

}  // namespace mtlspop
