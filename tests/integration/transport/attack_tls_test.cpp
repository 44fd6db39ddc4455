// What hostile servers, and a lax OpenSSL configuration of the process, try with TLS.

#include <gmock/gmock.h>

#include <openssl/conf.h>
#include <openssl/err.h>

#include "support/in_child.hpp"
#include "support/openssl_server.hpp"
#include "transport_test.hpp"

namespace mtlspop::test {
namespace {

using testing::HasSubstr;
using testing::Not;

/// A configuration as OPENSSL_CONF names it, with these commands for every TLS context (config(5)).
std::string ConfigurationOf(std::string const& commands) {
  return "openssl_conf = main\n[main]\nssl_conf = ssl\n[ssl]\nsystem_default = defaults\n[defaults]\n" + commands;
}

IssuedCertificate RsaCertificate(std::shared_ptr<EVP_PKEY> key = nullptr) {
  CertificateRequest request;
  request.DnsNames = {"localhost"};
  request.Key = KeyKind::Rsa2048;
  request.ExistingKey = std::move(key);
  request.KeyUsage = "critical,digitalSignature,keyEncipherment";
  request.ExtendedKeyUsage = "serverAuth";
  return Authority().Issue(request);
}

/// A server of OpenSSL that serves pages, and what a child of this process makes of it that is configured with `commands`.
class ConfiguredClient final {
 public:
  ConfiguredClient(IssuedCertificate const& certificate, std::vector<std::string> arguments)
      : server_(certificate, WithPages(std::move(arguments))) {}

  bool Gets(std::string const& commands, std::string const& expectedCode) {
    auto const file = directory_.WriteFile("openssl.cnf", ConfigurationOf(commands));
    return InChild([&] {
      if (!commands.empty() && CONF_modules_load_file(file.c_str(), nullptr, 0) != 1) return false;
      auto request = Get(server_.Url("/"));
      request.Fields.Set("Authorization", "Bearer hunter2");
      auto const code = ErrorCodeOf([&] { Fetch(MakeTransport(), std::move(request)); });
      if (code != expectedCode) std::fprintf(stderr, "%s instead of %s\n", code.c_str(), expectedCode.c_str());
      return code == expectedCode;
    });
  }
  std::string Output() { return server_.Process().Output(); }

 private:
  static std::vector<std::string> WithPages(std::vector<std::string> arguments) {
    arguments.emplace_back("-www");
    return arguments;
  }

