// Through proxies, as curl reads the environment and as the options say. The binding certificate is for the origin and never
// for the proxy.

#include <gmock/gmock.h>

#include <mutex>

#include "fake_names.hpp"
#include "support/scoped_environment.hpp"
#include "support/server_process.hpp"
#include "transport_test.hpp"

namespace mtlspop::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

/// "somebody:pass:word" in base64.
constexpr char const* Credentials = "Basic c29tZWJvZHk6cGFzczp3b3Jk";

/// A proxy that opens tunnels to one server whatever host it is asked for, answers plain requests itself with their first
/// line, and notes the heads of what it was asked.
class ScriptedProxy final {
 public:
  explicit ScriptedProxy(std::uint16_t relayTo, ScriptedServerOptions options = {})
      : server_(std::move(options), [this, relayTo](ScriptedConnection& connection) { Serve(connection, relayTo); }) {}

  std::string Url() const {
    auto url = server_.Url();
    url.pop_back();
    return url;
  }
  std::string HostAndPort() const { return server_.HostAndPort(); }
  ScriptedServer const& Server() const { return server_; }
  std::vector<ReceivedRequest> Requests() const {
    std::lock_guard<std::mutex> const lock{mutex_};
    return requests_;
  }

 private:
  void Serve(ScriptedConnection& connection, std::uint16_t relayTo) {
    while (auto request = connection.TryReadRequest()) {
      auto const method = request->Method;
      auto const line = request->Method + " " + request->Target;
      {
        std::lock_guard<std::mutex> const lock{mutex_};
        requests_.push_back(std::move(*request));
      }
      if (method == "CONNECT") {
        connection.Write("HTTP/1.1 200 Connection established\r\nProxy-Agent: test\r\n\r\n");
        connection.RelayTo("127.0.0.1", relayTo);
        return;
      }
      connection.Answer(200, line);
    }
  }

  mutable std::mutex mutex_;
  std::vector<ReceivedRequest> requests_;
  ScriptedServer server_;
};

/// The origin of these tests: vault.test, which nobody can resolve but the proxy.
class ProxyTest : public testing::Test {
 protected:
  static constexpr char const* VaultUrl = "https://vault.test/secrets";

  static ScriptedServerOptions VaultOptions() {
    auto options = TlsServer(TLS1_2_VERSION, TLS1_2_VERSION);
    options.Tls->Certificate = Authority().IssueForNames({"vault.test"});
    return options;
  }

  static TransportOptions Through(std::string const& proxyUrl) {
    auto options = TrustingOptions();
    options.Proxy.Url = proxyUrl;
    return options;
  }

  ScriptedServer vault_{VaultOptions(), [this](ScriptedConnection& connection) {
                          while (auto request = connection.TryReadRequest()) {
                            {
                              std::lock_guard<std::mutex> const lock{mutex_};
                              last_ = *request;
                            }
                            if (connection.Facts().X5tS256.empty()) connection.AskForCertificate();
                            connection.Answer(200, connection.Facts().X5tS256);
                          }
                        }};
  ReceivedRequest LastAtVault() {
    std::lock_guard<std::mutex> const lock{mutex_};
    return last_;
  }

 private:
  std::mutex mutex_;
  ReceivedRequest last_;
};

TEST_F(ProxyTest, HttpsGoesThroughATunnel) {
  ScriptedProxy const proxy{vault_.Port()};
  auto const transport = MakeTransport(Through(proxy.Url()));
  auto const binding = NewBinding();
  auto const fetched = Fetch(transport, Get(VaultUrl), binding);
  EXPECT_EQ(fetched.Body, binding->X5tS256()) << "the origin is shown the certificate through the tunnel";
  EXPECT_TRUE(Fetch(transport, Get(VaultUrl), binding).Connection.Reused);

  auto const requests = proxy.Requests();
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_THAT(requests[0].Head, StartsWith("CONNECT vault.test:443 HTTP/1.1\r\n"));
  EXPECT_EQ(requests[0].Get("Host"), "vault.test:443");
  EXPECT_EQ(requests[0].Count("Proxy-Authorization"), 0U);
  EXPECT_EQ(requests[0].Count("Authorization"), 0U);
  EXPECT_EQ(LastAtVault().Target, "/secrets");
  EXPECT_EQ(LastAtVault().Get("Host"), "vault.test");
}

