#include "transport_test.hpp"

#include <algorithm>
#include <cstdlib>

#include <openssl/x509.h>

#include "mtlspop/transport/openssl.hpp"
#include "support/awaiting_transport.hpp"

namespace mtlspop::test {

namespace {

char PatternByte(std::uint64_t position) {
  // A multiplicative hash of the position: no period that a buffer's size could hide.
  auto const mixed = (position + 1) * 0x9E3779B97F4A7C15ULL;
  return static_cast<char>('!' + (mixed >> 40U) % 90);
}

/// The key of a certificate without its private part.
std::shared_ptr<EVP_PKEY> PublicKeyOf(BindingCertificate::Der const& certificate) {
  auto const* bytes = certificate.data();
  std::shared_ptr<X509> const parsed{d2i_X509(nullptr, &bytes, static_cast<long>(certificate.size())), &X509_free};
  return {X509_get_pubkey(parsed.get()), &EVP_PKEY_free};
}

}  // namespace

TestCertificateAuthority& Authority() {
  static TestCertificateAuthority authority;
  return authority;
}

IssuedCertificate const& LoopbackCertificate() {
  static IssuedCertificate const certificate = Authority().IssueForLoopback();
  return certificate;
}

Binding NewBinding(std::string_view commonName) { return ToBinding(Authority().IssueForClient(commonName)); }

Binding BindingThatCannotSign() {
  auto const good = NewBinding();
  auto const publicKey = PublicKeyOf(good->Leaf());
  BindingCertificate::Parts parts;
  parts.Chain = good->Chain();
  parts.Key = openssl::WrapPrivateKey(gsl::not_null<EVP_PKEY*>{publicKey.get()});
  parts.Strength = KeyStrength::Software;
  parts.X5tS256 = good->X5tS256();
  parts.NotBefore = good->NotBefore();
  parts.NotAfter = good->NotAfter();
  return std::make_shared<BindingCertificate const>(std::move(parts));
}

TransportOptions TrustingOptions() {
  TransportOptions options;
  options.Tls.Trust.CaPem = Authority().CertificatePem();
  options.Proxy.UseEnvironment = false;
  return options;
}

Transport MakeTransport(TransportOptions options) {
  Transport const transport = MakeHttpTransport(std::move(options));
  return std::getenv("MTLSPOP_TEST_ASYNCHRONOUS") == nullptr ? transport : AwaitAsynchronous(transport);
}

TransportOptions AllowTls13(TransportOptions options, std::string const& url) {
  options.Tls.Origins.push_back({Url::Parse(url).GetOrigin().ToString(), TlsVersion::Tls13});
  return options;
}

ScriptedServerOptions TlsServer(int minimumVersion, int maximumVersion) {
  ScriptedServerOptions options;
  options.Tls.emplace();
  options.Tls->Certificate = LoopbackCertificate();
  options.Tls->MinimumVersion = minimumVersion;
  options.Tls->MaximumVersion = maximumVersion;
  return options;
}

ScriptedServerOptions AskingTlsServer(int minimumVersion, int maximumVersion) {
  auto options = TlsServer(minimumVersion, maximumVersion);
  options.Tls->Ask = AskInHandshake::Yes;
  return options;
}

/// With a deadline, or without one where the environment asks for it: a wait that nothing can end takes another way
/// through the transport.
Context Patiently() {
  return std::getenv("MTLSPOP_TEST_NO_DEADLINES") != nullptr ? Context{} : Context{}.WithTimeout(Event::Patience);
}

Request Get(std::string const& url) { return Request{"GET", Url::Parse(url)}; }

Request Post(std::string const& url, std::string body) {
  Request request{"POST", Url::Parse(url)};
  request.SetBody(std::move(body));
  return request;
}

std::string ReadAll(Response& response) { return ReadToEnd(*response.Body, DefaultBufferedBodyBytes, Patiently()); }

Fetched Fetch(Transport const& transport, Request request, Binding const& binding) {
  return Fetch(transport, std::move(request), binding, Patiently());
}

Fetched Fetch(Transport const& transport, Request request, Binding const& binding, Context const& context) {
  auto const response = transport->Send(request, binding, context);
  auto body = ReadToEnd(*response->Body, DefaultBufferedBodyBytes, context);
  return {response->StatusCode, response->Fields, std::move(body), response->Connection};
}

void ServeEcho(ScriptedConnection& connection) {
  while (auto const request = connection.TryReadRequest()) connection.Answer(200, request->Body);
}

void ServeX5tS256(ScriptedConnection& connection) {
  while (auto const request = connection.TryReadRequest()) {
    if (connection.Facts().X5tS256.empty()) connection.AskForCertificate();
    connection.Answer(200, connection.Facts().X5tS256);
  }
}

ScriptedServer::Script Serve(std::string body) {
  return [body = std::move(body)](ScriptedConnection& connection) {
    while (connection.TryReadRequest()) connection.Answer(200, body);
  };
}

std::string Pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t position = 0; position < size; ++position) text[position] = PatternByte(position);
  return text;
}

std::size_t GeneratedBody::Read(gsl::span<std::uint8_t> buffer, Context const& context) {
  context.ThrowIfEnded("generating a body");
  auto const from = given_.load();
  auto const count = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), size_ - from));
  for (std::size_t index = 0; index < count; ++index) {
    buffer[index] = static_cast<std::uint8_t>(PatternByte(from + index));
  }
  given_ += count;
  if (count == 0) ended_ = true;
  return count;
}

}  // namespace mtlspop::test