  TemporaryDirectory directory_;
  OpensslServer server_;
};

struct LaxServer {
  std::string Name;
  std::vector<std::string> Arguments;
};

void PrintTo(LaxServer const& server, std::ostream* out) { *out << server.Name; }

class AttackLaxServerTest : public testing::TestWithParam<LaxServer> {};

/// With the configuration that an attacker would like best, and with the machine's own.
TEST_P(AttackLaxServerTest, IsRefusedWhateverTheConfigurationSays) {
  ConfiguredClient client{RsaCertificate(), GetParam().Arguments};
  EXPECT_TRUE(client.Gets(
      "CipherString = ALL:COMPLEMENTOFALL:@SECLEVEL=0\n"
      "SignatureAlgorithms = RSA+SHA1:RSA+SHA224:RSA+SHA256:rsa_pss_rsae_sha256\n"
      "Groups = P-224:brainpoolP256r1:P-256:ffdhe2048\n"
      "MinProtocol = None\nVerifyMode = None\n"
      "Options = UnsafeLegacyRenegotiation,UnsafeLegacyServerConnect,AllowNoDHEKEX\n",
      "tls_handshake_failed"));
  EXPECT_TRUE(client.Gets("", "tls_handshake_failed"));
}

INSTANTIATE_TEST_SUITE_P(
    Servers,
    AttackLaxServerTest,
    testing::Values(
        LaxServer{"Anonymous", {"-tls1_2", "-cipher", "AECDH-AES128-SHA:@SECLEVEL=0"}},
        LaxServer{"AnonymousDh", {"-tls1_2", "-cipher", "ADH-AES128-GCM-SHA256:@SECLEVEL=0"}},
        LaxServer{"NoEncryption", {"-tls1_2", "-cipher", "ECDHE-RSA-NULL-SHA:@SECLEVEL=0"}},
        LaxServer{"StaticRsa", {"-tls1_2", "-cipher", "AES128-GCM-SHA256:@SECLEVEL=0"}},
        LaxServer{"Cbc", {"-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA256:@SECLEVEL=0"}},
        LaxServer{"FiniteFieldDh", {"-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0"}},
        LaxServer{"FiniteFieldGroup", {"-tls1_3", "-groups", "ffdhe2048"}},
        LaxServer{"SmallGroup", {"-tls1_2", "-cipher", "ALL:@SECLEVEL=0", "-named_curve", "P-224"}},
        LaxServer{"OldVersion", {"-tls1_1", "-cipher", "ALL:@SECLEVEL=0"}},
        LaxServer{"Sha1Signature", {"-tls1_2", "-cipher", "ALL:@SECLEVEL=0", "-sigalgs", "RSA+SHA1"}},
        LaxServer{"Sha224Signature", {"-tls1_2", "-cipher", "ALL:@SECLEVEL=0", "-sigalgs", "RSA+SHA224"}}),
    [](auto const& server) { return server.param.Name; });

TEST(AttackTlsProfileTest, ASmallKeyIsRefusedUnderALaxConfiguration) {
  std::shared_ptr<EVP_PKEY> const key{EVP_RSA_gen(1024), &EVP_PKEY_free};
  ConfiguredClient client{RsaCertificate(key), {"-tls1_2", "-cipher", "ALL:@SECLEVEL=0"}};
  EXPECT_TRUE(client.Gets("CipherString = ALL:@SECLEVEL=0\n", "server_certificate_rejected")) << client.Output();
}

TEST(AttackTlsProfileTest, AStrangersCertificateIsRefusedUnderALaxConfiguration) {
  TestCertificateAuthority stranger{"stranger"};
  ConfiguredClient client{stranger.IssueForLoopback(), {"-tls1_2"}};
  EXPECT_TRUE(client.Gets("VerifyMode = None\n", "server_certificate_rejected"));
  EXPECT_TRUE(client.Gets("VerifyCAFile = " + stranger.CertificatePath() + "\n", "server_certificate_rejected"));
}

/// What the profile has is enough for good servers, and a configuration that allows less of it is obeyed.
TEST(AttackTlsProfileTest, AConfigurationMayBeStricter) {
  auto const& certificate = LoopbackCertificate();
  ConfiguredClient aes{certificate, {"-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"}};
  EXPECT_TRUE(aes.Gets("", "no error"));
  EXPECT_TRUE(aes.Gets("CipherString = ECDHE-ECDSA-CHACHA20-POLY1305\n", "tls_handshake_failed"));
  EXPECT_TRUE(aes.Gets("CipherString = AES128-SHA:@SECLEVEL=0\nMaxProtocol = TLSv1.2\n", "tls_handshake_failed"));
  EXPECT_TRUE(aes.Gets("MinProtocol = TLSv1.3\n", "tls_handshake_failed"));
  EXPECT_TRUE(aes.Gets("SignatureAlgorithms = RSA+SHA256\n", "tls_handshake_failed"));
  ConfiguredClient current{certificate, {"-tls1_3", "-groups", "X25519"}};
  EXPECT_TRUE(current.Gets("", "no error"));
  EXPECT_TRUE(current.Gets("MaxProtocol = TLSv1.2\n", "tls_handshake_failed"));
  EXPECT_TRUE(current.Gets("Groups = P-384\n", "tls_handshake_failed"));
}

TEST(AttackTlsProfileTest, TheProxysTlsHasTheSameProfile) {
  OpensslServer proxy{RsaCertificate(), {"-tls1_2", "-cipher", "AES128-GCM-SHA256"}};
  auto options = TrustingOptions();
  options.Proxy.Url = proxy.Url("");
  options.Proxy.UserName = "somebody";
  options.Proxy.Password = Secret{std::string_view{"hunter2"}};
  EXPECT_EQ(ErrorCodeOf([&] { Fetch(MakeTransport(options), Get("https://vault.test/")); }), "proxy_failed");
  EXPECT_THAT(proxy.Process().Output(), Not(HasSubstr("CONNECT")));
}

/// Answers one request on each connection and closes.
void ServeOnce(ScriptedConnection& connection) {
  connection.ReadRequest();
  connection.Answer(200, "", "Connection: close\r\n");
}

class AttackTlsSessionTest : public testing::TestWithParam<int> {};

/// What was negotiated on one way says nothing about another one: a session is of (origin, proxy, certificate), as a
/// connection is.
TEST_P(AttackTlsSessionTest, IsNotResumedOnAnotherWay) {
  ScriptedServer const server{AskingTlsServer(GetParam(), GetParam()), ServeOnce};
  ScriptedServer const proxy{[&](ScriptedConnection& connection) {
    connection.ReadRequest();
    connection.Write("HTTP/1.1 200 OK\r\n\r\n");
    connection.RelayTo("127.0.0.1", server.Port());
  }};
  auto options = AllowTls13(TrustingOptions(), server.Url());
  options.Proxy.Url = "http://" + proxy.HostAndPort();
  auto const transport = MakeTransport(options);
  auto const binding = NewBinding();
  auto direct = [&] {
    auto request = Get(server.Url());
    request.NeverProxied = true;
    return Fetch(transport, std::move(request), binding).Connection.Resumed;
  };
  auto proxied = [&] { return Fetch(transport, Get(server.Url()), binding).Connection.Resumed; };
  EXPECT_FALSE(proxied());
  EXPECT_FALSE(direct()) << "a session of the proxied way";
  EXPECT_TRUE(proxied());
  EXPECT_TRUE(direct());
}

/// RFC 7627 section 5.3: two handshakes that the server has mixed would share it.
TEST(AttackTlsSessionOfOldTest, IsNotResumedWithoutTheExtendedMasterSecret) {
  for (bool const hasIt : {true, false}) {
    auto options = TlsServer(TLS1_2_VERSION, TLS1_2_VERSION);
    if (!hasIt) options.Tls->Options = SSL_OP_NO_EXTENDED_MASTER_SECRET;
    ScriptedServer const server{options, ServeOnce};
    auto const transport = MakeTransport();
    EXPECT_FALSE(Fetch(transport, Get(server.Url())).Connection.Resumed);
    EXPECT_EQ(Fetch(transport, Get(server.Url())).Connection.Resumed, hasIt);
  }
}

/// A proxy that is called as an origin, too.
TEST_P(AttackTlsSessionTest, IsNotSharedByAProxyAndAnOriginOfTheSameName) {
  ScriptedServer const both{TlsServer(GetParam(), GetParam()), [](ScriptedConnection& connection) {
                              connection.ReadRequest();
                              connection.Answer(403, "", "Connection: close\r\n");
                            }};
  auto options = TrustingOptions();
  options.Proxy.Url = "https://" + both.HostAndPort();
  auto const transport = MakeTransport(options);
  EXPECT_EQ(ErrorCodeOf([&] { Fetch(transport, Get("https://vault.test/")); }), "proxy_failed");
  auto request = Get(both.Url());
  request.NeverProxied = true;
  EXPECT_FALSE(Fetch(transport, std::move(request)).Connection.Resumed);
}

INSTANTIATE_TEST_SUITE_P(
    Versions, AttackTlsSessionTest, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION), [](auto const& version) {
      return version.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
    });

TransportOptions Trusting(std::string pem) {
  TransportOptions options;
  options.Proxy.UseEnvironment = false;
  options.Tls.Trust.CaPem = std::move(pem);
  return options;
}

std::string CodeOf(
    IssuedCertificate const& certificate, TransportOptions options, std::string const& host = "localhost") {
  auto serverOptions = TlsServer();
  serverOptions.Tls->Certificate = certificate;
  ScriptedServer const server{serverOptions, ServeEcho};
  options.ConnectOverrides = {{host + ":443", server.HostAndPort()}};
  return ErrorCodeOf([&] { Fetch(MakeTransport(options), Get("https://" + host + "/")); });
}

/// What is given as trusted is trusted, and nothing else is.
TEST(AttackPinnedCertificateTest, AServersOwnCertificateIsTrustedAlone) {
  CertificateRequest request;
  request.DnsNames = {"localhost"};
  auto const pinned = Authority().Issue(request);
  EXPECT_EQ(CodeOf(pinned, Trusting(pinned.CertificatePem)), "no error");
  EXPECT_EQ(CodeOf(Authority().Issue(request), Trusting(pinned.CertificatePem)), "server_certificate_rejected")
      << "another certificate of the same authority";
  EXPECT_EQ(CodeOf(pinned, Trusting(pinned.CertificatePem), "other.test"), "server_certificate_rejected");
  request.NotAfter = -std::chrono::minutes{1};
  auto const expired = Authority().Issue(request);
  EXPECT_EQ(CodeOf(expired, Trusting(expired.CertificatePem)), "server_certificate_rejected");
}

TEST(AttackPinnedCertificateTest, AnIssuingAuthorityIsTrustedWithoutItsRoot) {
  TestCertificateAuthority issuing{"issuing authority", Authority()};
  EXPECT_EQ(CodeOf(issuing.IssueForLoopback(), Trusting(issuing.CertificatePem())), "no error");
  EXPECT_EQ(CodeOf(Authority().IssueForLoopback(), Trusting(issuing.CertificatePem())), "server_certificate_rejected")
      << "its root was not given";
}

/// A list for the anchor would be its issuer's, whom nobody named; those for what it has issued are asked for.
TEST(AttackPinnedCertificateTest, AnIssuingAuthorityIsTrustedWithItsRevocationListToo) {
  TestCertificateAuthority issuing{"issuing authority", Authority()};
  auto const good = issuing.IssueForLoopback();
  auto const revoked = issuing.IssueForLoopback();
  auto options = Trusting(issuing.CertificatePem());
  options.Tls.Trust.CrlFile = issuing.WriteRevocationList({revoked});
  EXPECT_EQ(CodeOf(good, options), "no error");
  EXPECT_EQ(CodeOf(revoked, options), "server_certificate_rejected");
  options.Tls.Trust.CrlFile = Authority().WriteRevocationList({});
  EXPECT_EQ(CodeOf(good, options), "server_certificate_rejected") << "a list of somebody else's";
  options = Trusting(good.CertificatePem);
  options.Tls.Trust.CrlFile = issuing.WriteRevocationList({});
  EXPECT_EQ(CodeOf(good, options), "server_certificate_rejected") << "nobody vouches for the list";
}

/// RFC 5280 section 4.2.1.9: it is there to sign certificates.
TEST(AttackPinnedCertificateTest, AnAuthoritysCertificateIsNoServers) {
  CertificateRequest request;
  request.DnsNames = {"localhost"};
  request.BasicConstraints = "critical,CA:TRUE";
  request.KeyUsage = "critical,digitalSignature,keyCertSign";
  EXPECT_EQ(CodeOf(Authority().Issue(request), TrustingOptions()), "server_certificate_rejected");
}

/// One name, two spellings: one host for the server, the certificate and the pool.
TEST(AttackFinalDotTest, IsTheSameHost) {
  auto serverOptions = TlsServer();
  serverOptions.Tls->Certificate = Authority().IssueForNames({"vault.test"});
  ScriptedServer const server{serverOptions, [](ScriptedConnection& connection) {
                                while (auto request = connection.TryReadRequest()) {
                                  connection.Answer(200, request->Get("host") + " " + connection.Facts().ServerName);
                                }
                              }};
  auto options = TrustingOptions();
  options.ConnectOverrides = {{"vault.test:443", server.HostAndPort()}};
  auto const transport = MakeTransport(options);
  EXPECT_EQ(Fetch(transport, Get("https://vault.test./")).Body, "vault.test vault.test");
  EXPECT_EQ(Fetch(transport, Get("https://VAULT.test:443/")).Body, "vault.test vault.test");
  EXPECT_EQ(transport->PoolStatistics().Opened, 1U);
}

}  // namespace
}  // namespace mtlspop::test
