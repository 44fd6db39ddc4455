#pragma once

/// @file
/// Where the private key of a binding comes from: KeyGuard, a TPM, the process's memory, or a source of the user's own.
///
/// Write a provider of your own when the key has to live in a place that this library does not know, for example behind
/// a cloud's key service; TPMs and PKCS#11 tokens have theirs (docs/keys.md). Derive from `KeyProvider` and hand it to the credential's options.
///
/// @code
/// class MyKeys final : public mtlspop::KeyProvider {
///  public:
///   mtlspop::KeyStrength HighestStrength() const noexcept override { return mtlspop::KeyStrength::Hardware; }
///   gsl::not_null<std::shared_ptr<mtlspop::BindingKey const>> GetOrCreateKey(
///       mtlspop::KeyRequest const&, mtlspop::Context const&) override {
///     return mtlspop::openssl::WrapBindingKey(OpenMyKey(), mtlspop::KeyStrength::Hardware);
///   }
/// };
/// @endcode

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <gsl/pointers>
#include <gsl/span>

#include "mtlspop/export.hpp"
#include "mtlspop/transport/binding_certificate.hpp"
#include "mtlspop/transport/context.hpp"

namespace mtlspop {

/// An RSA key of 2048 bits or more for which a certificate can be asked for.
///
/// Ownership: behind `std::shared_ptr<BindingKey const>`. Thread safety: all members may be called from any thread.
class MTLSPOP_EXPORT BindingKey {
 public:
  virtual ~BindingKey() = default;

  /// How well the key is kept. Never `None`, and never changes.
  virtual KeyStrength Strength() const noexcept = 0;

  /// The public key as SubjectPublicKeyInfo in DER: algorithm rsaEncryption with NULL parameters (RFC 3279
  /// section 2.3.1).
  virtual std::vector<std::uint8_t> const& SubjectPublicKeyInfo() const noexcept = 0;

  /// Signs `data` with RSASSA-PSS: SHA-256, MGF1 with SHA-256, 32 bytes of salt (RFC 8017 section 8.1).
  /// @throw Error `private_key_unusable`
  virtual std::vector<std::uint8_t> SignPssSha256(gsl::span<std::uint8_t const> data) const = 0;

  /// The handle that the transport signs with during TLS handshakes.
  virtual gsl::not_null<std::shared_ptr<PrivateKeyHandle const>> Handle() const = 0;

  /// A text with which `KeyProvider::OpenKey` of the provider that made the key finds it again, in another process too:
  /// where it is, or what only its own device can read. "" where there is none. It opens nothing without the device.
  virtual std::string Reference() const { return {}; }
};

/// What kind of key is wanted.
struct KeyRequest {
  /// Nothing weaker may be returned.
  KeyStrength MinimumStrength = KeyStrength::None;
  /// The name of a key that lives longer than the process; "" for the provider's own. Providers whose keys have no
  /// names ignore it.
  std::string Name{};
  /// Do not open an existing key: the last one was refused, or is to be replaced.
  bool ForceNew = false;
  /// With `ForceNew`: the public key, as `BindingKey::SubjectPublicKeyInfo()` says it, of the one that is not wanted
  /// again; empty where that is not known. A provider whose keys have names, and that finds another one there already,
  /// gives that one instead of overwriting what another process has just made.
  std::vector<std::uint8_t> Refused{};
};

/// Makes keys, or opens them.
///
/// Thread safety: all members may be called from any thread at any time.
class MTLSPOP_EXPORT KeyProvider {
 public:
  virtual ~KeyProvider() = default;

  /// The best that this provider can do on this machine; `KeyStrength::None` where it can do nothing. Must be quick: it
  /// is asked before anything is sent.
  virtual KeyStrength HighestStrength() const noexcept = 0;

  /// @throw Error `minimum_strength_not_available`, `key_unavailable`
  virtual gsl::not_null<std::shared_ptr<BindingKey const>> GetOrCreateKey(
      KeyRequest const& request, Context const& context) = 0;

  /// The key that a `BindingKey::Reference()` of this provider's names. Null where the provider's keys have none, or the
  /// reference is another provider's.
  /// @throw Error `key_unavailable`, `private_key_unusable`
  virtual std::shared_ptr<BindingKey const> OpenKey(std::string const& reference, Context const& context) {
    static_cast<void>(reference);
    static_cast<void>(context);
    return nullptr;
  }
};

/// RSA-2048 keys in the process's memory, a new one at each call. They are gone when the process ends.
MTLSPOP_EXPORT gsl::not_null<std::shared_ptr<KeyProvider>> MakeSoftwareKeyProvider();

/// Asks `providers` in turn, and takes the first one that can do what is wanted. One that fails is passed over as long
/// as a later one meets the minimum strength.
MTLSPOP_EXPORT gsl::not_null<std::shared_ptr<KeyProvider>> MakeKeyProviderChain(
    std::vector<std::shared_ptr<KeyProvider>> providers);

/// What this platform has, strongest first: KeyGuard, TPM, software on Windows; software elsewhere.
MTLSPOP_EXPORT gsl::not_null<std::shared_ptr<KeyProvider>> MakeDefaultKeyProvider();

}  // namespace mtlspop
