#include "openssl/tls_channel.hpp"

#include <new>
#include <utility>

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "openssl/certificate_text.hpp"
#include "openssl/slow_keys.hpp"
#include "openssl/tls_error.hpp"
#include "openssl/tls_profile.hpp"

namespace mtlspop::openssl {
namespace {

/// How much a peer may send after the first handshake without a byte of data among it: room for a renegotiation with
/// long chains and a few dozen session tickets, no room for an endless stream of handshake messages.
constexpr std::size_t MaximumBytesWithoutData = 512 * 1024;

/// How much may wait to be sent: a record, and what a renegotiation with long chains adds to it. A peer that makes
/// OpenSSL answer (a key update asks for one) and never reads would grow it without end.
constexpr std::size_t MaximumUnsentBytes = 512 * 1024;

/// Names are in the subject alternative name or nowhere (RFC 9525 section 2).
constexpr unsigned HostFlags = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;

/// OpenSSL judges a result by the thread's error queue, where other code may have left something. Looking is cheaper
/// than emptying.
void EmptyErrorQueue() noexcept {
  if (ERR_peek_error() != 0) {
    ERR_clear_error();
  }
}

bool IsAddressLiteral(std::string const& host) {
  unsigned char address[16];
  return ::inet_pton(AF_INET, host.c_str(), address) == 1 || ::inet_pton(AF_INET6, host.c_str(), address) == 1;
}

}  // namespace

TlsChannel::TlsChannel(std::shared_ptr<TlsContext> context, Channel& below, Over over, Options options)
    : context_(std::move(context)),
      below_(below),
      over_(over),
      options_(std::move(options)),
      ssl_(SSL_new(context_->Get())) {
  BioPtr bio{Method() != nullptr ? BIO_new(Method()) : nullptr};
  // What OpenSSL calls back finds this object by it.
  if (!ssl_ || !bio || SSL_set_app_data(ssl_.get(), this) != 1) {
    ERR_clear_error();
    throw std::bad_alloc{};
  }
  BIO_set_data(bio.get(), this);
  BIO_set_init(bio.get(), 1);
  auto* const ssl = ssl_.get();
  auto* const released = bio.release();
  SSL_set_bio(ssl, released, released);
  SSL_set_connect_state(ssl);
  LimitTlsVersion(ssl, options_.MaximumVersion);
  if (!SetPeerName()) {
    // Without a name to compare with, any trusted certificate would do.
    ERR_clear_error();
    constexpr std::size_t longestName = 255;
    if (hostIsAddress_ || (!options_.Host.empty() && options_.Host.size() <= longestName)) {
      throw std::bad_alloc{};
    }
    throw Error{ErrorDetails{
        errors::InvalidArgument, "The host name of the URL cannot be compared with a certificate",
        "Give a DNS name of at most 255 characters, or an IP address"}};
  }
  if (auto session = context_->TakeSession(options_.Peer)) {
    SSL_set_session(ssl, session.get());
    if (SSL_SESSION_get_protocol_version(session.get()) >= TLS1_3_VERSION) {
      unseenSession_ = std::move(session);
    }
  }
}

/// Says which server is meant: in the hello, and to the verification of the certificate.
bool TlsChannel::SetPeerName() {
  auto* const ssl = ssl_.get();
  auto const& host = options_.Host;
  hostIsAddress_ = IsAddressLiteral(host);
  if (hostIsAddress_) {
    return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str()) == 1;
  }
  SSL_set_hostflags(ssl, HostFlags);
  return !host.empty() && SSL_set1_host(ssl, host.c_str()) == 1 && SSL_set_tlsext_host_name(ssl, host.c_str()) == 1;
}