TEST_F(ProxyTest, TheProxySeesNothingOfTheRequest) {
  ScriptedProxy const proxy{vault_.Port()};
  auto request = Get("https://vault.test/secrets/name?api-version=7.4");
  request.Fields.Set("Authorization", "mtls_pop something");
  request.Fields.Set("Host", "vault.test");
  Fetch(MakeTransport(Through(proxy.Url())), std::move(request), NewBinding());
  ASSERT_EQ(proxy.Requests().size(), 1U);
  EXPECT_THAT(proxy.Requests()[0].Head, AllOf(Not(HasSubstr("something")), Not(HasSubstr("secrets"))));
}

TEST_F(ProxyTest, HttpIsAskedForWithItsWholeUrl) {
  ScriptedProxy const proxy{0};
  auto const transport = MakeTransport(Through(proxy.Url()));
  EXPECT_EQ(Fetch(transport, Get("http://plain.test/a?b=c")).Body, "GET http://plain.test/a?b=c");
  EXPECT_EQ(Fetch(transport, Get("http://plain.test:8080/")).Body, "GET http://plain.test:8080/");
  EXPECT_EQ(proxy.Requests()[0].Get("Host"), "plain.test");
  EXPECT_EQ(proxy.Requests()[1].Get("Host"), "plain.test:8080");
}

TEST_F(ProxyTest, BasicAuthentication) {
  ScriptedProxy const proxy{vault_.Port()};
  auto options = Through(proxy.Url());
  options.Proxy.UserName = "somebody";
  options.Proxy.Password = Secret{std::string_view{"pass:word"}};
  auto const transport = MakeTransport(options);
  Fetch(transport, Get(VaultUrl), NewBinding());
  Fetch(transport, Get("http://plain.test/"));
  auto const requests = proxy.Requests();
  ASSERT_EQ(requests.size(), 2U);
  EXPECT_EQ(requests[0].Get("Proxy-Authorization"), Credentials);
  EXPECT_EQ(requests[1].Get("Proxy-Authorization"), Credentials);
  EXPECT_EQ(LastAtVault().Count("Proxy-Authorization"), 0U) << "the proxy's password is not for the origin";
}

/// The proxy asks for a certificate, and gets none; the origin behind it gets the binding.
TEST_F(ProxyTest, ABindingIsNeverPresentedToAnHttpsProxy) {
  for (int const version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    ScriptedProxy const proxy{vault_.Port(), AskingTlsServer(version, version)};
    auto const transport = MakeTransport(Through(proxy.Url()));
    auto const binding = NewBinding();
    EXPECT_EQ(Fetch(transport, Get(VaultUrl), binding).Body, binding->X5tS256());
    EXPECT_EQ(proxy.Server().Facts(1).X5tS256, "");
    EXPECT_EQ(proxy.Server().Facts(1).TlsVersion, version == TLS1_2_VERSION ? "TLSv1.2" : "TLSv1.3");
    EXPECT_TRUE(Fetch(transport, Get(VaultUrl), binding).Connection.Reused);
    EXPECT_EQ(proxy.Server().ConnectionCount(), 1U);
  }
}

TEST_F(ProxyTest, AnHttpsProxyIsVerified) {
  TestCertificateAuthority stranger{"stranger"};
  auto proxyOptions = TlsServer();
  proxyOptions.Tls->Certificate = stranger.IssueForLoopback();
  ScriptedProxy const proxy{vault_.Port(), proxyOptions};
  auto const error = ErrorOf([&] { Fetch(MakeTransport(Through(proxy.Url())), Get(VaultUrl), NewBinding()); });
  ASSERT_TRUE(error);
  EXPECT_THAT(std::string{error->Code().Name()}, testing::AnyOf("server_certificate_rejected", "proxy_failed"));
  EXPECT_THAT(error->what(), AllOf(HasSubstr("certificate"), HasSubstr("127.0.0.1")));
  EXPECT_THAT(proxy.Requests(), IsEmpty());
}

TEST_F(ProxyTest, TheOriginIsVerifiedThroughATunnel) {
  ScriptedProxy const proxy{vault_.Port()};
  EXPECT_EQ(
      ErrorCodeOf([&] { Fetch(MakeTransport(Through(proxy.Url())), Get("https://other.test/")); }),
      "server_certificate_rejected");
}

