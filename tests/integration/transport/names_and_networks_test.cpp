// From a name to a connection: addresses, families (RFC 8305), overrides.

#include <future>
#include <memory>

#include <gmock/gmock.h>

#include "fake_names.hpp"
#include "support/server_process.hpp"
#include "support/silent_listener.hpp"
#include "transport_test.hpp"

namespace mtlspop::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

ScriptedServerOptions On(std::string address) {
  ScriptedServerOptions options;
  options.Address = address;
  options.Host = std::move(address);
  return options;
}

std::string UrlOf(std::string const& host, ScriptedServer const& server) {
  return "http://" + host + ":" + std::to_string(server.Port()) + "/";
}

class Ipv6Test : public testing::Test {
 protected:
  void SetUp() override {
    if (!HasIpv6Loopback()) GTEST_SKIP() << "this machine has no ::1, and there is no other way to have IPv6 here";
  }
};

TEST(NameTest, Ipv4Literal) {
  ScriptedServer server{ServeEcho};
  EXPECT_EQ(Fetch(MakeTransport(), Post(server.Url(), "hello")).Body, "hello");
}

TEST_F(Ipv6Test, Literal) {
  std::string host;
  ScriptedServer server{
      On("::1"), [&](ScriptedConnection& connection) { connection.Answer(200, connection.ReadRequest().Get("Host")); }};
  EXPECT_EQ(Fetch(MakeTransport(), Get(server.Url())).Body, "[::1]:" + std::to_string(server.Port()));
}

TEST_F(Ipv6Test, LiteralOverTls) {
  auto options = AskingTlsServer();
  options.Address = "::1";
  options.Host = "::1";
  ScriptedServer server{options, ServeX5tS256};
  auto const binding = NewBinding();
  EXPECT_EQ(Fetch(MakeTransport(), Get(server.Url()), binding).Body, binding->X5tS256());
  EXPECT_EQ(server.Facts(1).ServerName, "") << "RFC 6066 section 3: no literal addresses in SNI";
}

TEST(NameTest, LocalhostWhereverItListens) {
  ScriptedServer server{ServeEcho};
  EXPECT_EQ(Fetch(MakeTransport(), Post(UrlOf("localhost", server), "hello")).Body, "hello");
}

TEST(NameTest, SniIsTheHostOfTheUrl) {
  ScriptedServer server{TlsServer(), ServeEcho};
  Fetch(MakeTransport(), Get("https://localhost:" + std::to_string(server.Port()) + "/"));
  EXPECT_EQ(server.Facts(1).ServerName, "localhost");
  Fetch(MakeTransport(), Get(server.Url()));
  EXPECT_EQ(server.Facts(2).ServerName, "");
}

TEST(NameTest, AlpnOffersHttp11) {
  ScriptedServer server{TlsServer(), ServeEcho};
  Fetch(MakeTransport(), Get(server.Url()));
  EXPECT_EQ(server.Facts(1).OfferedProtocols, "http/1.1");
}

