#pragma once

/// @file
/// Keys in a PKCS#11 token: a smart card, an HSM, SoftHSM. Component `pkcs11` of the package:
/// `find_package(mtlspop COMPONENTS pkcs11)`, `mtlspop::pkcs11`. Needs p11-kit, and no provider or engine of OpenSSL.
///
/// @code
/// mtlspop::Pkcs11KeyProviderOptions keys;
/// keys.Uri = "pkcs11:token=app;object=binding?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/app/pin";
/// keys.MakeKeys = true;
/// mtlspop::ManagedIdentityCredentialOptions options;
/// options.Keys = mtlspop::MakePkcs11KeyProvider(keys);
/// @endcode

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include <openssl/evp.h>
#include <gsl/pointers>

#include "mtlspop/credential/key_provider.hpp"
#include "mtlspop/pkcs11/export.hpp"
#include "mtlspop/transport/binding_certificate.hpp"
#include "mtlspop/transport/context.hpp"
#include "mtlspop/transport/secret.hpp"

namespace mtlspop {

/// Which token, and what opens it.
struct Pkcs11Options {
  /// A PKCS#11 URI (RFC 7512). It has to fit one token; of its query, `module-path`, `pin-source` (a file) and `pin-value`
  /// are heeded. Without `module-path` the modules of p11-kit's configuration are asked. `object` and `id` say which key.
  std::string Uri;
  /// The user's PIN; empty for the URI's. A wrong one is shown to a token once and not again by this process, whoever
  /// asks: tokens lock after a few. With an empty one a token with a PIN pad of its own asks there.
  Secret Pin{};
  /// How many signatures the token may be asked for at the same time; others wait. 1 to 256. A token that gives fewer
  /// sessions, as smart cards do, is asked for as many as it gives.
  std::size_t MaximumSessions = 8;
};

/// Options of `MakePkcs11KeyProvider`.
struct Pkcs11KeyProviderOptions : Pkcs11Options {
  /// Whether a key is made where there is none of the URI's `object`, and in the place of one that was refused, which is
  /// destroyed as soon as there is another. Of several, as two processes can make at the same time, the one with the smallest
  /// id is taken. Needs `object` in the URI; a new key gets the URI's `id` too, where there is one. False: keys are found, and
  /// never made.
  bool MakeKeys = false;
};

/// Gives RSA keys of 2048 bits or more in a token, of strength `hardware`. Keys that it makes are of 2048 bits, can neither
/// be extracted nor be read.
///
/// A token that was taken out and put back is opened anew, as is one after fork() in the child.
/// Thread safety: as every provider. Signatures are made on several sessions at once.
/// @throw Error `invalid_argument` for a URI that cannot be read, or lacks what it needs
MTLSPOP_PKCS11_EXPORT gsl::not_null<std::shared_ptr<KeyProvider>> MakePkcs11KeyProvider(
    Pkcs11KeyProviderOptions options);

/// The token's key for OpenSSL: RSA of 2048 bits or more, P-256 or P-384. With `CKM_RSA_PKCS_PSS` where the token has it
/// and it works, else with `CKM_RSA_X_509` and the padding made here.
/// @throw Error `invalid_argument`, `key_unavailable`; `private_key_unusable` where it does not sign
MTLSPOP_PKCS11_EXPORT gsl::not_null<std::shared_ptr<EVP_PKEY>> OpenPkcs11Key(
    Pkcs11Options const& options, Context const& context = {});

/// For `ClientCertificateCredentialOptions::CertificateSource`: a certificate in a token with its private key, both under
/// the URI's `object` or `id`. A renewed certificate is picked up: of several for the key the one that is valid now and
/// became so last is taken.
/// @throw Error when it is called: `client_certificate_unusable`, and what `OpenPkcs11Key` throws
MTLSPOP_PKCS11_EXPORT std::function<std::shared_ptr<BindingCertificate const>()> Pkcs11ClientCertificate(
    Pkcs11Options options);

}  // namespace mtlspop
