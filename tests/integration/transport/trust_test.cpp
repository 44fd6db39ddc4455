// Which servers are believed. Nothing turns this off.

#include <gmock/gmock.h>

#include "mtlspop/transport/openssl.hpp"
#include "support/scoped_environment.hpp"
#include "transport_test.hpp"

namespace mtlspop::test {
namespace {

using std::chrono::hours;
using testing::HasSubstr;

/// Serves with a certificate, and tells what a transport makes of it.
class Server final {
 public:
  explicit Server(IssuedCertificate certificate, int maximumVersion = TLS1_3_VERSION)
      : server_(OptionsWith(std::move(certificate), maximumVersion), ServeEcho) {}

  std::string CodeFor(TransportOptions options, std::string const& host = "localhost") const {
    options.ConnectOverrides = {{host + ":443", server_.HostAndPort()}};
    auto const transport = MakeTransport(options);
    auto const code = ErrorCodeOf([&] { Fetch(transport, Get("https://" + host + "/")); });
    EXPECT_EQ(transport->PoolStatistics().InUse, 0U);
    if (code != "no error") {
      EXPECT_EQ(transport->PoolStatistics().Idle, 0U);
      for (auto const& facts : server_.Facts()) EXPECT_EQ(facts.Requests, 0U) << "a request was sent all the same";
    }
    return code;
  }

 private:
  static ScriptedServerOptions OptionsWith(IssuedCertificate certificate, int maximumVersion) {
    auto options = TlsServer(TLS1_2_VERSION, maximumVersion);
    options.Tls->Certificate = std::move(certificate);
    return options;
  }