/// What every handshake must have established, the later ones of a connection too: a certificate, a verified one, for
/// this host. OpenSSL sees to all three; whoever configures it cannot talk this out of it.
bool TlsChannel::IsPeerVerified() const noexcept {
  auto* const certificate = SSL_get0_peer_certificate(ssl_.get());
  if (certificate == nullptr || SSL_get_verify_result(ssl_.get()) != X509_V_OK) {
    return false;
  }
  auto const& host = options_.Host;
  return hostIsAddress_ ? X509_check_ip_asc(certificate, host.c_str(), 0) == 1
                        : X509_check_host(certificate, host.data(), host.size(), HostFlags, nullptr) == 1;
}

TlsChannel::~TlsChannel() {
  if (unseenSession_) {
    KeepSession(std::move(unseenSession_));
  }
  if (!ended_ && handshakeDone_) {
    // Without this OpenSSL would mark the session as not resumable.
    SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  }
}

void TlsChannel::InstallCallbacks(SSL_CTX* context) {
  SSL_CTX_set_cert_cb(context, &TlsChannel::OnCertificateRequest, nullptr);
  SSL_CTX_set_client_cert_cb(context, &TlsChannel::OnCertificateUnusable);
  SSL_CTX_set_info_callback(context, &TlsChannel::OnHandshake);
  SSL_CTX_sess_set_new_cb(context, &TlsChannel::OnSession);
}

BIO_METHOD* TlsChannel::Method() {
  // Never freed: connections may outlive static destruction.
  static BIO_METHOD* const method = [] {
    BIO_METHOD* const made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "mtlspop channel");
    if (made != nullptr) {
      BIO_meth_set_write_ex(made, &TlsChannel::OnBioWrite);
      BIO_meth_set_read_ex(made, &TlsChannel::OnBioRead);
      BIO_meth_set_ctrl(made, &TlsChannel::OnBioControl);
    }
    return made;
  }();
  return method;
}

TlsChannel& TlsChannel::Of(SSL const* ssl) noexcept { return *static_cast<TlsChannel*>(SSL_get_app_data(ssl)); }

int TlsChannel::OnBioWrite(BIO* bio, char const* bytes, std::size_t length, std::size_t* written) {
  auto& self = *static_cast<TlsChannel*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  *written = 0;
  if (self.abort_ != Abort::None) {
    return 0;
  }
  if (!self.SendOrKeep({reinterpret_cast<std::uint8_t const*>(bytes), length})) {
    return 0;
  }
  *written = length;
  return 1;
}

IoResult TlsChannel::WriteBelow(gsl::span<std::uint8_t const> bytes) {
  auto const result = below_.TryWrite(bytes);
  if (result.Status == IoStatus::Done) {
    unseenSession_.reset();
  }
  return result;
}

/// Sends what can be sent now and keeps the rest. Where the other side has gone, the bytes are kept as well: its last
/// words, an early answer or an alert, can still be read.
bool TlsChannel::SendOrKeep(gsl::span<std::uint8_t const> bytes) noexcept {
  auto const whole = bytes.size();
  while (!HoldsBack() && unsent_.empty() && !bytes.empty()) {
    auto const result = WriteBelow(bytes);
    if (result.Status != IoStatus::Done) {
      lost_ = result.Status == IoStatus::Lost && bytes.size() == whole;
      break;
    }
    bytes = bytes.subspan(result.Count);
  }
  if (unsent_.size() + bytes.size() > MaximumUnsentBytes) {
    abort_ = Abort::TooMuchHandshake;
    return false;
  }
  try {
    unsent_.insert(unsent_.end(), bytes.data(), bytes.data() + bytes.size());  // checked iterators copy byte by byte
  } catch (std::bad_alloc const&) {
    abort_ = Abort::OutOfMemory;  // no exception may pass through OpenSSL
    return false;
  }
  return true;
}

