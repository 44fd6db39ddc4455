#include "openssl/tls_context.hpp"

#include <algorithm>
#include <memory>
#include <new>
#include <string_view>
#include <utility>

#include <openssl/err.h>
#include <openssl/provider.h>

#include "mtlspop/base/openssl/error_queue.hpp"
#include "mtlspop/transport/openssl.hpp"
#include "openssl/certificate_rules.hpp"
#include "openssl/off_reactors.hpp"
#include "openssl/tls_channel.hpp"
#include "openssl/tls_profile.hpp"
#include "openssl/trust_store.hpp"

namespace mtlspop::openssl {
namespace {

/// Sessions kept for one peer: TLS 1.3 servers send one or two with each connection, and each is used once.
constexpr std::size_t MaximumSessionsPerPeer = 32;
/// Peers with sessions in one context. Beyond it another one is forgotten for each new one, whichever it is.
constexpr std::size_t MaximumPeers = 1024;
/// Contexts kept, in use or not. Beyond it the least recently used one is built again when it is next needed.
constexpr std::size_t MaximumContexts = 1024;

/// @throw std::bad_alloc where OpenSSL failed for want of memory: that is nobody's fault
[[noreturn]] void Refuse(ErrorCode code, std::string what, std::string action) {
  RequireMemory();
  throw Error{ErrorDetails{code, std::move(what), std::move(action)}};
}

void FreeStack(STACK_OF(X509) * certificates) noexcept { sk_X509_pop_free(certificates, X509_free); }

using X509StackPtr = std::unique_ptr<STACK_OF(X509), Deleter<&FreeStack>>;
using X509StoreCtxPtr = std::unique_ptr<X509_STORE_CTX, Deleter<&X509_STORE_CTX_free>>;

/// Whether all that is missing is a revocation list for the anchor itself, which is trusted because it was given as such (RFC 5280
/// section 6.1) and whose own issuer nobody named. A server's certificate that is trusted by itself is not let off.
bool IsListForAnchorMissing(X509_STORE_CTX* verification) {
  auto const error = X509_STORE_CTX_get_error(verification);
  auto const depth = X509_STORE_CTX_get_error_depth(verification);
  return (error == X509_V_ERR_UNABLE_TO_GET_CRL || error == X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER) && depth > 0 &&
         depth == sk_X509_num(X509_STORE_CTX_get0_chain(verification)) - 1;
}

/// Adds to OpenSSL's own checks that a server does not show the certificate of an authority, which is there to sign
/// others (RFC 5280 section 4.2.1.9). One that signed itself is no authority's but what its owner asks to be trusted.
int VerifyCertificate(int good, X509_STORE_CTX* verification) {
  if (good != 1 && IsListForAnchorMissing(verification)) {
    X509_STORE_CTX_set_error(verification, X509_V_OK);
    return 1;
  }
  if (good != 1) {
    TlsChannel::NoteRefusedServer(verification);
    return good;
  }
  if (X509_STORE_CTX_get_error_depth(verification) != 0) {
    return good;
  }
  if (IsAuthorityOfOthers(X509_STORE_CTX_get_current_cert(verification))) {
    X509_STORE_CTX_set_error(verification, X509_V_ERR_INVALID_PURPOSE);
    return 0;
  }
  return 1;
}

/// Decoded anew: what could not be read for want of memory stays unread in the original.
X509StackPtr CopyOf(STACK_OF(X509) * certificates) {
  X509StackPtr copies{sk_X509_new_null()};
  for (int index = 0; copies && index < sk_X509_num(certificates); ++index) {
    X509Ptr copy{X509_dup(sk_X509_value(certificates, index))};
    if (!copy || sk_X509_push(copies.get(), copy.get()) == 0) {
      return nullptr;
    }
    static_cast<void>(copy.release());
  }
  return copies;
}

/// What another look at the same chain finds.
int VerifyAgain(X509_STORE_CTX* first) {
  X509Ptr const leaf{X509_dup(X509_STORE_CTX_get0_cert(first))};
  auto const above = CopyOf(X509_STORE_CTX_get0_untrusted(first));
  X509StoreCtxPtr const second{X509_STORE_CTX_new()};
  bool const isMade =
      leaf && above && second &&
      X509_STORE_CTX_init(second.get(), X509_STORE_CTX_get0_store(first), leaf.get(), above.get()) == 1 &&
      X509_VERIFY_PARAM_set1(X509_STORE_CTX_get0_param(second.get()), X509_STORE_CTX_get0_param(first)) == 1;
  if (!isMade) {
    return X509_V_ERR_OUT_OF_MEM;
  }
  X509_STORE_CTX_set_verify_cb(second.get(), &VerifyCertificate);
  return X509_verify_cert(second.get()) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(second.get());
}

/// In place of OpenSSL's own, which it calls. Where memory is short an issuer that could not be looked up is one that is not
/// there, and a key that could not be read is too weak. So a refusal is believed where each further look finds the same: one
/// more may fail at the same place by chance. It stays a refusal in any case.
int VerifyChain(X509_STORE_CTX* verification, void* /*argument*/) {
  int const good = X509_verify_cert(verification);
  if (good == 1) {
    return good;
  }
  constexpr int FurtherLooks = 4;
  auto const error = X509_STORE_CTX_get_error(verification);
  for (int look = 0; look < FurtherLooks; ++look) {
    if (VerifyAgain(verification) != error) {
      X509_STORE_CTX_set_error(verification, X509_V_ERR_OUT_OF_MEM);
      break;
    }
  }
  return 0;
}

/// Whether one of OpenSSL's own providers has the key. One behind an engine has no provider.
bool IsInMemory(EVP_PKEY const* key) noexcept {
  auto const* const provider = EVP_PKEY_get0_provider(key);
  std::string_view const name = provider != nullptr ? OSSL_PROVIDER_get0_name(provider) : "";
  return name == "default" || name == "fips";
}

}  // namespace

TlsContext::TlsContext(X509_STORE* trust, TlsVersion minimum, std::shared_ptr<BindingCertificate const> binding)
    : binding_(std::move(binding)), context_(SSL_CTX_new(TLS_client_method())) {
  if (!context_) {
    Refuse(
        errors::SystemFailure, "OpenSSL could not make a TLS context",
        "Check OpenSSL's installation and configuration");
  }
  auto* const context = context_.get();
  ApplyTlsProfile(context, minimum);
  // Both stores: the second, which a configuration can name, would win.
  if (SSL_CTX_set1_verify_cert_store(context, trust) != 1) throw std::bad_alloc{};
  SSL_CTX_set1_cert_store(context, trust);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, &VerifyCertificate);
  SSL_CTX_set_cert_verify_callback(context, &VerifyChain, nullptr);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_set_mode(
      context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
  // One read call for a whole record, or several, instead of two for each.
  SSL_CTX_set_read_ahead(context, 1);
  // HTTP/2 forbids renegotiation (RFC 9113 section 9.2.1).
  static constexpr unsigned char protocols[] = "\x08http/1.1";
  if (SSL_CTX_set_alpn_protos(context, protocols, sizeof protocols - 1) != 0) throw std::bad_alloc{};
  TlsChannel::InstallCallbacks(context);
  if (binding_) {
    UseBinding();
  }
}

bool TlsContext::TryUseBinding() {
  auto* const context = context_.get();
  bool usable = true;
  bool leaf = true;
  for (auto const& der : binding_->Chain()) {
    auto const* position = der.data();
    X509Ptr const certificate{d2i_X509(nullptr, &position, static_cast<long>(der.size()))};
    usable = usable && certificate &&
             (leaf ? SSL_CTX_use_certificate(context, certificate.get())
                   : SSL_CTX_add1_chain_cert(context, certificate.get())) == 1;
    leaf = false;
  }
  return usable && SSL_CTX_use_PrivateKey(context, GetPrivateKey(binding_->Key())) == 1;
}

void TlsContext::UseBinding() {
  auto* const context = context_.get();
  if (!TryUseBinding()) {
    // Where memory is short OpenSSL does not always say so; this context is not used in either case.
    if (TryUseBinding()) {
      throw std::bad_alloc{};
    }
    Refuse(
        errors::InvalidBindingCertificate,
        "OpenSSL refuses the binding certificate with `x5t#S256` " + binding_->X5tS256(),
        "Check that its key is an RSA key of 2048 bits or more, or an elliptic-curve key, and belongs to the "
        "certificate");
  }
  hasSlowKey_ = !IsInMemory(GetPrivateKey(binding_->Key()));
  // Of what the server accepts, nothing is chosen that the key cannot do.
  signatureAlgorithms_ = ClientSignatureAlgorithms(GetPrivateKey(binding_->Key()));
  if (!signatureAlgorithms_.empty() && SSL_CTX_set1_client_sigalgs_list(context, signatureAlgorithms_.c_str()) != 1) {
    Refuse(
        errors::SystemFailure, "OpenSSL does not know the signature algorithms of the binding certificate's key",
        "Check OpenSSL's version and configuration");
  }
  // Announced to servers that speak TLS 1.3, or they may not ask after the handshake (RFC 8446 section 4.2.6).
  SSL_CTX_set_post_handshake_auth(context, 1);
}

SslSessionPtr TlsContext::TakeSession(std::string const& peer) {
  std::lock_guard<std::mutex> const lock{mutex_};
  auto const found = sessions_.find(peer);
  if (found == sessions_.end()) {
    return nullptr;
  }
  auto& kept = found->second;
  while (!kept.empty()) {
    auto& newest = kept.back();
    bool const once = SSL_SESSION_get_protocol_version(newest.get()) >= TLS1_3_VERSION;
    bool const resumable = SSL_SESSION_is_resumable(newest.get()) == 1;
    if (resumable && !once) {
      SSL_SESSION_up_ref(newest.get());
      return SslSessionPtr{newest.get()};
    }
    SslSessionPtr session = std::move(newest);
    kept.pop_back();
    if (resumable) {
      if (kept.empty()) {
        sessions_.erase(found);
      }
      return session;
    }
  }
  sessions_.erase(found);
  return nullptr;
}

void TlsContext::KeepSession(std::string const& peer, SslSessionPtr session) {
  std::lock_guard<std::mutex> const lock{mutex_};
  if (forgetful_) {
    return;
  }
  if (sessions_.size() >= MaximumPeers && sessions_.count(peer) == 0) {
    sessions_.erase(sessions_.begin());
  }
  auto& kept = sessions_[peer];
  if (SSL_SESSION_get_protocol_version(session.get()) < TLS1_3_VERSION) {
    kept.clear();
  }
  kept.push_back(std::move(session));
  if (kept.size() > MaximumSessionsPerPeer) {
    kept.pop_front();
  }
}

void TlsContext::ForgetSessions() noexcept {
  std::lock_guard<std::mutex> const lock{mutex_};
  forgetful_ = true;
  sessions_.clear();
}

TlsContexts::TlsContexts(TlsOptions const& options)
    : minimum_(options.MinimumVersion), trust_(MakeTrustStore(options.Trust)) {}

std::shared_ptr<TlsContext> TlsContexts::For(std::shared_ptr<BindingCertificate const> const& binding) {
  ERR_clear_error();
  std::string const x5tS256 = binding ? binding->X5tS256() : std::string{};
  // What goes, goes without the lock: with it go keys, which are the application's.
  std::shared_ptr<TlsContext> made;
  std::shared_ptr<TlsContext> evicted;
  std::unique_lock<std::mutex> lock{mutex_};
  auto const isKnown = [&] { return contexts_.find(x5tS256) != contexts_.end(); };
  if (!isKnown()) {
    lock.unlock();
    made = MakeOffReactors<TlsContext>(trust_.get(), minimum_, binding);
    lock.lock();
  }
  if (!isKnown()) {
    evicted = TakeLeastRecentlyUsed();
    contexts_[x5tS256].Context = std::move(made);
  }
  // Of two that were made at the same time the first stays, or their connections would not share sessions.
  auto& entry = contexts_[x5tS256];
  entry.LastUse = ++uses_;
  return entry.Context;
}

/// Where there are as many as are kept; null where there is room for one more.
std::shared_ptr<TlsContext> TlsContexts::TakeLeastRecentlyUsed() {
  if (contexts_.size() < MaximumContexts) {
    return nullptr;
  }
  auto const oldest = std::min_element(contexts_.begin(), contexts_.end(), [](auto const& left, auto const& right) {
    return left.second.LastUse < right.second.LastUse;
  });
  auto taken = std::move(oldest->second.Context);
  contexts_.erase(oldest);
  return taken;
}

bool TlsContexts::WouldAskSlowKey(std::shared_ptr<BindingCertificate const> const& binding) const {
  if (!binding || IsInMemory(GetPrivateKey(binding->Key()))) {
    return false;
  }
  std::lock_guard<std::mutex> const lock{mutex_};
  return contexts_.find(binding->X5tS256()) == contexts_.end();
}

void TlsContexts::Forget(std::string const& x5tS256) {
  std::shared_ptr<TlsContext> forgotten;
  std::lock_guard<std::mutex> const lock{mutex_};
  auto const found = contexts_.find(x5tS256);
  if (found != contexts_.end()) {
    forgotten = std::move(found->second.Context);
    contexts_.erase(found);
    forgotten->ForgetSessions();
  }
}

std::size_t TlsContexts::Count() const {
  std::lock_guard<std::mutex> const lock{mutex_};
  return contexts_.size() - contexts_.count({});
}

}  // namespace mtlspop::openssl
