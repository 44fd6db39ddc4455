// Resumption: within a binding, never across bindings (architecture, rule 1).

#include <gmock/gmock.h>

#include <atomic>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "fake_names.hpp"
#include "transport_test.hpp"

namespace mtlspop::test {
namespace {

/// Answers one request on each connection and closes.
void ServeOnce(ScriptedConnection& connection) {
  connection.ReadRequest();
  connection.Answer(200, connection.Facts().X5tS256, "Connection: close\r\n");
}

class TlsSessionTest : public testing::TestWithParam<int> {
 protected:
  ScriptedServer server_{AskingTlsServer(GetParam(), GetParam()), ServeOnce};
  Transport const transport_ = MakeTransport(AllowTls13(TrustingOptions(), server_.Url()));
};

TEST_P(TlsSessionTest, IsResumedWithinABinding) {
  auto const binding = NewBinding();
  for (int round = 0; round < 4; ++round) {
    auto const fetched = Fetch(transport_, Get(server_.Url()), binding);
    EXPECT_EQ(fetched.Body, binding->X5tS256());
    EXPECT_EQ(fetched.Connection.Resumed, round > 0);
    EXPECT_EQ(server_.Facts(static_cast<std::size_t>(round) + 1).Resumed, round > 0);
  }
  EXPECT_EQ(transport_->PoolStatistics().Opened, 4U);
  EXPECT_EQ(transport_->PoolStatistics().Resumed, 3U);
}

TEST_P(TlsSessionTest, IsNeverResumedAcrossBindings) {
  auto const alice = NewBinding("alice");
  auto const bob = NewBinding("bob");
  for (int round = 0; round < 3; ++round) {
    for (Binding const& binding : {alice, bob, Binding{}}) {
      auto const fetched = Fetch(transport_, Get(server_.Url()), binding);
      // In a resumed session the server takes the certificate from the session: a session of another's would be him.
      EXPECT_EQ(fetched.Body, binding ? binding->X5tS256() : "");
      EXPECT_EQ(fetched.Connection.Resumed, round > 0);
    }
  }
}

/// Wire contract, section 10, 4: a renewal with the same key is a new binding.
TEST_P(TlsSessionTest, IsNotResumedByARenewalWithTheSameKey) {
  auto const first = Authority().IssueForClient("alice");
  CertificateRequest renewal;
  renewal.CommonName = "alice";
  renewal.ExistingKey = first.Key;
  auto const second = Authority().Issue(renewal);
  EXPECT_EQ(Fetch(transport_, Get(server_.Url()), ToBinding(first)).Body, first.X5tS256);
  auto const fetched = Fetch(transport_, Get(server_.Url()), ToBinding(second));
  EXPECT_EQ(fetched.Body, second.X5tS256);
  EXPECT_FALSE(fetched.Connection.Resumed);
}

/// Two objects, one certificate: the `x5t#S256` counts, not the object.
TEST_P(TlsSessionTest, IsResumedByTheSameCertificateReadAgain) {
  auto const issued = Authority().IssueForClient("alice");
  EXPECT_FALSE(Fetch(transport_, Get(server_.Url()), ToBinding(issued)).Connection.Resumed);
  EXPECT_TRUE(Fetch(transport_, Get(server_.Url()), ToBinding(issued)).Connection.Resumed);
}

TEST_P(TlsSessionTest, IsForgottenWithItsBinding) {
  auto const binding = NewBinding();
  Fetch(transport_, Get(server_.Url()), binding);
  transport_->DropConnections(binding->X5tS256());
  auto const after = Fetch(transport_, Get(server_.Url()), binding);
  EXPECT_FALSE(after.Connection.Resumed);
  EXPECT_EQ(after.Body, binding->X5tS256());
}

/// Only a ticket that somebody may have seen is used up.
TEST_P(TlsSessionTest, IsNotUsedUpByConnectionsThatFail) {
  auto options = AskingTlsServer(GetParam(), GetParam());
  options.Tls->Certificate = Authority().IssueForNames({"moving.test"});
  ScriptedServer const server{options, ServeOnce};
  auto const url = "https://moving.test:" + std::to_string(server.Port()) + "/";
  auto const transport = MakeTransport(AllowTls13(TrustingOptions(), url));
  auto const binding = NewBinding();
  {
    FakeName const here{"moving.test", {"127.0.0.1"}};
    Fetch(transport, Get(url), binding);
  }
  {
    FakeName const nowhere{"moving.test", {"127.0.0.2"}};
    for (int round = 0; round < 4; ++round) {
      EXPECT_EQ(ErrorCodeOf([&] { Fetch(transport, Get(url), binding); }), "connect_failed");
    }
  }
  FakeName const here{"moving.test", {"127.0.0.1"}};
  EXPECT_TRUE(Fetch(transport, Get(url), binding).Connection.Resumed);
}

INSTANTIATE_TEST_SUITE_P(
    Versions, TlsSessionTest, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION), [](auto const& version) {
      return version.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
    });

/// The tickets that were used, each of which must be new.
std::set<std::uint64_t> UsedTickets(ScriptedServer const& server) {
  std::set<std::uint64_t> used;
  for (auto const& facts : server.Facts()) {
    if (facts.TicketUsed == 0) continue;
    EXPECT_TRUE(used.insert(facts.TicketUsed).second) << "used twice";
  }
  return used;
}

/// RFC 8446 appendix C.4: a ticket used twice lets an observer link the connections.
TEST(Tls13TicketTest, IsUsedOnce) {
  ScriptedServer server{AskingTlsServer(TLS1_3_VERSION, TLS1_3_VERSION), ServeOnce};
  auto const transport = MakeTransport(AllowTls13(TrustingOptions(), server.Url()));
  auto const binding = NewBinding();
  for (int round = 0; round < 8; ++round) Fetch(transport, Get(server.Url()), binding);
  EXPECT_EQ(UsedTickets(server).size(), 7U);
}

TEST(Tls13TicketTest, IsUsedOnceByManyAtATime) {
  ScriptedServer server{AskingTlsServer(TLS1_3_VERSION, TLS1_3_VERSION), ServeOnce};
  auto const transport = MakeTransport(AllowTls13(TrustingOptions(), server.Url()));
  auto const binding = NewBinding();
  for (int round = 0; round < 4; ++round) {
    std::vector<std::thread> threads;
    threads.reserve(4);
    for (int index = 0; index < 4; ++index) {
      threads.emplace_back([&] { EXPECT_EQ(Fetch(transport, Get(server.Url()), binding).Body, binding->X5tS256()); });
    }
    for (auto& thread : threads) thread.join();
  }
  EXPECT_FALSE(UsedTickets(server).empty());
}

/// A resumed handshake shows no certificate: a session of one host must not vouch for another at the same address.
TEST(TlsSessionOriginTest, ASessionDoesNotVouchForAnotherHost) {
  auto serverOptions = TlsServer();
  serverOptions.Tls->Certificate = Authority().IssueForNames({"good.example"});
  ScriptedServer server{serverOptions, ServeOnce};
  auto options = TrustingOptions();
  options.ConnectOverrides = {{"*.example:443", server.HostAndPort()}};
  auto const transport = MakeTransport(options);
  EXPECT_EQ(Fetch(transport, Get("https://good.example/")).Status, 200);
  EXPECT_EQ(Fetch(transport, Get("https://good.example/")).Connection.Resumed, true);
  EXPECT_EQ(ErrorCodeOf([&] { Fetch(transport, Get("https://evil.example/")); }), "server_certificate_rejected");
}

/// A server that has forgotten its sessions (a restart, another machine behind the same name) gets a full handshake.
TEST(TlsSessionOriginTest, AServerThatForgotGetsAFullHandshake) {
  auto const binding = NewBinding();
  auto first = std::make_unique<ScriptedServer>(AskingTlsServer(), ServeOnce);
  ScriptedServer second{AskingTlsServer(), ServeOnce};
  // The same origin, reached through a proxy that is told apart by nothing but where it relays to.
  std::atomic<std::uint16_t> port{first->Port()};
  ScriptedServer relay{[&](ScriptedConnection& connection) { connection.RelayTo("127.0.0.1", port); }};
  auto const url = "https://" + relay.HostAndPort() + "/";
  auto const transport = MakeTransport();
  EXPECT_EQ(Fetch(transport, Get(url), binding).Body, binding->X5tS256());
  EXPECT_TRUE(Fetch(transport, Get(url), binding).Connection.Resumed);
  port = second.Port();
  auto const fetched = Fetch(transport, Get(url), binding);
  EXPECT_EQ(fetched.Body, binding->X5tS256());
  EXPECT_FALSE(fetched.Connection.Resumed);
}

}  // namespace
}  // namespace mtlspop::test
