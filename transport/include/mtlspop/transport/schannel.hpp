#pragma once

/// @file
/// Binding certificates whose key Windows can sign with: in CNG (KeyGuard, a TPM, the software provider), behind a
/// smart card, or in a CryptoAPI container. Windows only; see `mtlspop/transport/openssl.hpp` elsewhere.
///
/// @code
/// auto binding = mtlspop::schannel::MakeBindingCertificateFromStore(
///     mtlspop::schannel::StoreLocation::CurrentUser, "My", {"0F1E2D...", ""});
/// auto response = transport->Send(request, binding, context);
/// @endcode

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <windows.h>

#include <wincrypt.h>

#include <ncrypt.h>

#include <gsl/pointers>
#include <gsl/span>

#include "mtlspop/export.hpp"
#include "mtlspop/transport/binding_certificate.hpp"

namespace mtlspop::schannel {

/// A private key for SChannel. It is attached to a certificate context of its own for each use, so that no context is
/// shared between requests. Derive from it for a key that Windows reaches in a way of its own.
///
/// Thread safety: all members may be called from any thread at any time.
class MTLSPOP_EXPORT CertificateKey : public PrivateKeyHandle {
 public:
  /// Makes `context` sign with this key, for as long as this object lives.
  /// @throw Error `private_key_unusable`
  virtual void AttachTo(PCCERT_CONTEXT context) const = 0;

  /// The public key as a CNG blob: BCRYPT_RSAPUBLIC_BLOB or BCRYPT_ECCPUBLIC_BLOB.
  /// @throw Error `private_key_unusable`
  virtual std::vector<std::uint8_t> PublicKeyBlob() const = 0;
};

/// A CNG key. Takes `key` over: it is freed with NCryptFreeObject, exactly once, when the last owner lets go.
///
/// A key with a name (one that was persisted) is attached by its name as well, since SChannel signs in another process
/// that has to find it.
MTLSPOP_EXPORT gsl::not_null<std::shared_ptr<PrivateKeyHandle const>> TakeNCryptKey(NCRYPT_KEY_HANDLE key);

/// Attaches a CNG key to a certificate context, by its handle and, where it has one, by its name. The context does not
/// free the key, which must live as long as the context. For `CertificateKey::AttachTo` of one's own.
/// @throw Error `private_key_unusable`
MTLSPOP_EXPORT void AttachNCryptKey(PCCERT_CONTEXT context, NCRYPT_KEY_HANDLE key);

/// The CNG handle behind a private key. Borrowed: valid for as long as `handle` lives.
/// @throw Error `invalid_binding_certificate` where the handle was not made by `TakeNCryptKey`.
MTLSPOP_EXPORT NCRYPT_KEY_HANDLE GetNCryptKey(PrivateKeyHandle const& handle);

/// A key in a CryptoAPI container.
struct KeyContainer {
  /// The container's name.
  std::wstring Name;
  /// For example MS_ENH_RSA_AES_PROV_W.
  std::wstring Provider;
  /// For example PROV_RSA_AES.
  DWORD ProviderType = PROV_RSA_AES;
  /// AT_KEYEXCHANGE or AT_SIGNATURE.
  DWORD KeySpec = AT_KEYEXCHANGE;
  /// Among the machine's containers instead of the user's.
  bool OfTheMachine = false;
};

/// The key in `container`, which has to exist and stays where it is.
MTLSPOP_EXPORT gsl::not_null<std::shared_ptr<PrivateKeyHandle const>> UseKeyContainer(KeyContainer container);

/// Frees a certificate context.
struct FreeCertificateContext {
  /// Frees `context`; a null pointer is left alone.
  void operator()(CERT_CONTEXT const* context) const noexcept { CertFreeCertificateContext(context); }
};
/// A certificate context that is owned.
using CertificateContextPtr = std::unique_ptr<CERT_CONTEXT const, FreeCertificateContext>;

/// A context of the one certificate in `der`; null where it cannot be read, or something follows it.
MTLSPOP_EXPORT CertificateContextPtr ParseCertificate(gsl::span<std::uint8_t const> der) noexcept;

/// A new context of the leaf with its key attached, in a memory store that holds the rest of the chain: what SChannel,
/// WinHTTP and others take as a client certificate. `certificate` must live as long as the context is used.
/// @throw Error `invalid_binding_certificate`, `private_key_unusable`
MTLSPOP_EXPORT CertificateContextPtr MakeCertificateContext(BindingCertificate const& certificate);

/// A binding certificate from DER certificates, leaf first, and the leaf's private key.
/// @throw Error `invalid_binding_certificate` where a certificate cannot be read, the key does not belong to the leaf,
/// or the leaf may not be used for TLS client authentication (key usage, extended key usage; RFC 5280 section 4.2.1).
MTLSPOP_EXPORT gsl::not_null<std::shared_ptr<BindingCertificate const>> MakeBindingCertificate(
    std::vector<BindingCertificate::Der> chain, std::shared_ptr<PrivateKeyHandle const> key, KeyStrength strength);

/// Whose certificate stores are meant.
enum class StoreLocation {
  /// Those of the user who runs the process.
  CurrentUser,
  /// Those of the machine. Their private keys may need an administrator's rights.
  LocalMachine,
};

/// Which certificate of a store. Exactly one member is set.
struct StoreQuery {
  /// SHA-1 in hexadecimal, as Windows shows it; case, spaces and colons do not matter.
  std::string Thumbprint;
  /// The subject's common name, or its whole subject in RFC 2253 form; case does not matter. Of several, the one that
  /// is valid now and expires last.
  std::string Subject;
};

/// The certificate of the store `store` ("My" for the personal one) that `query` names and that has a private key.
/// @throw Error `invalid_argument` where `query` does not name one thing, `invalid_binding_certificate` where there is
/// no such certificate, its key cannot be used, or it may not be used for TLS client authentication.
MTLSPOP_EXPORT gsl::not_null<std::shared_ptr<BindingCertificate const>> MakeBindingCertificateFromStore(
    StoreLocation location, std::string_view store, StoreQuery const& query);

/// A binding certificate from a context that has its key attached already. The context is duplicated.
/// @throw Error `invalid_binding_certificate`; `invalid_argument` where it is null
MTLSPOP_EXPORT gsl::not_null<std::shared_ptr<BindingCertificate const>> MakeBindingCertificateFromContext(
    PCCERT_CONTEXT context);

}  // namespace mtlspop::schannel
