#pragma once

/// @file
/// What the transport's integration tests share: one authority for each process, and requests in one line.

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "mtlspop/transport/http_transport.hpp"
#include "support/error_code_of.hpp"
#include "support/event.hpp"
#include "support/sanitized.hpp"
#include "support/scripted_server.hpp"
#include "support/test_certificate_authority.hpp"

namespace mtlspop::test {

using Binding = std::shared_ptr<BindingCertificate const>;
using Transport = std::shared_ptr<HttpTransport>;

/// The authority that all servers' and clients' certificates of this process are from.
TestCertificateAuthority& Authority();
/// For localhost, 127.0.0.1 and ::1.
IssuedCertificate const& LoopbackCertificate();
/// A new binding certificate of `Authority()`.
Binding NewBinding(std::string_view commonName = "alice");
/// One whose key is there and cannot sign: a TPM that was cleared, a KeyGuard key of an earlier boot.
Binding BindingThatCannotSign();

/// Trusts `Authority()` and nobody else; no proxy, whatever the environment says.
TransportOptions TrustingOptions();
Transport MakeTransport(TransportOptions options = TrustingOptions());
/// The same, allowing TLS 1.3 for bound requests to `url`'s origin.
TransportOptions AllowTls13(TransportOptions options, std::string const& url);

/// TLS with `LoopbackCertificate()`.
ScriptedServerOptions TlsServer(int minimumVersion = TLS1_2_VERSION, int maximumVersion = TLS1_3_VERSION);
/// TLS that asks for the certificate in the first handshake.
ScriptedServerOptions AskingTlsServer(int minimumVersion = TLS1_2_VERSION, int maximumVersion = TLS1_3_VERSION);

/// Long enough for anything, so that a test that hangs fails instead.
Context Patiently();

Request Get(std::string const& url);
Request Post(std::string const& url, std::string body);

/// An answer with its body.
struct Fetched {
  int Status = 0;
  Headers Fields;
  std::string Body;
  ConnectionInfo Connection;
};

/// Sends and reads the whole body.
Fetched Fetch(Transport const& transport, Request request, Binding const& binding = nullptr);
Fetched Fetch(Transport const& transport, Request request, Binding const& binding, Context const& context);
std::string ReadAll(Response& response);

/// Answers each request with its body, for as long as they come.
void ServeEcho(ScriptedConnection& connection);
/// Answers each request with the `x5t#S256` of the client's certificate, which it asks for where the handshake did not.
void ServeX5tS256(ScriptedConnection& connection);
/// Answers each request with `body`, for as long as they come.
ScriptedServer::Script Serve(std::string body);

/// `size` bytes in which no two pieces are alike, so that a lost or doubled piece is seen.
std::string Pattern(std::size_t size);

/// A body of known or unknown length that gives `Pattern` bytes without holding them, and cannot be rewound.
class GeneratedBody final : public BodyStream {
 public:
  /// @param announced what `Length()` says.
  GeneratedBody(std::uint64_t size, std::optional<std::uint64_t> announced) : size_(size), announced_(announced) {}

  std::size_t Read(gsl::span<std::uint8_t> buffer, Context const& context) override;
  std::optional<std::uint64_t> Length() const noexcept override { return announced_; }
  std::uint64_t Given() const noexcept { return given_.load(); }
  bool WasAskedAfterEnd() const noexcept { return ended_; }

 private:
  std::uint64_t size_;
  std::optional<std::uint64_t> announced_;
  std::atomic<std::uint64_t> given_{0};
  bool ended_ = false;
};

/// Sanitizers slow everything down; limits of time are stretched by this.
inline constexpr int Slowness = IsSanitized ? 10 : 1;

}  // namespace mtlspop::test