  ScriptedServer server_;
};

CertificateRequest GoodRequest() {
  CertificateRequest request;
  request.DnsNames = {"localhost"};
  request.ExtendedKeyUsage = "serverAuth";
  return request;
}

std::string const Accepted = "no error";
std::string const Rejected = "server_certificate_rejected";

TEST(TrustTest, AGoodCertificateIsAccepted) {
  EXPECT_EQ(Server{Authority().Issue(GoodRequest())}.CodeFor(TrustingOptions()), Accepted);
}

TEST(TrustTest, TheSystemDoesNotVouchForAPrivateAuthority) {
  TransportOptions options;
  options.Proxy.UseEnvironment = false;
  Server const server{Authority().Issue(GoodRequest())};
  EXPECT_EQ(server.CodeFor(options), Rejected);
}

TEST(TrustTest, ARefusalSaysWhoIssuedTheCertificate) {
  ScriptedServer server{TlsServer(), Serve("never said")};
  TestCertificateAuthority const other{"somebody else"};
  auto options = TrustingOptions();
  options.Tls.Trust.CaFile = other.CertificatePath();
  options.Tls.Trust.CaPem.clear();
  try {
    Fetch(MakeTransport(options), Get(server.Url()));
    FAIL();
  } catch (Error const& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("issued by CN=mtlspop test CA, was refused"));
  }
}

TEST(TrustTest, TheSystemsStoreIsUsedByDefault) {
  // OpenSSL's own way to say where the system's store is.
  ScopedEnvironment const environment{{{"SSL_CERT_FILE", Authority().CertificatePath()}}};
  TransportOptions options;
  options.Proxy.UseEnvironment = false;
  Server const server{Authority().Issue(GoodRequest())};
  EXPECT_EQ(server.CodeFor(options), Accepted);
}

TEST(TrustTest, AFileReplacesTheSystemsStoreUnlessBothAreWanted) {
  ScopedEnvironment const environment{{{"SSL_CERT_FILE", Authority().CertificatePath()}}};
  TestCertificateAuthority other{"another"};
  Server const ofSystem{Authority().Issue(GoodRequest())};
  Server const ofOther{other.Issue(GoodRequest())};
  auto options = TrustingOptions();
  options.Tls.Trust.CaPem.clear();
  options.Tls.Trust.CaFile = other.CertificatePath();
  EXPECT_EQ(ofOther.CodeFor(options), Accepted);
  EXPECT_EQ(ofSystem.CodeFor(options), Rejected);
  options.Tls.Trust.UseSystemStore = true;
  EXPECT_EQ(ofOther.CodeFor(options), Accepted);
  EXPECT_EQ(ofSystem.CodeFor(options), Accepted);
}

TEST(TrustTest, FileAndTextAddUp) {
  TestCertificateAuthority other{"another"};
  auto options = TrustingOptions();
  options.Tls.Trust.CaFile = other.CertificatePath();
  EXPECT_EQ(Server{Authority().Issue(GoodRequest())}.CodeFor(options), Accepted);
  EXPECT_EQ(Server{other.Issue(GoodRequest())}.CodeFor(options), Accepted);
}

TEST(TrustTest, ATextMayHoldSeveralAuthorities) {
  TestCertificateAuthority other{"another"};
  auto options = TrustingOptions();
  options.Tls.Trust.CaPem = other.CertificatePem() + Authority().CertificatePem();
  EXPECT_EQ(Server{Authority().Issue(GoodRequest())}.CodeFor(options), Accepted);
  EXPECT_EQ(Server{other.Issue(GoodRequest())}.CodeFor(options), Accepted);
}

/// Refused when it is made or when it is used: either is closed.
TEST(TrustTest, TurningTheSystemsStoreOffLeavesNobody) {
  ScriptedServer server{TlsServer(), ServeEcho};
  auto options = TrustingOptions();
  options.Tls.Trust.CaPem.clear();
  options.Tls.Trust.UseSystemStore = false;
  EXPECT_THAT(
      ErrorCodeOf([&] { Fetch(MakeTransport(options), Get(server.Url())); }),
      testing::AnyOf(Rejected, "invalid_argument", "trust_store_unusable"));
}

struct BadCertificate {
  std::string Name;
  CertificateRequest Request;
  std::string Host = "localhost";
};

void PrintTo(BadCertificate const& certificate, std::ostream* out) { *out << certificate.Name; }

CertificateRequest Changed(void (*change)(CertificateRequest&)) {
  auto request = GoodRequest();
  change(request);
  return request;
}

class BadCertificateTest : public testing::TestWithParam<BadCertificate> {};

TEST_P(BadCertificateTest, IsRejectedUnderBothVersions) {
  auto const certificate = Authority().Issue(GetParam().Request);
  EXPECT_EQ(Server(certificate, TLS1_2_VERSION).CodeFor(TrustingOptions(), GetParam().Host), Rejected);
  EXPECT_EQ(Server(certificate, TLS1_3_VERSION).CodeFor(TrustingOptions(), GetParam().Host), Rejected);
}

INSTANTIATE_TEST_SUITE_P(
    Certificates,
    BadCertificateTest,
    testing::Values(
        BadCertificate{"OtherHost", Changed([](auto& request) { request.DnsNames = {"other.example"}; })},
        BadCertificate{"Expired", Changed([](auto& request) { request.NotAfter = -hours{1} / 2; })},
        BadCertificate{"NotYetValid", Changed([](auto& request) { request.NotBefore = hours{1}; })},
        BadCertificate{"ForClients", Changed([](auto& request) { request.ExtendedKeyUsage = "clientAuth"; })},
        // RFC 9110 section 4.3.4: the common name is no name of a host.
        BadCertificate{"CommonNameOnly", Changed([](auto& request) { request.DnsNames.clear(); })},
        BadCertificate{"CommonNameBesideAnAddress", Changed([](auto& request) {
                         request.DnsNames.clear();
                         request.IpAddresses = {"127.0.0.1"};
                       })},
        BadCertificate{
            "WildcardForTwoLabels", Changed([](auto& request) { request.DnsNames = {"*.vault.example"}; }),
            "a.b.vault.example"},
        BadCertificate{
            "WildcardForNoLabel", Changed([](auto& request) { request.DnsNames = {"*.vault.example"}; }),
            "vault.example"},
        BadCertificate{
            "PartialWildcard", Changed([](auto& request) { request.DnsNames = {"v*.vault.example"}; }),
            "v1.vault.example"},
        BadCertificate{
            "AddressAsDnsName", Changed([](auto& request) { request.DnsNames = {"127.0.0.9"}; }), "127.0.0.9"},
        BadCertificate{
            "OtherAddress", Changed([](auto& request) { request.IpAddresses = {"127.0.0.8"}; }), "127.0.0.9"},
        BadCertificate{
            "ParentDomain", Changed([](auto& request) { request.DnsNames = {"vault.example"}; }), "a.vault.example"}),
    [](auto const& certificate) { return certificate.param.Name; });

TEST(TrustTest, AWildcardIsForOneLabel) {
  auto const certificate = Authority().IssueForNames({"*.vault.example"});
  EXPECT_EQ(Server(certificate).CodeFor(TrustingOptions(), "a.vault.example"), Accepted);
}

TEST(TrustTest, AnUnknownAuthorityIsRejected) {
  TestCertificateAuthority stranger{"mtlspop test CA"};
  EXPECT_EQ(Server{stranger.Issue(GoodRequest())}.CodeFor(TrustingOptions()), Rejected);
}

TEST(TrustTest, ALeafIsNoAuthority) {
  // Trusted as a leaf of the authority, which does not make it one that vouches for others.
  auto options = TrustingOptions();
  auto const leaf = Authority().Issue(GoodRequest());
  TestCertificateAuthority stranger{"localhost"};
  options.Tls.Trust.CaPem = leaf.CertificatePem;
  EXPECT_EQ(Server{stranger.Issue(GoodRequest())}.CodeFor(options), Rejected);
}

TEST(TrustTest, AnErrorSaysWhichServerAndWhy) {
  auto serverOptions = TlsServer();
  serverOptions.Tls->Certificate = Authority().Issue(Changed([](auto& request) { request.NotAfter = -hours{1} / 2; }));
  ScriptedServer server{serverOptions, ServeEcho};
  auto const error =
      ErrorOf([&] { Fetch(MakeTransport(), Get("https://localhost:" + std::to_string(server.Port()) + "/")); });
  ASSERT_TRUE(error);
  EXPECT_THAT(error->what(), HasSubstr("localhost"));
  EXPECT_THAT(error->what(), HasSubstr("expired"));
  EXPECT_TRUE(error->Details().NothingSent);
  EXPECT_FALSE(error->Details().Transient);
}

class RefusedServerTest : public testing::TestWithParam<int> {};

// The log of a server that nobody believes has to say why.
TEST_P(RefusedServerTest, TheServerIsToldWhy) {
  Event failed;
  std::string alert;
  auto options = TlsServer(TLS1_2_VERSION, GetParam());
  options.Tls->OnHandshakeFailure = [&](std::string const& what) {
    alert = what;
    failed.Set();
  };
  ScriptedServer const server{options, ServeEcho};
  TransportOptions stranger;
  stranger.Proxy.UseEnvironment = false;
  EXPECT_EQ(ErrorCodeOf([&] { Fetch(MakeTransport(stranger), Get(server.Url())); }), Rejected);
  ASSERT_TRUE(failed.Wait());
  EXPECT_EQ(alert, "unknown CA");
}

INSTANTIATE_TEST_SUITE_P(
    Versions, RefusedServerTest, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION), [](auto const& version) {
      return version.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
    });