// What went wrong inside the inner TLS is not lost on its way through the outer one.
TEST_F(ProxyTest, AKeyThatCannotSignIsAnErrorOfItsOwnThroughAnHttpsProxyToo) {
  for (bool const inHandshake : {false, true}) {
    auto options = VaultOptions();
    options.Tls->Ask = inHandshake ? AskInHandshake::Yes : AskInHandshake::No;
    ScriptedServer const vault{options, ServeX5tS256};
    ScriptedProxy const proxy{vault.Port(), TlsServer()};
    auto const error =
        ErrorOf([&] { Fetch(MakeTransport(Through(proxy.Url())), Get(VaultUrl), BindingThatCannotSign()); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->Code().Name(), "private_key_unusable") << "asked in the handshake: " << inHandshake;
  }
}

TEST_F(ProxyTest, AnInformationalAnswerIsNotTheProxysLastWord) {
  ScriptedServer const proxy{[this](ScriptedConnection& connection) {
    connection.ReadRequest();
    connection.Write("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
    connection.RelayTo("127.0.0.1", vault_.Port());
  }};
  auto const binding = NewBinding();
  auto const fetched = Fetch(MakeTransport(Through("http://" + proxy.HostAndPort())), Get(VaultUrl), binding);
  EXPECT_EQ(fetched.Body, binding->X5tS256());
}

TEST_F(ProxyTest, BindingsDoNotShareTunnels) {
  ScriptedProxy const proxy{vault_.Port()};
  auto const transport = MakeTransport(Through(proxy.Url()));
  auto const alice = NewBinding("alice");
  auto const bob = NewBinding("bob");
  EXPECT_EQ(Fetch(transport, Get(VaultUrl), alice).Body, alice->X5tS256());
  EXPECT_EQ(Fetch(transport, Get(VaultUrl), bob).Body, bob->X5tS256());
  EXPECT_EQ(proxy.Requests().size(), 2U);
}

/// Large bodies both ways through TLS in TLS.
TEST_F(ProxyTest, AnHttpsProxyCarriesBodies) {
  auto serverOptions = VaultOptions();
  ScriptedServer echo{serverOptions, ServeEcho};
  ScriptedProxy const proxy{echo.Port(), TlsServer()};
  auto const body = Pattern(300'000);
  EXPECT_TRUE(Fetch(MakeTransport(Through(proxy.Url())), Post("https://vault.test/", body)).Body == body);
}

struct Refusal {
  std::string Name;
  std::string Answer;
  std::string Code;
};

void PrintTo(Refusal const& refusal, std::ostream* out) { *out << refusal.Name; }

class ProxyRefusalTest : public testing::TestWithParam<Refusal> {};

TEST_P(ProxyRefusalTest, IsAnErrorOfItsOwn) {
  ScriptedServer proxy{[](ScriptedConnection& connection) {
    connection.ReadRequest();
    connection.Write(GetParam().Answer);
  }};
  auto options = TrustingOptions();
  options.Proxy.Url = "http://" + proxy.HostAndPort();
  options.Proxy.UserName = "somebody";
  options.Proxy.Password = Secret{std::string_view{"hunter2"}};
  auto const transport = MakeTransport(options);
  auto const error = ErrorOf([&] { Fetch(transport, Get("https://vault.test/"), NewBinding()); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code().Name(), GetParam().Code);
  EXPECT_TRUE(error->Details().NothingSent) << "nothing of the request itself";
  EXPECT_THAT(error->what(), AllOf(Not(HasSubstr("hunter2")), HasSubstr(proxy.HostAndPort())));
  EXPECT_EQ(transport->PoolStatistics().InUse, 0U);
  EXPECT_EQ(transport->PoolStatistics().Idle, 0U);
}

INSTANTIATE_TEST_SUITE_P(
    Answers,
    ProxyRefusalTest,
    testing::Values(
        Refusal{
            "WantsCredentials",
            "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: "
            "4\r\n\r\nhunt",
            "proxy_authentication_required"},
        Refusal{"Forbids", "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "proxy_failed"},
        Refusal{"CannotReachTheOrigin", "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "proxy_failed"},
        Refusal{"Redirects", "HTTP/1.1 302 Found\r\nLocation: http://a.test/\r\n\r\n", "proxy_failed"},
        Refusal{"SpeaksNoHttp", "220 smtp.test ESMTP\r\n\r\n", "proxy_failed"},
        Refusal{"HangsUp", "", "proxy_failed"},
        Refusal{"HangsUpInItsHeader", "HTTP/1.1 200 OK\r\nX-A: ", "proxy_failed"}),
    [](auto const& refusal) { return refusal.param.Name; });

TEST(ProxyFloodTest, IsCutOff) {
  ScriptedServer proxy{[](ScriptedConnection& connection) {
    connection.ReadRequest();
    connection.Write("HTTP/1.1 200 OK\r\n");
    for (;;) connection.Write("X-A: " + std::string(1000, 'b') + "\r\n");
  }};
  auto options = TrustingOptions();
  options.Proxy.Url = "http://" + proxy.HostAndPort();
  EXPECT_NE(ErrorCodeOf([&] { Fetch(MakeTransport(options), Get("https://vault.test/")); }), "no error");
}

TEST(ProxyConnectTest, NobodyListening) {
  auto const port = ReserveLoopbackPort();
  auto options = TrustingOptions();
  options.Proxy.Url = "http://127.0.0.1:" + std::to_string(port);
  auto const error = ErrorOf([&] { Fetch(MakeTransport(options), Get("https://vault.test/")); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code().Name(), "connect_failed");
  EXPECT_THAT(error->what(), HasSubstr(std::to_string(port))) << "it is the proxy that was not reached";
}

/// Whether a request with these variables and options goes through the proxy.
struct Environment {
  std::string Name;
  /// '@' stands for the proxy's URL.
  ScopedEnvironment::Variables Variables;
  std::string Url;
  bool Proxied;
};

void PrintTo(Environment const& environment, std::ostream* out) { *out << environment.Name; }

class ProxyEnvironmentTest : public testing::TestWithParam<Environment> {
 protected:
  static ScopedEnvironment::Variables Nothing() {
    ScopedEnvironment::Variables variables;
    for (auto const* name :
         {"http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"}) {
      variables.emplace_back(name, std::nullopt);
    }
    return variables;
  }
};

/// curl(1), ENVIRONMENT.
TEST_P(ProxyEnvironmentTest, IsReadAsCurlReadsIt) {
  auto const host = Url::Parse(GetParam().Url).Host();
  ScriptedServerOptions directOptions;
  if (host == "127.0.0.9") directOptions.Address = host;
  // A handshake is hung up on: whether the proxy was asked is what counts.
  ScriptedServer direct{directOptions, [](ScriptedConnection& connection) {
                          if (connection.ReadSome().front() == 'G') connection.Answer(200, "direct");
                        }};
  ScriptedProxy const proxy{direct.Port()};
  ScopedEnvironment const nothing{Nothing()};
  auto variables = GetParam().Variables;
  for (auto& [name, value] : variables) {
    if (auto const at = value->find('@'); at != std::string::npos) value->replace(at, 1, proxy.HostAndPort());
  }
  ScopedEnvironment const environment{variables};

  auto options = TrustingOptions();
  options.Proxy.UseEnvironment = true;
  FakeName const name{host, {"127.0.0.1"}};
  auto const transport = MakeTransport(options);
  auto url = GetParam().Url;
  url.replace(url.rfind('/'), 1, ":" + std::to_string(direct.Port()) + "/");
  (void)ErrorCodeOf([&] { Fetch(transport, Get(url)); });
  EXPECT_EQ(!proxy.Requests().empty(), GetParam().Proxied);
}

INSTANTIATE_TEST_SUITE_P(
    Variables,
    ProxyEnvironmentTest,
    testing::Values(
        Environment{"None", {}, "http://a.test/", false},
        Environment{"HttpLowerCase", {{"http_proxy", "http://@"}}, "http://a.test/", true},
        // A CGI program is given the request's "Proxy:" field under this name.
        Environment{"HttpUpperCaseIsNotRead", {{"HTTP_PROXY", "http://@"}}, "http://a.test/", false},
        Environment{"HttpsLowerCase", {{"https_proxy", "http://@"}}, "https://a.test/", true},
        Environment{"HttpsUpperCase", {{"HTTPS_PROXY", "http://@"}}, "https://a.test/", true},
        Environment{
            "LowerCaseFirst",
            {{"https_proxy", "http://@"}, {"HTTPS_PROXY", "http://127.0.0.1:1"}},
            "https://a.test/",
            true},
        Environment{"HttpIsNotForHttps", {{"http_proxy", "http://@"}}, "https://a.test/", false},
        Environment{"HttpsIsNotForHttp", {{"https_proxy", "http://@"}}, "http://a.test/", false},
        Environment{"All", {{"all_proxy", "http://@"}}, "http://a.test/", true},
        Environment{"AllUpperCase", {{"ALL_PROXY", "http://@"}}, "https://a.test/", true},
        Environment{
            "OwnBeforeAll", {{"http_proxy", "http://@"}, {"all_proxy", "http://127.0.0.1:1"}}, "http://a.test/", true},
        Environment{"WithoutScheme", {{"http_proxy", "@"}}, "http://a.test/", true},
        Environment{"WithSlash", {{"http_proxy", "http://@/"}}, "http://a.test/", true},
        Environment{"Empty", {{"http_proxy", ""}}, "http://a.test/", false}),
    [](auto const& environment) { return environment.param.Name; });

INSTANTIATE_TEST_SUITE_P(
    NoProxy,
    ProxyEnvironmentTest,
    testing::Values(
        Environment{"Exact", {{"http_proxy", "http://@"}, {"no_proxy", "a.test"}}, "http://a.test/", false},
        Environment{"UpperCase", {{"http_proxy", "http://@"}, {"NO_PROXY", "a.test"}}, "http://a.test/", false},
        Environment{"AnyCase", {{"http_proxy", "http://@"}, {"no_proxy", "A.Test"}}, "http://a.TEST/", false},
        Environment{"Below", {{"http_proxy", "http://@"}, {"no_proxy", "a.test"}}, "http://b.a.test/", false},
        Environment{"LeadingDot", {{"http_proxy", "http://@"}, {"no_proxy", ".a.test"}}, "http://b.a.test/", false},
        Environment{"EndOfAName", {{"http_proxy", "http://@"}, {"no_proxy", "a.test"}}, "http://ba.test/", true},
        Environment{"Star", {{"http_proxy", "http://@"}, {"no_proxy", "*"}}, "http://a.test/", false},
        Environment{
            "List", {{"http_proxy", "http://@"}, {"no_proxy", "x.test, a.test ,y.test"}}, "http://a.test/", false},
        Environment{"Spaces", {{"http_proxy", "http://@"}, {"no_proxy", "x.test a.test"}}, "http://a.test/", false},
        Environment{"Other", {{"http_proxy", "http://@"}, {"no_proxy", "x.test"}}, "http://a.test/", true},
        Environment{"EmptyEntries", {{"http_proxy", "http://@"}, {"no_proxy", ",, ,"}}, "http://a.test/", true},
        Environment{"Https", {{"https_proxy", "http://@"}, {"no_proxy", "a.test"}}, "https://a.test/", false},
        Environment{"Address", {{"http_proxy", "http://@"}, {"no_proxy", "127.0.0.9"}}, "http://127.0.0.9/", false},
        Environment{"Network", {{"http_proxy", "http://@"}, {"no_proxy", "127.0.0.0/8"}}, "http://127.0.0.9/", false},
        Environment{
            "OtherNetwork", {{"http_proxy", "http://@"}, {"no_proxy", "10.0.0.0/8"}}, "http://127.0.0.9/", true}),
    [](auto const& environment) { return environment.param.Name; });

/// Whoever reads that a host cannot be reached looks for the fault there, and not at the proxy before it.
TEST_F(ProxyTest, OneThatCannotBeReachedIsNamedWithWhoNamedIt) {
  ScopedEnvironment const environment{{{"https_proxy", "http://127.0.0.1:1"}, {"no_proxy", std::nullopt}}};
  auto options = TrustingOptions();
  options.Proxy.UseEnvironment = true;
  auto const named = ErrorOf([&] { Fetch(MakeTransport(options), Get(VaultUrl)); });
  ASSERT_TRUE(named);
  EXPECT_EQ(named->Code(), errors::ConnectFailed);
  EXPECT_TRUE(named->Details().NothingSent);
  for (char const* const datum : {"127.0.0.1:1", "https_proxy", "vault.test:443"}) {
    EXPECT_THAT(named->what(), testing::HasSubstr(datum));
  }
  auto const given = ErrorOf([&] { Fetch(MakeTransport(Through("http://nowhere.invalid:3128")), Get(VaultUrl)); });
  ASSERT_TRUE(given);
  EXPECT_EQ(given->Code(), errors::NameResolutionFailed);
  for (char const* const datum : {"nowhere.invalid:3128", "ProxyOptions::Url", "vault.test:443"}) {
    EXPECT_THAT(given->what(), testing::HasSubstr(datum));
  }
}

TEST_F(ProxyTest, OptionsWinOverTheEnvironment) {
  ScopedEnvironment const environment{{{"https_proxy", "http://127.0.0.1:1"}, {"no_proxy", "vault.test"}}};
  ScriptedProxy const proxy{vault_.Port()};
  auto options = Through(proxy.Url());
  options.Proxy.UseEnvironment = true;
  EXPECT_EQ(Fetch(MakeTransport(options), Get(VaultUrl)).Status, 200);
  EXPECT_EQ(proxy.Requests().size(), 1U);
}

TEST_F(ProxyTest, OptionsNameExceptions) {
  ScriptedProxy const proxy{vault_.Port()};
  auto options = Through(proxy.Url());
  options.Proxy.NoProxy = "x.test,.vault.test";
  options.ConnectOverrides = {{"vault.test:443", vault_.HostAndPort()}};
  EXPECT_EQ(Fetch(MakeTransport(options), Get(VaultUrl)).Status, 200);
  EXPECT_THAT(proxy.Requests(), IsEmpty());
}

TEST_F(ProxyTest, TheEnvironmentCanBeLeftUnread) {
  ScopedEnvironment const environment{{{"http_proxy", "http://127.0.0.1:1"}, {"no_proxy", std::nullopt}}};
  ScriptedServer server{ServeEcho};
  EXPECT_EQ(Fetch(MakeTransport(), Get(server.Url())).Status, 200);
}

TEST_F(ProxyTest, CredentialsInTheEnvironmentsUrl) {
  ScriptedProxy const proxy{vault_.Port()};
  ScopedEnvironment const environment{
      {{"https_proxy", "http://somebody:pass%3Aword@" + proxy.HostAndPort()}, {"no_proxy", std::nullopt}}};
  auto options = TrustingOptions();
  options.Proxy.UseEnvironment = true;
  Fetch(MakeTransport(options), Get(VaultUrl));
  ASSERT_EQ(proxy.Requests().size(), 1U);
  EXPECT_EQ(proxy.Requests()[0].Get("Proxy-Authorization"), Credentials);
}

/// Wire contract, section 2: IMDS never through a proxy.
TEST_F(ProxyTest, ARequestCanRefuseAllProxies) {
  ScriptedProxy const proxy{vault_.Port()};
  ScriptedServer imds{ServeEcho};
  auto const transport = MakeTransport(Through(proxy.Url()));
  auto request = Post(imds.Url("/metadata"), "direct");
  request.NeverProxied = true;
  EXPECT_EQ(Fetch(transport, std::move(request)).Body, "direct");
  EXPECT_THAT(proxy.Requests(), IsEmpty());
  // The same origin without that word: another way, another connection.
  EXPECT_THAT(Fetch(transport, Get(imds.Url("/metadata"))).Body, StartsWith("GET http://"));
}

/// Architecture, rule 2, holds on the way to a proxy too.
TEST_F(ProxyTest, ABindingNeedsHttpsThroughAProxyToo) {
  ScriptedProxy const proxy{vault_.Port()};
  EXPECT_EQ(
      ErrorCodeOf([&] { Fetch(MakeTransport(Through(proxy.Url())), Get("http://vault.test/"), NewBinding()); }),
      "binding_requires_https");
  EXPECT_THAT(proxy.Requests(), IsEmpty());
}

/// What the proxy sends behind its answer came before any handshake: nobody can have signed it.
TEST_F(ProxyTest, BytesBehindTheProxysAnswerAreNotTheOrigins) {
  ScriptedServer proxy{[](ScriptedConnection& connection) {
    connection.ReadRequest();
    connection.Write("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
  }};
  auto const code =
      ErrorCodeOf([&] { Fetch(MakeTransport(Through("http://" + proxy.HostAndPort())), Get(VaultUrl), NewBinding()); });
  EXPECT_THAT(code, testing::AnyOf("proxy_failed", "tls_handshake_failed"));
}

}  // namespace
}  // namespace mtlspop::test
