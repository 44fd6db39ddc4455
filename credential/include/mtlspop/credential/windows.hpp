#pragma once

/// @file
/// Keys, stored bindings and attestation of Windows, for programs that want to choose. `MakeDefaultKeyProvider()` and
/// `ManagedIdentityCredential` use them by themselves. Windows only.

#include <memory>
#include <string>

#include <gsl/pointers>

#include "mtlspop/credential/attestation_provider.hpp"
#include "mtlspop/credential/binding_store.hpp"
#include "mtlspop/credential/key_provider.hpp"
#include "mtlspop/export.hpp"
#include "mtlspop/transport/clock.hpp"
#include "mtlspop/transport/observer.hpp"
#include "mtlspop/transport/schannel.hpp"

namespace mtlspop::windows {

/// A binding key over an RSA key in CNG. Takes `key` over: it is freed exactly once, when the last owner lets go.
/// @throw Error `key_unavailable` where the key is not RSA or has fewer than 2048 bits; it is freed then, too.
MTLSPOP_EXPORT gsl::not_null<std::shared_ptr<BindingKey const>> TakeBindingKey(
    NCRYPT_KEY_HANDLE key, KeyStrength strength);

/// Keys that virtualization-based security isolates and that live until the next boot (Microsoft Software Key Storage
/// Provider with NCRYPT_USE_VIRTUAL_ISOLATION_FLAG and NCRYPT_USE_PER_BOOT_KEY_FLAG). A key counts only if its property
/// "Virtual Iso" says so and it signs. One that is there from before the last boot, and therefore does not sign any
/// more, is replaced, and the certificates in `CurrentUser\My` that this library put there for it are removed. One that
/// lives and is of another kind is somebody else's: it is left alone, and the error `key_unavailable` names it.
///
/// All identities and processes of a user share one key, which is found by its name. `KeyRequest::ForceNew`
/// overwrites it and removes its certificates in the same way. In one case it does not: another identity or process has
/// already replaced the key that `KeyRequest::Refused` names (where it names none, the key that this provider gave
/// last). Then the new key is returned. While a key is made or replaced, a named mutex of the user is held; a request
/// waits for it for at most 10 s. Without the mutex no key is made or destroyed, and the error is `key_unavailable`,
/// which is transient.
MTLSPOP_EXPORT gsl::not_null<std::shared_ptr<KeyProvider>> MakeKeyGuardKeyProvider(EventSink observer = {});

/// Keys in the machine's TPM (Microsoft Platform Crypto Provider, if it says of itself that it is hardware).
MTLSPOP_EXPORT gsl::not_null<std::shared_ptr<KeyProvider>> MakeTpmKeyProvider(EventSink observer = {});

/// Options of `MakeCertificateStoreBindingStore`.
struct CertificateStoreOptions {
  /// Who is told of what happens; the process's default observer where nobody else is named.
  EventSink Observer;
  /// Must not be null.
  std::shared_ptr<Clock> Time = SystemClock();
};

/// Keeps binding certificates in `CurrentUser\My`, where they are found again by the next process as long as their key
/// lives. The friendly name of a certificate says whose it is; of several the newest valid one is taken, and older and
/// expired ones and those whose key is gone are removed. One whose key cannot be used just now stays. Keys that Windows
/// cannot find by a name are not kept. Processes take turns with a named mutex of the user; nobody waits for it longer
/// than 300 ms. Without the mutex nothing is removed.
MTLSPOP_EXPORT gsl::not_null<std::shared_ptr<BindingStore>> MakeCertificateStoreBindingStore(
    CertificateStoreOptions options = {});

/// Attests KeyGuard keys with Microsoft's AttestationClientLib.dll: the file that the environment variable
/// ATTESTATION_CLIENTLIB_PATH names (an absolute path on a drive), or the one beside the program. It is loaded when it is
/// first needed, if its signature is good and Microsoft Corporation's; what was verified is what is loaded. The folders
/// that Windows would search are not.
///
/// The library cannot be interrupted: when its context ends, the caller returns at once; the native call goes on in
/// the background. The same holds when the provider is destroyed. The process makes one call at a time, on one thread.
/// While a call does not return, later callers wait until their contexts end; they then get a transient
/// `deadline_exceeded` that says so. A caller that asks for the same key joins the call that is under way.
///
/// The library's own log lines go to `log`, redacted, until the provider is destroyed; a line that is being written just
/// then may still reach the sink.
MTLSPOP_EXPORT gsl::not_null<std::shared_ptr<AttestationProvider>> MakeKeyGuardAttestationProvider(
    EventSink observer = {});

}  // namespace mtlspop::windows