TEST(TrustTest, ABindingIsNotShownToAServerThatIsNotBelieved) {
  TestCertificateAuthority stranger{"stranger"};
  for (int const version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    auto serverOptions = AskingTlsServer(version, version);
    serverOptions.Tls->Certificate = stranger.Issue(GoodRequest());
    ScriptedServer server{serverOptions, ServeEcho};
    auto const url = "https://localhost:" + std::to_string(server.Port()) + "/";
    auto const transport = MakeTransport(AllowTls13(TrustingOptions(), url));
    EXPECT_EQ(ErrorCodeOf([&] { Fetch(transport, Get(url), NewBinding()); }), Rejected);
    EXPECT_EQ(server.Facts(1).X5tS256, "");
  }
}

TEST(RevocationTest, ARevokedCertificateIsRejected) {
  auto const good = Authority().Issue(GoodRequest());
  auto const bad = Authority().Issue(GoodRequest());
  auto options = TrustingOptions();
  options.Tls.Trust.CrlFile = Authority().WriteRevocationList({bad});
  EXPECT_EQ(Server{good}.CodeFor(options), Accepted);
  EXPECT_EQ(Server{bad}.CodeFor(options), Rejected);
  EXPECT_EQ(Server{bad}.CodeFor(TrustingOptions()), Accepted) << "without a list nobody knows";
}

/// "Every certificate of a server's chain must have a current list."
TEST(RevocationTest, AnOldListIsNoList) {
  auto options = TrustingOptions();
  options.Tls.Trust.CrlFile = Authority().WriteRevocationList({}, -std::chrono::minutes{5});
  EXPECT_EQ(Server{Authority().Issue(GoodRequest())}.CodeFor(options), Rejected);
}

