#pragma once

/// @file
/// What TLS needs for one binding: its context, built once, and its sessions, which never leave it.

#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "mtlspop/base/openssl/owners.hpp"
#include "mtlspop/transport/http_transport.hpp"

namespace mtlspop::openssl {

/// TLS for the connections of one binding, or of none. Connections hold it, so that the key lives as long as they do.
///
/// Thread safety: all members may be called from any thread at any time.
class TlsContext final {
 public:
  /// @throw Error `invalid_binding_certificate`, `system_failure`
  TlsContext(X509_STORE* trust, TlsVersion minimum, std::shared_ptr<BindingCertificate const> binding);

  SSL_CTX* Get() const noexcept { return context_.get(); }
  bool IsBound() const noexcept { return binding_ != nullptr; }
  /// What the binding's key can sign, where that is known; else "".
  std::string const& SignatureAlgorithms() const noexcept { return signatureAlgorithms_; }

  /// Whether the binding's key is not in memory, so that a signature may take its time.
  bool HasSlowKey() const noexcept { return hasSlowKey_; }

  /// A session for a new connection to `peer`, null where there is none. A TLS 1.3 session is given out once
  /// (RFC 8446 appendix C.4).
  SslSessionPtr TakeSession(std::string const& peer);
  void KeepSession(std::string const& peer, SslSessionPtr session);
  void ForgetSessions() noexcept;

 private:
  void UseBinding();
  bool TryUseBinding();

  std::shared_ptr<BindingCertificate const> binding_;
  std::string signatureAlgorithms_;
  bool hasSlowKey_ = false;
  SslContextPtr context_;
  std::mutex mutex_;
  bool forgetful_ = false;
  std::unordered_map<std::string, std::deque<SslSessionPtr>> sessions_;
};

/// The contexts of a transport, one for each binding.
///
/// Thread safety: all members may be called from any thread at any time.
class TlsContexts final {
 public:
  /// @throw Error `trust_store_unusable`
  explicit TlsContexts(TlsOptions const& options);

  /// Whether `For` would give a key that is not in memory to a new context, which may take its time: the key's provider is
  /// asked whether it belongs to the certificate.
  bool WouldAskSlowKey(std::shared_ptr<BindingCertificate const> const& binding) const;
  /// The context of `binding`, made where there is none yet.
  std::shared_ptr<TlsContext> For(std::shared_ptr<BindingCertificate const> const& binding);
  /// The next one with this `x5t#S256` gets a context of its own, without a session. A request that stood in line meanwhile
  /// may be that next one: then its context stays until it is the one that was used least recently of too many.
  void Forget(std::string const& x5tS256);
  std::size_t Count() const;

 private:
  struct Entry {
    std::shared_ptr<TlsContext> Context;
    std::uint64_t LastUse = 0;
  };

  std::shared_ptr<TlsContext> TakeLeastRecentlyUsed();

  TlsVersion minimum_;
  X509StorePtr trust_;
  mutable std::mutex mutex_;
  std::uint64_t uses_ = 0;
  std::unordered_map<std::string, Entry> contexts_;
};

}  // namespace mtlspop::openssl