int TlsChannel::OnBioRead(BIO* bio, char* buffer, std::size_t length, std::size_t* read) {
  auto& self = *static_cast<TlsChannel*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  *read = 0;
  self.readSinceFreed_ = true;
  if (self.abort_ != Abort::None) {
    return 0;
  }
  if (self.HoldsBack()) {
    self.TryFlush();  // what the other side is to answer
  }
  auto const result = self.below_.TryRead({reinterpret_cast<std::uint8_t*>(buffer), length});
  self.lastBelow_ = result.Status;
  switch (result.Status) {
    case IoStatus::Done:
      *read = result.Count;
      self.bytesWithoutData_ += self.handshakeDone_ ? result.Count : 0;
      if (self.bytesWithoutData_ > MaximumBytesWithoutData) {
        self.abort_ = Abort::TooMuchHandshake;
      }
      return 1;
    case IoStatus::WantRead:
    case IoStatus::WantWrite:
    case IoStatus::WantKey:
      BIO_set_retry_read(bio);
      return 0;
    case IoStatus::Closed:
      self.belowClosed_ = true;
      return 0;
    case IoStatus::Lost:
    case IoStatus::Failed:
      break;
  }
  return 0;
}

long TlsChannel::OnBioControl(BIO* bio, int command, long /*number*/, void* /*pointer*/) {
  auto const& self = *static_cast<TlsChannel*>(BIO_get_data(bio));
  switch (command) {
    case BIO_CTRL_FLUSH:
      return 1;
    case BIO_CTRL_EOF:
      return self.belowClosed_ ? 1 : 0;
    default:
      return 0;
  }
}

int TlsChannel::OnCertificateRequest(SSL* ssl, void* /*argument*/) {
  auto& self = Of(ssl);
  if (self.context_->HasSlowKey() && NoSlowKeys::IsHere()) {
    return -1;  // asks again
  }
  ++self.certificateRequests_;
  auto const isLater =
      SSL_version(ssl) >= TLS1_3_VERSION ? CertificateAsked::AfterHandshake : CertificateAsked::ByRenegotiation;
  self.asked_ = self.handshakeDone_ ? isLater : CertificateAsked::InFirstHandshake;
  if (self.handshakeDone_ && SSL_version(ssl) >= TLS1_3_VERSION) {
    self.CountRenegotiation();
  }
  return 1;
}

int TlsChannel::OnCertificateUnusable(SSL* ssl, X509** /*certificate*/, EVP_PKEY** /*key*/) {
  // OpenSSL comes here only when it finds no certificate that it could send. Without a binding that is as it should be;
  // with one, going on would mean to leave the certificate out in silence.
  auto& self = Of(ssl);
  if (self.context_->IsBound()) {
    self.abort_ = Abort::CertificateUnusable;
  }
  return 0;
}

void TlsChannel::OnHandshake(SSL const* ssl, int where, int /*result*/) {
  auto& self = Of(ssl);
  if ((where & SSL_CB_HANDSHAKE_START) != 0 && self.handshakeDone_ && SSL_version(ssl) < TLS1_3_VERSION) {
    self.CountRenegotiation();
  }
  if ((where & SSL_CB_HANDSHAKE_DONE) != 0 && !self.IsPeerVerified()) {
    // OpenSSL has verified it before. Where the name fits now, it was memory that was short.
    self.abort_ = self.IsPeerVerified() ? Abort::OutOfMemory : Abort::PeerNotVerified;
  }
}

void TlsChannel::NoteRefusedServer(X509_STORE_CTX* verification) noexcept {
  auto const* const ssl =
      static_cast<SSL const*>(X509_STORE_CTX_get_ex_data(verification, SSL_get_ex_data_X509_STORE_CTX_idx()));
  if (ssl != nullptr) Of(ssl).refusedServer_ = DescribeServer(X509_STORE_CTX_get0_cert(verification));
}

void TlsChannel::Describe(ConnectionInfo& info) const noexcept {
  info.Asked = asked_;
  if (!info.Server && handshakeDone_) info.Server = DescribeServer(SSL_get0_peer_certificate(ssl_.get()));
}