TEST(RevocationTest, AListOfAnotherAuthorityIsNoList) {
  TestCertificateAuthority other{"another"};
  auto options = TrustingOptions();
  options.Tls.Trust.CrlFile = other.WriteRevocationList({});
  EXPECT_EQ(Server{Authority().Issue(GoodRequest())}.CodeFor(options), Rejected);
}

TEST(TrustStoreTest, FilesThatCannotBeReadAreRefusedAtOnce) {
  TemporaryDirectory const directory;
  auto const codeWith = [](auto change) {
    auto options = TrustingOptions();
    change(options.Tls.Trust);
    return ErrorCodeOf([&] { MakeTransport(options); });
  };
  std::string const unusable = "trust_store_unusable";
  EXPECT_EQ(codeWith([](auto& trust) { trust.CaFile = "/no/such/file.pem"; }), unusable);
  EXPECT_EQ(codeWith([](auto& trust) { trust.CrlFile = "/no/such/file.pem"; }), unusable);
  auto const garbage = directory.WriteFile("garbage.pem", "this is no PEM");
  EXPECT_EQ(codeWith([&](auto& trust) { trust.CaFile = garbage; }), unusable);
  EXPECT_EQ(codeWith([&](auto& trust) { trust.CrlFile = garbage; }), unusable);
  EXPECT_EQ(codeWith([](auto& trust) { trust.CaPem = "this is no PEM"; }), unusable);
  auto const empty = directory.WriteFile("empty.pem", "");
  EXPECT_EQ(codeWith([&](auto& trust) { trust.CaFile = empty; }), unusable);
  auto const list = Authority().WriteRevocationList({});
  EXPECT_EQ(codeWith([&](auto& trust) { trust.CaFile = list; }), unusable) << "lists are no authorities";
  EXPECT_EQ(codeWith([](auto& trust) { trust.CrlFile = Authority().CertificatePath(); }), unusable);
  // Half of an authority is not left out in silence.
  auto const half = Authority().CertificatePem() + Authority().CertificatePem().substr(0, 200);
  EXPECT_EQ(codeWith([&](auto& trust) { trust.CaPem = half; }), unusable);
}

TEST(TlsVersionBoundsTest, TheMinimumHolds) {
  ScriptedServer old{TlsServer(TLS1_2_VERSION, TLS1_2_VERSION), ServeEcho};
  ScriptedServer current{TlsServer(TLS1_3_VERSION, TLS1_3_VERSION), ServeEcho};
  auto options = TrustingOptions();
  options.Tls.MinimumVersion = TlsVersion::Tls13;
  auto const transport = MakeTransport(options);
  EXPECT_EQ(Fetch(transport, Get(current.Url())).Connection.TlsVersion, "TLSv1.3");
  EXPECT_EQ(ErrorCodeOf([&] { Fetch(transport, Get(old.Url())); }), "tls_handshake_failed");
}

TEST(TlsVersionBoundsTest, NothingBelow12) {
  ScriptedServer server{TlsServer(TLS1_VERSION, TLS1_1_VERSION), ServeEcho};
  EXPECT_EQ(ErrorCodeOf([&] { Fetch(MakeTransport(), Get(server.Url())); }), "tls_handshake_failed");
}

TEST(TlsHandshakeTest, AServerThatSpeaksNoTlsSaysSo) {
  ScriptedServer server{[](ScriptedConnection& connection) {
    connection.ReadSome();
    connection.Write("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
  }};
  EXPECT_EQ(
      ErrorCodeOf([&] { Fetch(MakeTransport(), Get("https://" + server.HostAndPort() + "/")); }),
      "tls_handshake_failed");
}

TEST(TlsHandshakeTest, AServerThatHangsUpInTheHandshake) {
  for (bool const reset : {false, true}) {
    ScriptedServer server{[reset](ScriptedConnection& connection) {
      connection.ReadSome();
      if (reset) connection.Reset();
    }};
    auto const error = ErrorOf([&] { Fetch(MakeTransport(), Get("https://" + server.HostAndPort() + "/")); });
    ASSERT_TRUE(error);
    EXPECT_THAT(std::string{error->Code().Name()}, testing::AnyOf("tls_handshake_failed", "connection_lost"));
    EXPECT_TRUE(error->Details().NothingSent);
  }
}

}  // namespace
}  // namespace mtlspop::test
