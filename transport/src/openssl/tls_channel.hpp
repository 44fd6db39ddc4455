#pragma once

/// @file
/// TLS over another channel.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mtlspop/base/openssl/owners.hpp"
#include "mtlspop/transport/http_transport.hpp"
#include "mtlspop/transport/response.hpp"
#include "openssl/channel.hpp"
#include "openssl/tls_context.hpp"

namespace mtlspop::openssl {

/// One TLS connection. OpenSSL reads from and writes to the channel below through a BIO of ours that never refuses a
/// write: what the channel does not take is kept and flushed later. So a renegotiation that falls into the middle of a
/// request body can answer at once, and no half-written record ever stands in the way of a handshake message.
class TlsChannel final : public Channel {
 public:
  struct Options {
    /// Origin and proxy, as text: under this name sessions are kept.
    std::string Peer;
    /// The name or address that the server's certificate must be for.
    std::string Host;
    TlsVersion MaximumVersion = TlsVersion::Tls13;
    std::size_t MaximumRenegotiations = 0;
  };

  /// What is below.
  enum class Over { Socket, Tls };

  /// Borrows `below`.
  /// @throw Error `system_failure`
  TlsChannel(std::shared_ptr<TlsContext> context, Channel& below, Over over, Options options);
  ~TlsChannel() override;

  /// Registers with a new SSL_CTX what this class wants to hear of.
  static void InstallCallbacks(SSL_CTX* context);

  /// Called while a server's certificate is verified, which has failed: a message can then say whose it was.
  static void NoteRefusedServer(X509_STORE_CTX* verification) noexcept;

  /// `Done` when the first handshake is complete. Its last message may still be unsent then: it goes with what is
  /// written next, or with `TryFlush`.
  IoStatus TryHandshake();

  IoResult TryRead(gsl::span<std::uint8_t> buffer) override;
  IoResult TryWrite(gsl::span<std::uint8_t const> bytes) override;
  IoStatus TryFlush() override;
  bool HasUnsentBytes() const noexcept override { return !unsent_.empty() || below_.HasUnsentBytes(); }
  void Close() noexcept override;
  ErrorDetails Failure() const override { return failure_; }

  bool IsResumed() const noexcept { return SSL_session_reused(ssl_.get()) == 1; }
  char const* Version() const noexcept { return SSL_get_version(ssl_.get()); }
  /// How often the server has asked for the client certificate.
  std::size_t CertificateRequests() const noexcept { return certificateRequests_; }
  /// Says of the server's certificate, and of when it asked for ours, what is known by now.
  void Describe(ConnectionInfo& info) const noexcept;
  /// Whether bytes of the other side wait inside OpenSSL, where waiting for the socket would not see them.
  bool HasBufferedInput() const noexcept { return SSL_has_pending(ssl_.get()) == 1; }
  /// Gives the record buffers back before a long rest; they are made anew when they are needed.
  void FreeBuffers() noexcept;
  /// Forgets the renegotiations of earlier requests.
  void BeginRequest() noexcept { renegotiations_ = 0; }
  /// No session of this connection is kept any more.
  void ForgetSession() noexcept { context_->ForgetSessions(); }

 private:
  enum class Abort { None, PeerNotVerified, TooManyRenegotiations, CertificateUnusable, TooMuchHandshake, OutOfMemory };

  static BIO_METHOD* Method();
  static TlsChannel& Of(SSL const* ssl) noexcept;
  static int OnBioWrite(BIO* bio, char const* bytes, std::size_t length, std::size_t* written);
  static int OnBioRead(BIO* bio, char* buffer, std::size_t length, std::size_t* read);
  static long OnBioControl(BIO* bio, int command, long number, void* pointer);
  static int OnCertificateRequest(SSL* ssl, void* argument);
  static int OnCertificateUnusable(SSL* ssl, X509** certificate, EVP_PKEY** key);
  static void OnHandshake(SSL const* ssl, int where, int result);
  static int OnSession(SSL* ssl, SSL_SESSION* session);

  /// Whether OpenSSL's bytes are to wait until it has come back.
  bool HoldsBack() const noexcept { return corked_ || over_ == Over::Tls; }
  IoResult WriteBelow(gsl::span<std::uint8_t const> bytes);
  void KeepSession(SslSessionPtr session) noexcept;
  bool SendOrKeep(gsl::span<std::uint8_t const> bytes) noexcept;
  void CountRenegotiation() noexcept;
  bool SetPeerName();
  bool IsPeerVerified() const noexcept;
  IoStatus Judge(int result);
  IoStatus JudgeEnd();
  ErrorDetails DescribeAbort() const;

  std::shared_ptr<TlsContext> context_;
  Channel& below_;
  Over over_;
  Options options_;
  std::vector<std::uint8_t> unsent_;
  /// From the start to the first data: what OpenSSL writes is held back until it reads. So the last message of the
  /// handshake travels with the request, and wakes the server once instead of twice.
  bool corked_ = true;
  IoStatus lastBelow_ = IoStatus::Done;
  /// Whether OpenSSL has asked for bytes, and so has a buffer for them, since its buffers were freed.
  bool readSinceFreed_ = false;
  bool belowClosed_ = false;
  /// Whether the last bytes found nobody to take them.
  bool lost_ = false;
  /// How the connection ended, where it is over.
  std::optional<IoStatus> ended_;
  bool handshakeDone_ = false;
  /// Whether sessions below TLS 1.3 may be resumed.
  bool mayResume_ = false;
  /// Came before that was known.
  SslSessionPtr early_;
  bool hostIsAddress_ = false;
  Abort abort_ = Abort::None;
  std::size_t certificateRequests_ = 0;
  CertificateAsked asked_ = CertificateAsked::Never;
  std::size_t renegotiations_ = 0;
  std::size_t bytesWithoutData_ = 0;
  ErrorDetails failure_{errors::TlsHandshakeFailed, "", ""};
  std::shared_ptr<ServerCertificate const> refusedServer_;
  /// The session that the first message names, as long as nobody has seen that message. Only of TLS 1.3, where each is
  /// used once; the others are kept anyway.
  SslSessionPtr unseenSession_;
  /// Last, so that it goes first: its destruction calls the BIO.
  SslPtr ssl_;
};

}  // namespace mtlspop::openssl