void TlsChannel::CountRenegotiation() noexcept {
  if (++renegotiations_ > options_.MaximumRenegotiations) {
    abort_ = Abort::TooManyRenegotiations;
  }
}

int TlsChannel::OnSession(SSL* ssl, SSL_SESSION* session) {
  SslSessionPtr owned{session};  // the reference is ours now
  auto& self = Of(ssl);
  // RFC 7627 section 5.3: one without the extended master secret is not to be resumed. In the first handshake OpenSSL does not say
  // yet whether it is there, and in later ones it has to be as in the first.
  if (SSL_version(ssl) >= TLS1_3_VERSION || self.mayResume_) {
    self.KeepSession(std::move(owned));
  } else if (!self.handshakeDone_) {
    self.early_ = std::move(owned);
  }
  return 1;
}

void TlsChannel::KeepSession(SslSessionPtr session) noexcept {
  try {
    context_->KeepSession(options_.Peer, std::move(session));
  } catch (std::bad_alloc const&) {
    // The next connection shakes hands in full. No exception may pass through OpenSSL.
  }
}

IoStatus TlsChannel::TryHandshake() {
  lastBelow_ = IoStatus::Done;
  EmptyErrorQueue();
  int const result = SSL_do_handshake(ssl_.get());
  if (result == 1 && abort_ == Abort::None) {
    handshakeDone_ = true;
    mayResume_ = SSL_get_extms_support(ssl_.get()) == 1;
    if (auto session = std::exchange(early_, nullptr); session && mayResume_) {
      KeepSession(std::move(session));
    }
    return IoStatus::Done;
  }
  auto const status = Judge(result);
  // An alert, where it failed; only now, since a TLS channel below has the same queue of errors.
  bool const lost = TryFlush() == IoStatus::Lost;
  return lost && Waits(status) ? IoStatus::Lost : status;
}

IoResult TlsChannel::TryRead(gsl::span<std::uint8_t> buffer) {
  if (ended_) {
    return {*ended_};
  }
  TryFlush();
  lastBelow_ = IoStatus::Done;
  EmptyErrorQueue();
  std::size_t count = 0;
  int const result = SSL_read_ex(ssl_.get(), buffer.data(), buffer.size(), &count);
  bool const good = result == 1 && abort_ == Abort::None;
  IoResult const done = good ? IoResult{IoStatus::Done, count} : IoResult{Judge(result)};
  if (good) {
    bytesWithoutData_ = 0;
  }
  if (HoldsBack()) {
    TryFlush();  // what reading made OpenSSL say
  }
  return done;
}

IoResult TlsChannel::TryWrite(gsl::span<std::uint8_t const> bytes) {
  if (ended_) {
    return {*ended_};
  }
  if (!corked_) {
    auto const flushed = TryFlush();
    if (flushed != IoStatus::Done) {
      return {flushed};
    }
  }
  lastBelow_ = IoStatus::Done;
  lost_ = false;
  EmptyErrorQueue();
  std::size_t count = 0;
  int const result = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &count);
  IoResult done = result == 1 ? IoResult{IoStatus::Done, count} : IoResult{Judge(result)};
  if (HoldsBack()) {
    corked_ = false;
    lost_ = TryFlush() == IoStatus::Lost;  // what finds no room now is sent later
  }
  if (lost_ && result == 1) {
    done = {IoStatus::Lost};  // nothing of it went out; what the other side said last can still be read
  }
  return done;
}

IoStatus TlsChannel::TryFlush() {
  std::size_t sent = 0;
  IoStatus status = IoStatus::Done;
  while (sent < unsent_.size()) {
    auto const result = WriteBelow({unsent_.data() + sent, unsent_.size() - sent});
    if (result.Status != IoStatus::Done) {
      status = result.Status;
      break;
    }
    sent += result.Count;
  }
  if (sent != 0) {
    unsent_.erase(unsent_.begin(), unsent_.begin() + static_cast<std::ptrdiff_t>(sent));
  }
  return status == IoStatus::Done ? below_.TryFlush() : status;
}