TEST(NameTest, AnUnknownNameSaysSo) {
  FakeName const name{"unknown.test", {}};
  auto const error = ErrorOf([] { Fetch(MakeTransport(), Get("http://unknown.test/")); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code().Name(), "name_resolution_failed");
  EXPECT_THAT(error->what(), HasSubstr("unknown.test"));
  EXPECT_TRUE(error->Details().NothingSent);
}

/// Looks up in no time at all, that is, gives each lookup up.
class HastyTransport final {
 public:
  HastyTransport() {
    auto options = TrustingOptions();
    options.ConnectTimeout = milliseconds{1};
    transport_ = MakeTransport(options);
  }
  std::string CodeFor(std::string const& host) const {
    return ErrorCodeOf([&] { Fetch(transport_, Get("http://" + host + "/")); });
  }

 private:
  Transport transport_;
};

// A name server that does not know an answer must not keep others from theirs.
TEST(NameTest, ADeadNameIsAskedForOnceAndDisturbsNoOther) {
  HastyTransport const hasty;
  ScriptedServer const server{ServeEcho};
  FakeName const good{"good.test", {"127.0.0.1"}};
  FakeName held{"held.test", {"127.0.0.1"}};
  held.HoldAnswers();
  for (int lookup = 0; lookup < 200; ++lookup) {
    EXPECT_EQ(hasty.CodeFor("held.test"), "deadline_exceeded");
  }
  EXPECT_EQ(Fetch(MakeTransport(), Get("http://good.test:" + std::to_string(server.Port()) + "/")).Status, 200);
}

/// Names whose lookups hang, as many as there may be at a time.
class HungNames final {
 public:
  explicit HungNames(HastyTransport const& hasty) {
    for (int index = 0; index < 64; ++index) {
      auto const name = "held" + std::to_string(index) + ".test";
      names_.push_back(std::make_unique<FakeName>(name, std::vector<std::string>{"127.0.0.1"}));
      names_.back()->HoldAnswers();
      EXPECT_EQ(hasty.CodeFor(name), "deadline_exceeded");
    }
  }

 private:
  std::vector<std::unique_ptr<FakeName>> names_;
};

// A process must not fill with threads that wait for name servers which never answer, and nobody may be refused for it.
TEST(AttackNameTest, HungLookupsMakeOtherNamesWaitAndRefuseNone) {
  HastyTransport const hasty;
  ScriptedServer const server{ServeEcho};
  FakeName const good{"good.test", {"127.0.0.1"}};
  auto const url = "http://good.test:" + std::to_string(server.Port()) + "/";
  auto held = std::make_unique<HungNames>(hasty);
  EXPECT_EQ(hasty.CodeFor("good.test"), "deadline_exceeded");
  auto waiting = std::async(std::launch::async, [&] { return Fetch(MakeTransport(), Get(url)).Status; });
  EXPECT_EQ(waiting.wait_for(std::chrono::milliseconds{50}), std::future_status::timeout);
  EXPECT_FALSE(good.Asked().IsSet());
  held.reset();
  EXPECT_EQ(waiting.get(), 200);
}

TEST(AttackNameTest, HungLookupsHoldUpNeitherLocalhostNorLiteralAddresses) {
  HastyTransport const hasty;
  ScriptedServer const server{ServeEcho};
  auto const port = std::to_string(server.Port());
  HungNames const held{hasty};
  EXPECT_EQ(Fetch(MakeTransport(), Get("http://127.0.0.1:" + port + "/")).Status, 200);
  EXPECT_EQ(Fetch(MakeTransport(), Get("http://localhost:" + port + "/")).Status, 200);
}

// Whatever the port: with a lookup for each, one name took the place of all others.
TEST(AttackNameTest, OneNameTakesOneLookup) {
  ScriptedServer const server{ServeEcho};
  FakeName const good{"good.test", {"127.0.0.1"}};
  FakeName held{"held.test", {"127.0.0.1"}};
  held.HoldAnswers();
  for (int port = 1; port <= 70; ++port) {
    auto const url = "http://held.test:" + std::to_string(port) + "/";
    auto const hurry = Context{}.WithTimeout(std::chrono::milliseconds{1});
    auto request = Get(url);
    EXPECT_EQ(ErrorCodeOf([&] { MakeTransport()->Send(request, nullptr, hurry); }), "deadline_exceeded");
  }
  EXPECT_EQ(Fetch(MakeTransport(), Get("http://good.test:" + std::to_string(server.Port()) + "/")).Status, 200);
}

TEST(NameTest, NobodyListening) {
  auto const port = ReserveLoopbackPort();
  auto const error = ErrorOf([&] { Fetch(MakeTransport(), Get("http://127.0.0.1:" + std::to_string(port) + "/")); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code().Name(), "connect_failed");
  EXPECT_TRUE(error->Details().NothingSent);
  EXPECT_THAT(error->what(), HasSubstr("127.0.0.1"));
}

/// No error code says that the name was fine and the addresses were not, unless all were tried.
TEST(FallbackTest, ARefusedAddressIsFollowedByTheNext) {
  ScriptedServer server{ServeEcho};
  FakeName const name{"several.test", {"127.0.0.2", "127.0.0.3", "127.0.0.1"}};
  EXPECT_EQ(Fetch(MakeTransport(), Post(UrlOf("several.test", server), "hello")).Body, "hello");
}

TEST(FallbackTest, AllRefused) {
  auto const port = ReserveLoopbackPort();
  FakeName const name{"several.test", {"127.0.0.2", "127.0.0.3"}};
  EXPECT_EQ(
      ErrorCodeOf([&] { Fetch(MakeTransport(), Get("http://several.test:" + std::to_string(port) + "/")); }),
      "connect_failed");
}

/// What can never work is said at once, and not as something that may pass.
TEST(FallbackTest, ACertificateOfNoUseIsToldBeforeAnAddressThatRefuses) {
  auto const alice = NewBinding("alice");
  BindingCertificate::Parts parts;
  parts.Chain = alice->Chain();
  parts.Key = NewBinding("bob")->SharedKey();
  parts.X5tS256 = alice->X5tS256();
  auto const url = "https://127.0.0.1:" + std::to_string(ReserveLoopbackPort()) + "/";
  auto const error =
      ErrorOf([&] { Fetch(MakeTransport(), Get(url), std::make_shared<BindingCertificate const>(std::move(parts))); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code().Name(), "invalid_binding_certificate");
  EXPECT_TRUE(error->Details().NothingSent);
  EXPECT_FALSE(error->Details().Transient);
}

/// RFC 8305 section 5: the next attempt begins a quarter of a second after one that says nothing, not a minute.
TEST(FallbackTest, ASilentAddressIsFollowedByTheNext) {
  ScriptedServer server{ServeEcho};
  SilentListener const silent{"127.0.0.2", server.Port()};
  FakeName const name{"several.test", {"127.0.0.2", "127.0.0.1"}};
  auto const start = std::chrono::steady_clock::now();
  EXPECT_EQ(Fetch(MakeTransport(), Post(UrlOf("several.test", server), "hello")).Body, "hello");
  EXPECT_LT(std::chrono::steady_clock::now() - start, seconds{2} * Slowness);
}

TEST_F(Ipv6Test, AnIpv4AddressFollowsARefusedIpv6One) {
  ScriptedServer server{ServeEcho};
  FakeName const name{"both.test", {"::1", "127.0.0.1"}};
  EXPECT_EQ(Fetch(MakeTransport(), Post(UrlOf("both.test", server), "hello")).Body, "hello");
}

TEST_F(Ipv6Test, AnIpv4AddressFollowsASilentIpv6One) {
  ScriptedServer server{ServeEcho};
  SilentListener const silent{"::1", server.Port()};
  FakeName const name{"both.test", {"::1", "127.0.0.1"}};
  auto const start = std::chrono::steady_clock::now();
  EXPECT_EQ(Fetch(MakeTransport(), Post(UrlOf("both.test", server), "hello")).Body, "hello");
  EXPECT_LT(std::chrono::steady_clock::now() - start, seconds{2} * Slowness);
}

TEST_F(Ipv6Test, AnIpv6AddressFollowsAnIpv4One) {
  ScriptedServer server{On("::1"), ServeEcho};
  FakeName const name{"both.test", {"127.0.0.1", "::1"}};
  EXPECT_EQ(Fetch(MakeTransport(), Post(UrlOf("both.test", server), "hello")).Body, "hello");
}

/// RFC 8305 section 4: the families take turns, so that ten dead addresses of one do not hide the other.
TEST_F(Ipv6Test, FamiliesTakeTurns) {
  ScriptedServer server{On("::1"), ServeEcho};
  std::vector<std::unique_ptr<SilentListener>> silent;
  std::vector<std::string> addresses;
  for (int host = 2; host < 10; ++host) {
    addresses.push_back("127.0.0." + std::to_string(host));
    silent.push_back(std::make_unique<SilentListener>(addresses.back(), server.Port()));
  }
  addresses.emplace_back("::1");
  FakeName const name{"both.test", addresses};
  auto const start = std::chrono::steady_clock::now();
  EXPECT_EQ(Fetch(MakeTransport(), Post(UrlOf("both.test", server), "hello")).Body, "hello");
  EXPECT_LT(std::chrono::steady_clock::now() - start, milliseconds{1500} * Slowness);
}

TEST(FallbackTest, NoConnectionIsLeftOverFromARace) {
  ScriptedServer server{ServeEcho};
  SilentListener const silent{"127.0.0.2", server.Port()};
  FakeName const name{"several.test", {"127.0.0.2", "127.0.0.1"}};
  auto const transport = MakeTransport();
  Fetch(transport, Get(UrlOf("several.test", server)));
  EXPECT_EQ(transport->PoolStatistics().Opened, 1U);
  EXPECT_EQ(transport->PoolStatistics().Idle, 1U);
  EXPECT_EQ(transport->PoolStatistics().InUse, 0U);
}

TEST(OverrideTest, GoesElsewhereAndStaysWhatItIs) {
  auto serverOptions = AskingTlsServer();
  serverOptions.Tls->Certificate = Authority().IssueForNames({"myvault.vault.azure.net"});
  ScriptedServer server{serverOptions, [](ScriptedConnection& connection) {
                          while (auto const request = connection.TryReadRequest()) {
                            connection.Answer(200, request->Get("Host") + "|" + connection.Facts().ServerName);
                          }
                        }};
  auto options = TrustingOptions();
  options.ConnectOverrides = {{"myvault.vault.azure.net:443", server.HostAndPort()}};
  EXPECT_EQ(
      Fetch(MakeTransport(options), Get("https://myvault.vault.azure.net/secrets"), NewBinding()).Body,
      "myvault.vault.azure.net|myvault.vault.azure.net");
}

TEST(OverrideTest, AStarIsForEveryNameBelow) {
  ScriptedServer server{ServeEcho};
  auto options = TrustingOptions();
  options.ConnectOverrides = {{"*.vault.test:80", server.HostAndPort()}};
  auto const transport = MakeTransport(options);
  EXPECT_EQ(Fetch(transport, Get("http://a.vault.test/")).Status, 200);
  EXPECT_EQ(Fetch(transport, Get("http://A.VAULT.TEST/")).Status, 200);
  FakeName const itself{"vault.test", {}};
  FakeName const other{"avault.test", {}};
  EXPECT_EQ(ErrorCodeOf([&] { Fetch(transport, Get("http://vault.test/")); }), "name_resolution_failed");
  EXPECT_EQ(ErrorCodeOf([&] { Fetch(transport, Get("http://avault.test/")); }), "name_resolution_failed");
}

TEST(OverrideTest, TheFirstThatFitsWinsAndThePortCounts) {
  ScriptedServer server{ServeEcho};
  auto const closed = ReserveLoopbackPort();
  auto options = TrustingOptions();
  options.ConnectOverrides = {
      {"a.test:80", server.HostAndPort()}, {"*.test:80", "127.0.0.1:" + std::to_string(closed)}};
  auto const transport = MakeTransport(options);
  EXPECT_EQ(Fetch(transport, Get("http://a.test/")).Status, 200);
  FakeName const name{"a.test", {}};
  EXPECT_EQ(ErrorCodeOf([&] { Fetch(transport, Get("http://a.test:81/")); }), "name_resolution_failed");
}

TEST_F(Ipv6Test, AnOverrideMayNameAnIpv6Address) {
  ScriptedServer server{On("::1"), ServeEcho};
  auto options = TrustingOptions();
  options.ConnectOverrides = {{"a.test:80", "[::1]:" + std::to_string(server.Port())}};
  EXPECT_EQ(Fetch(MakeTransport(options), Get("http://a.test/")).Status, 200);
}

TEST(ConnectTimeoutTest, CoversTheNameTheConnectionAndTheHandshake) {
  auto options = TrustingOptions();
  options.ConnectTimeout = milliseconds{50};
  {
    FakeName name{"slow.test", {"127.0.0.1"}};
    name.HoldAnswers();
    EXPECT_EQ(ErrorCodeOf([&] { Fetch(MakeTransport(options), Get("http://slow.test/")); }), "deadline_exceeded");
  }
  {
    SilentListener const silent{"127.0.0.1"};
    auto const url = "http://127.0.0.1:" + std::to_string(silent.Port()) + "/";
    auto const error = ErrorOf([&] { Fetch(MakeTransport(options), Get(url)); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->Code().Name(), "deadline_exceeded");
    EXPECT_THAT(error->what(), HasSubstr("ConnectTimeout")) << "it was not the caller's deadline";
    EXPECT_TRUE(error->Details().NothingSent);
    EXPECT_TRUE(error->Details().Transient);
  }
  {
    ScriptedServer server{[](ScriptedConnection& connection) { connection.WaitUntilClosed(); }};
    EXPECT_EQ(
        ErrorCodeOf([&] { Fetch(MakeTransport(options), Get("https://" + server.HostAndPort() + "/")); }),
        "deadline_exceeded");
  }
}

/// What comes after the handshake is the caller's deadline's business.
TEST(ConnectTimeoutTest, DoesNotCoverTheAnswer) {
  auto options = TrustingOptions();
  options.ConnectTimeout = milliseconds{500} * Slowness;
  Event never;
  ScriptedServer server{[&](ScriptedConnection& connection) {
    connection.ReadRequest();
    (void)never.Wait(milliseconds{600} * Slowness);
    connection.Answer(200, "late");
  }};
  EXPECT_EQ(Fetch(MakeTransport(options), Get(server.Url())).Body, "late");
}

}  // namespace
}  // namespace mtlspop::test
