#pragma once

/// @file
/// Keys that a TPM 2.0 makes and never gives out. Component `tpm` of the package: `find_package(mtlspop COMPONENTS tpm)`,
/// `mtlspop::tpm`. Needs libtss2, nothing of OpenSSL's configuration, and no resource manager.
///
/// @code
/// mtlspop::ManagedIdentityCredentialOptions options;
/// options.Keys = mtlspop::MakeTpmKeyProvider({});
/// mtlspop::FileBindingStoreOptions store;
/// store.Folder = "/var/lib/app/bindings";
/// store.Keys = options.Keys;  // so that the certificate outlives the process with its key
/// options.Store = mtlspop::MakeFileBindingStore(store);
/// @endcode

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <openssl/evp.h>
#include <gsl/pointers>

#include "mtlspop/credential/key_provider.hpp"
#include "mtlspop/tpm/export.hpp"
#include "mtlspop/transport/binding_certificate.hpp"
#include "mtlspop/transport/context.hpp"
#include "mtlspop/transport/secret.hpp"

namespace mtlspop {

/// Which TPM, and what opens it.
struct TpmOptions {
  /// How the TPM is reached, as the tools of tpm2-tools write it: "device:/dev/tpmrm0", "tabrmd", "swtpm:path=...".
  /// "" for the environment variable TPM2TOOLS_TCTI, and where that is not set for "device:/dev/tpmrm0".
  ///
  /// Through the kernel's or tabrmd's resource manager the TPM is kept open. Any other connection is closed whenever
  /// nobody signs, since such a TPM serves one program at a time.
  std::string Tcti{};
  /// Opens the owner's hierarchy, under which keys are made. 64 bytes at the most, as the other one.
  Secret OwnerAuthorization{};
  /// Opens the key. A wrong one is shown to the TPM once and not again by this process: TPMs lock. New keys are
  /// made with it.
  Secret KeyAuthorization{};
};

/// Options of `MakeTpmKeyProvider`.
struct TpmKeyProviderOptions : TpmOptions {
  /// 0: a new key at each call, which only this TPM can load again; `BindingKey::Reference()` is the sealed key, for the
  /// binding store. Else a handle of the range 0x81000000 to 0x81FFFFFF, best from 0x81010000 on: the key lives in the TPM
  /// under it, and is opened where it is there. The handle is the provider's own: a refused key is replaced.
  std::uint32_t PersistentHandle = 0;
};

/// Makes RSA-2048 keys of strength `hardware` in a TPM: fixed to it, unrestricted, without a scheme. The TPM does the bare
/// RSA operation, and the paddings are made here, so that its rules for salts do not matter.
///
/// Thread safety: the TPM executes one command at a time. When its context ends, a caller that waits for the TPM
/// returns at once.
/// @throw Error `invalid_argument` for a handle out of range, and for an authorization of more than 64 bytes
MTLSPOP_TPM_EXPORT gsl::not_null<std::shared_ptr<KeyProvider>> MakeTpmKeyProvider(TpmKeyProviderOptions options = {});

/// A key of a TPM for OpenSSL: RSA of 2048 bits or more, P-256 or P-384.
/// @param options which TPM, and what opens the key
/// @param key a persistent handle ("0x81010001"), or the text of a TSS2 PRIVATE KEY in PEM, as tpm2_encodeobject and
/// tpm2-openssl write it; without policies
/// @param context bounds the wait for the TPM
/// @throw Error `key_unavailable` where it cannot be opened; `private_key_unusable` where it does not sign
MTLSPOP_TPM_EXPORT gsl::not_null<std::shared_ptr<EVP_PKEY>> OpenTpmKey(
    TpmOptions const& options, std::string const& key, Context const& context = {});

/// For `ClientCertificateCredentialOptions::CertificateSource`: a certificate in a PEM file, leaf first, with its key in a
/// TPM. Both are read again where the file's content has changed.
/// @param options which TPM, and what opens the key
/// @param key a persistent handle, or the path of a file with a TSS2 PRIVATE KEY
/// @param certificatePath the PEM file
/// @throw Error when it is called: `client_certificate_unusable`, and what `OpenTpmKey` throws
MTLSPOP_TPM_EXPORT std::function<std::shared_ptr<BindingCertificate const>()> TpmClientCertificate(
    TpmOptions options, std::string key, std::string certificatePath);

}  // namespace mtlspop