void TlsChannel::FreeBuffers() noexcept {
  // Freed twice, the buffer for reading makes OpenSSL 3.2 and later cleanse what is no longer there.
  if (std::exchange(readSinceFreed_, false)) {
    SSL_free_buffers(ssl_.get());
  }
  if (unsent_.empty()) {
    std::vector<std::uint8_t>{}.swap(unsent_);
  }
}

void TlsChannel::Close() noexcept {
  if (ended_ || !handshakeDone_ || SSL_in_init(ssl_.get()) == 1) {
    return;
  }
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
  TryFlush();
  below_.Close();
}

IoStatus TlsChannel::Judge(int result) {
  int const reason = SSL_get_error(ssl_.get(), result);
  bool const waits = reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE;
  if (abort_ == Abort::None && waits) {
    return lastBelow_ == IoStatus::WantWrite ? IoStatus::WantWrite : IoStatus::WantRead;
  }
  if (abort_ == Abort::None && reason == SSL_ERROR_WANT_X509_LOOKUP) {
    return IoStatus::WantKey;
  }
  if (abort_ == Abort::None && reason == SSL_ERROR_ZERO_RETURN) {
    return IoStatus::Closed;
  }
  ended_ = JudgeEnd();
  ERR_clear_error();
  return *ended_;
}

IoStatus TlsChannel::JudgeEnd() {
  if (abort_ != Abort::None) {
    failure_ = DescribeAbort();
    return IoStatus::Failed;
  }
  bool const gone = belowClosed_ || lastBelow_ == IoStatus::Lost;
  if (gone && SSL_get_verify_result(ssl_.get()) == X509_V_OK) {
    return IoStatus::Lost;
  }
  failure_ = lastBelow_ == IoStatus::Failed
                 ? below_.Failure()
                 : DescribeTlsFailure(
                       ssl_.get(), {options_.Host, context_->IsBound(), certificateRequests_ != 0,
                                    options_.MaximumVersion == TlsVersion::Tls12, refusedServer_.get()});
  return IoStatus::Failed;
}

ErrorDetails TlsChannel::DescribeAbort() const {
  if (abort_ == Abort::PeerNotVerified) {
    return {
        errors::ServerCertificateRejected,
        "The TLS handshake with " + options_.Host + " ended without a verified certificate of it",
        "Check the process's OpenSSL configuration (OPENSSL_CONF): something turns the verification of servers off"};
  }
  if (abort_ == Abort::CertificateUnusable) {
    auto const& algorithms = context_->SignatureAlgorithms();
    return {
        errors::PrivateKeyUnusable,
        options_.Host + " accepts no signature that the key of the binding certificate can make" +
            (algorithms.empty() ? "" : ", which can make " + algorithms),
        "Check the server's signature algorithms against the key's; TLS 1.3 takes PSS (rsa_pss_rsae_sha256) of RSA "
        "keys and "
        "nothing else, and RSA keys need 2048 bits or more"};
  }
  if (abort_ == Abort::OutOfMemory) {
    ErrorDetails details{
        errors::SystemFailure, "There was no memory for TLS with " + options_.Host,
        "Give the process more memory, or look for what takes it; the other side has no part in it"};
    details.Transient = true;
    return details;
  }
  if (abort_ == Abort::TooMuchHandshake) {
    return {
        errors::RenegotiationLimitExceeded,
        options_.Host + " exchanges handshake messages without end and sends no data, or takes none",
        "Look at the server, or at what stands between; no option allows this"};
  }
  return {
      errors::RenegotiationLimitExceeded, options_.Host + " renegotiates without end",
      "Look at the server's TLS configuration; if it really needs this many, raise TransportLimits::Renegotiations"};
}

}  // namespace mtlspop::openssl
