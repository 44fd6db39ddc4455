// The pool: bounds, eviction, idle time, health, dropped connections, statistics.

#include <gmock/gmock.h>

#include <future>
#include <mutex>
#include <thread>

#include "support/manual_clock.hpp"
#include "transport_test.hpp"

namespace mtlspop::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// Answers at once, but for `/held`, whose answer has no end before `Release()`.
class HoldingServer final {
 public:
  explicit HoldingServer(ScriptedServerOptions options = {})
      : server_(std::move(options), [this](ScriptedConnection& connection) { Serve(connection); }) {}
  ~HoldingServer() { Release(); }

  ScriptedServer const& Server() const { return server_; }
  std::string Url() const { return server_.Url("/"); }
  /// Sends what is missing of the held answers.
  void Release() { released_.Set(); }

  /// Asks for `/held` and returns with the header: the connection is in use.
  std::unique_ptr<Response> Hold(Transport const& transport, Binding const& binding = nullptr) const {
    auto request = Get(server_.Url("/held"));
    return transport->Send(request, binding, Patiently());
  }

 private:
  void Serve(ScriptedConnection& connection) {
    while (auto const request = connection.TryReadRequest()) {
      if (request->Target != "/held") {
        connection.Answer(200, "hello");
        continue;
      }
      connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel");
      if (!released_.Wait()) return;
      connection.Write("lo");
    }
  }

  Event released_;
  ScriptedServer server_;
};

ScriptedServer::Script const ServeHello = Serve("hello");

std::size_t OpenConnections(ScriptedServer const& server) {
  std::size_t open = 0;
  for (auto const& facts : server.Facts()) open += facts.ClosedByPeer ? 0 : 1;
  return open;
}

TEST(PoolTest, ReusesAConnection) {
  ScriptedServer server{TlsServer(), ServeHello};
  auto const transport = MakeTransport();
  EXPECT_EQ(transport->PoolStatistics().Opened, 0U);
  for (int round = 0; round < 5; ++round) {
    auto const fetched = Fetch(transport, Get(server.Url("/" + std::to_string(round))));
    EXPECT_EQ(fetched.Connection.Id, 1U);
    EXPECT_EQ(fetched.Connection.Reused, round > 0);
  }
  auto const statistics = transport->PoolStatistics();
  EXPECT_EQ(statistics.Opened, 1U);
  EXPECT_EQ(statistics.Reused, 4U);
  EXPECT_EQ(statistics.Idle, 1U);
  EXPECT_EQ(statistics.InUse, 0U);
}

TEST(PoolTest, OriginsDoNotShareConnections) {
  ScriptedServer server{ServeHello};
  auto options = TrustingOptions();
  options.ConnectOverrides = {{"a.example:80", server.HostAndPort()}, {"b.example:80", server.HostAndPort()}};
  auto const transport = MakeTransport(options);
  Fetch(transport, Get("http://a.example/"));
  EXPECT_FALSE(Fetch(transport, Get("http://b.example/")).Connection.Reused);
  EXPECT_TRUE(Fetch(transport, Get("http://A.Example:80/")).Connection.Reused);
}

/// A name given to one request by its Host field is no origin.
TEST(PoolTest, TheHostFieldDoesNotChooseTheConnection) {
  ScriptedServer server{ServeHello};
  auto const transport = MakeTransport();
  Fetch(transport, Get(server.Url()));
  auto request = Get(server.Url());
  request.Fields.Set("Host", "a.example");
  EXPECT_TRUE(Fetch(transport, std::move(request)).Connection.Reused);
}

TEST(PoolTest, BindingsDoNotShareConnections) {
  ScriptedServer server{TlsServer(), ServeX5tS256};
  auto const transport = MakeTransport();
  auto const alice = NewBinding("alice");
  auto const bob = NewBinding("bob");
  EXPECT_EQ(Fetch(transport, Get(server.Url()), alice).Body, alice->X5tS256());
  auto const second = Fetch(transport, Get(server.Url()), bob);
  EXPECT_EQ(second.Body, bob->X5tS256());
  EXPECT_FALSE(second.Connection.Reused);
  EXPECT_FALSE(Fetch(transport, Get(server.Url())).Connection.Reused);
  auto const again = Fetch(transport, Get(server.Url()), alice);
  EXPECT_TRUE(again.Connection.Reused);
  EXPECT_EQ(again.Connection.X5tS256, alice->X5tS256());
  EXPECT_EQ(transport->PoolStatistics().Bindings, 2U);
  EXPECT_EQ(transport->PoolStatistics().Idle, 3U);
}

/// They come in the same TLS record as the end of the answer, so that no look at the socket shows them.
TEST(PoolTest, BytesBehindAnAnswerAreNeverTheNextAnswer) {
  ScriptedServer server{TlsServer(), [](ScriptedConnection& connection) {
                          while (connection.TryReadRequest()) {
                            connection.Write(
                                "HTTP/1.1 200 OK\r\nContent-Length: 8000\r\n\r\n" + std::string(8000, 'x') +
                                "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison");
                          }
                        }};
  auto const transport = MakeTransport();
  for (int round = 0; round < 3; ++round) {
    auto const fetched = Fetch(transport, Get(server.Url()));
    EXPECT_EQ(fetched.Body, std::string(8000, 'x'));
    EXPECT_FALSE(fetched.Connection.Reused);
  }
}

TEST(PoolBoundTest, ARequestWaitsForAConnectionOfItsOrigin) {
  HoldingServer server;
  auto options = TrustingOptions();
  options.Pool.MaximumPerOrigin = 1;
  auto const transport = MakeTransport(options);
  auto held = server.Hold(transport);
  auto waiting = std::async(std::launch::async, [&] { return Fetch(transport, Get(server.Url())); });
  ASSERT_TRUE(Eventually([&] { return transport->PoolStatistics().Waiting == 1; }));
  EXPECT_EQ(transport->PoolStatistics().InUse, 1U);
  server.Release();
  EXPECT_EQ(ReadAll(*held), "hello");
  auto const fetched = waiting.get();
  EXPECT_EQ(fetched.Body, "hello");
  EXPECT_TRUE(fetched.Connection.Reused);
  EXPECT_EQ(transport->PoolStatistics().Waiting, 0U);
  EXPECT_EQ(server.Server().ConnectionCount(), 1U);
}

/// An abandoned answer frees its place too, though its connection is closed.
TEST(PoolBoundTest, AnAbandonedAnswerLetsTheNextOneIn) {
  HoldingServer server;
  auto options = TrustingOptions();
  options.Pool.MaximumPerOrigin = 1;
  auto const transport = MakeTransport(options);
  auto held = server.Hold(transport);
  auto waiting = std::async(std::launch::async, [&] { return Fetch(transport, Get(server.Url())); });
  ASSERT_TRUE(Eventually([&] { return transport->PoolStatistics().Waiting == 1; }));
  held.reset();
  EXPECT_FALSE(waiting.get().Connection.Reused);
  EXPECT_EQ(server.Server().ConnectionCount(), 2U);
}

TEST(PoolBoundTest, WaitingEndsWithTheContext) {
  HoldingServer server;
  auto options = TrustingOptions();
  options.Pool.MaximumPerOrigin = 1;
  auto const transport = MakeTransport(options);
  auto const held = server.Hold(transport);
  auto const error =
      ErrorOf([&] { Fetch(transport, Get(server.Url()), nullptr, Context{}.WithTimeout(milliseconds{20})); });
  ASSERT_TRUE(error);
  // error.hpp: all connections are in use "and none became free in time".
  EXPECT_EQ(error->Code().Name(), "pool_exhausted");
  EXPECT_THAT(error->Details().Action, testing::HasSubstr("MaximumPerOrigin"));
  EXPECT_TRUE(error->Details().NothingSent);
  EXPECT_EQ(transport->PoolStatistics().Waiting, 0U);
}

TEST(PoolBoundTest, TheLineHasABound) {
  HoldingServer server;
  auto options = TrustingOptions();
  options.Pool.MaximumPerOrigin = 1;
  options.Pool.MaximumWaitingPerOrigin = 0;
  auto const transport = MakeTransport(options);
  auto const held = server.Hold(transport);
  auto const error = ErrorOf([&] { Fetch(transport, Get(server.Url())); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code().Name(), "pool_queue_full");
  EXPECT_THAT(error->Details().Action, testing::HasSubstr("MaximumWaitingPerOrigin"));
  EXPECT_TRUE(error->Details().NothingSent);
  EXPECT_TRUE(error->Details().Transient);
}

/// On the one connection that there is, the server sees in which order.
TEST(PoolBoundTest, WhoeverWaitsIsServedInTurn) {
  Event released;
  std::vector<std::string> served;
  ScriptedServer server{[&](ScriptedConnection& connection) {
    while (auto const request = connection.TryReadRequest()) {
      served.push_back(request->Target);
      if (!released.Wait()) return;
      connection.Answer(200, "hello");
    }
  }};
  auto options = TrustingOptions();
  options.Pool.MaximumPerOrigin = 1;
  auto const transport = MakeTransport(options);
  std::vector<std::string> sent;
  std::vector<std::future<Fetched>> fetching;
  for (std::size_t number = 0; number < 20; ++number) {
    sent.push_back("/" + std::to_string(number));
    fetching.push_back(std::async(
        std::launch::async, [&transport, url = server.Url(sent.back())] { return Fetch(transport, Get(url)); }));
    ASSERT_TRUE(Eventually([&] {
      auto const statistics = transport->PoolStatistics();
      return statistics.InUse == 1 && statistics.Waiting == number;
    }));
  }
  released.Set();
  for (auto& fetched : fetching) EXPECT_EQ(fetched.get().Body, "hello");
  EXPECT_EQ(server.ConnectionCount(), 1U);
  EXPECT_EQ(served, sent);
}

/// Where the pool as a whole is full, a busy origin must not keep the others out.
TEST(PoolBoundTest, AnOriginWithALineLeavesRoomToTheOthers) {
  HoldingServer busy;
  ScriptedServer other{ServeHello};
  auto options = TrustingOptions();
  options.Pool.MaximumTotal = 1;
  auto const transport = MakeTransport(options);
  auto held = busy.Hold(transport);
  auto const fetchFrom = [&](std::string const& url) {
    return std::async(std::launch::async, [&transport, url] { return Fetch(transport, Get(url)); });
  };
  auto first = fetchFrom(other.Url());
  ASSERT_TRUE(Eventually([&] { return transport->PoolStatistics().Waiting == 1; }));
  auto second = fetchFrom(busy.Url());
  ASSERT_TRUE(Eventually([&] { return transport->PoolStatistics().Waiting == 2; }));
  busy.Release();
  EXPECT_EQ(ReadAll(*held), "hello");
  EXPECT_EQ(first.get().Body, "hello");
  EXPECT_EQ(second.get().Body, "hello");
  EXPECT_EQ(transport->PoolStatistics().Evicted, 2U) << "the first one for the other origin, and that one again";
}

TEST(PoolBoundTest, OtherOriginsAndBindingsDoNotWait) {
  HoldingServer server{TlsServer()};
  ScriptedServer other{TlsServer(), ServeHello};
  auto options = TrustingOptions();
  options.Pool.MaximumPerOrigin = 1;
  auto const transport = MakeTransport(options);
  auto const held = server.Hold(transport);
  EXPECT_EQ(Fetch(transport, Get(other.Url())).Body, "hello");
  EXPECT_EQ(Fetch(transport, Get(server.Url()), NewBinding()).Body, "hello");
}

TEST(PoolBoundTest, TheLeastRecentlyUsedIdleConnectionMakesRoom) {
  ScriptedServer first{ServeHello};
  ScriptedServer second{ServeHello};
  ScriptedServer third{ServeHello};
  auto options = TrustingOptions();
  options.Pool.MaximumTotal = 2;
  auto const transport = MakeTransport(options);
  Fetch(transport, Get(first.Url()));
  Fetch(transport, Get(second.Url()));
  Fetch(transport, Get(first.Url()));
  Fetch(transport, Get(third.Url()));
  EXPECT_EQ(transport->PoolStatistics().Evicted, 1U);
  EXPECT_EQ(transport->PoolStatistics().Idle, 2U);
  EXPECT_TRUE(Eventually([&] { return OpenConnections(second) == 0; })) << "the second was used longest ago";
  EXPECT_TRUE(Fetch(transport, Get(first.Url())).Connection.Reused);
  EXPECT_FALSE(Fetch(transport, Get(second.Url())).Connection.Reused);
}

TEST(PoolBoundTest, ARequestInFlightIsNeverEvicted) {
  HoldingServer server;
  ScriptedServer other{ServeHello};
  auto options = TrustingOptions();
  options.Pool.MaximumTotal = 1;
  auto const transport = MakeTransport(options);
  auto held = server.Hold(transport);
  auto waiting = std::async(std::launch::async, [&] { return Fetch(transport, Get(other.Url())); });
  ASSERT_TRUE(Eventually([&] { return transport->PoolStatistics().Waiting == 1; }));
  server.Release();
  EXPECT_EQ(ReadAll(*held), "hello");
  EXPECT_EQ(waiting.get().Body, "hello");
  EXPECT_EQ(transport->PoolStatistics().Evicted, 1U) << "the first one, once it was idle";
  EXPECT_EQ(transport->PoolStatistics().Idle, 1U);
}

TEST(PoolIdleTest, AnOldConnectionIsNotReused) {
  ScriptedServer server{ServeHello};
  auto const clock = std::make_shared<ManualClock>();
  auto options = TrustingOptions();
  options.Time = gsl::not_null<std::shared_ptr<Clock>>{clock};
  options.Pool.IdleTimeout = seconds{60};
  auto const transport = MakeTransport(options);
  Fetch(transport, Get(server.Url()));
  clock->Advance(seconds{59});
  EXPECT_TRUE(Fetch(transport, Get(server.Url())).Connection.Reused);
  clock->Advance(seconds{59});
  EXPECT_TRUE(Fetch(transport, Get(server.Url())).Connection.Reused) << "each use begins the time anew";
  clock->Advance(seconds{61});
  EXPECT_FALSE(Fetch(transport, Get(server.Url())).Connection.Reused);
  EXPECT_EQ(transport->PoolStatistics().Expired, 1U);
  EXPECT_EQ(transport->PoolStatistics().Idle, 1U);
  EXPECT_TRUE(Eventually([&] { return OpenConnections(server) == 1; }));
}

/// The largest number means "never", and not a time in the past, as it does where it overflows.
TEST(AttackLongestTimeTest, IsNotOver) {
  ScriptedServer const server{ServeHello};
  auto options = TrustingOptions();
  options.ConnectTimeout = milliseconds::max();
  options.Pool.IdleTimeout = milliseconds::max();
  auto const transport = MakeTransport(options);
  EXPECT_EQ(Fetch(transport, Get(server.Url())).Body, "hello");
  EXPECT_TRUE(Fetch(transport, Get(server.Url())).Connection.Reused);
}

TEST(PoolIdleTest, ItsTimeComesWithoutARequest) {
  ScriptedServer server{TlsServer(), ServeHello};
  auto options = TrustingOptions();
  options.Pool.IdleTimeout = milliseconds{20};
  auto const transport = MakeTransport(options);
  for (std::uint64_t round = 1; round <= 2; ++round) {
    Fetch(transport, Get(server.Url()));
    EXPECT_TRUE(Eventually([&] { return OpenConnections(server) == 0; }));
    EXPECT_EQ(transport->PoolStatistics().Expired, round);
    EXPECT_EQ(transport->PoolStatistics().Idle, 0U);
  }
}

/// Connections to an origin that nobody asks for any more must not stay for ever.
TEST(PoolIdleTest, OldConnectionsOfOtherOriginsAreClosedToo) {
  ScriptedServer forgotten{ServeHello};
  ScriptedServer server{ServeHello};
  auto const clock = std::make_shared<ManualClock>();
  auto options = TrustingOptions();
  options.Time = gsl::not_null<std::shared_ptr<Clock>>{clock};
  auto const transport = MakeTransport(options);
  Fetch(transport, Get(forgotten.Url()));
  clock->Advance(options.Pool.IdleTimeout + seconds{1});
  Fetch(transport, Get(server.Url()));
  Fetch(transport, Get(server.Url()));
  EXPECT_TRUE(Eventually([&] { return OpenConnections(forgotten) == 0; }));
  EXPECT_EQ(transport->PoolStatistics().Expired, 1U);
  EXPECT_EQ(transport->PoolStatistics().Idle, 1U);
}

/// A server that closed an idle connection is no error, whatever the method: the close was there to be seen.
TEST(PoolHealthTest, AConnectionTheServerClosedIsNotUsed) {
  for (bool const tls : {false, true}) {
    Event closed;
    ScriptedServer server{tls ? TlsServer() : ScriptedServerOptions{}, [&](ScriptedConnection& connection) {
                            connection.ReadRequest();
                            connection.Answer(200, "hello");
                            if (connection.Number() == 1) {
                              connection.CloseForWriting();
                              closed.Set();
                            }
                            connection.WaitUntilClosed();
                          }};
    auto const transport = MakeTransport();
    Fetch(transport, Get(server.Url()));
    ASSERT_TRUE(closed.Wait());
    Request request{"POST", Url::Parse(server.Url())};
    request.Body = std::make_shared<GeneratedBody>(0, 0);
    auto const fetched = Fetch(transport, std::move(request));
    EXPECT_EQ(fetched.Body, "hello");
    EXPECT_FALSE(fetched.Connection.Reused);
    EXPECT_EQ(transport->PoolStatistics().FoundDead, 1U);
  }
}

/// TLS 1.3 servers send tickets when they like; those are no sign of death.
TEST(PoolHealthTest, AConnectionWithANewTicketInItIsAlive) {
  Event sent;
  ScriptedServer server{TlsServer(TLS1_3_VERSION), [&](ScriptedConnection& connection) {
                          connection.ReadRequest();
                          connection.Answer(200, "first");
                          connection.SendTicket();
                          sent.Set();
                          ServeHello(connection);
                        }};
  auto const transport = MakeTransport();
  Fetch(transport, Get(server.Url()));
  ASSERT_TRUE(sent.Wait());
  EXPECT_TRUE(Fetch(transport, Get(server.Url())).Connection.Reused);
  EXPECT_EQ(transport->PoolStatistics().FoundDead, 0U);
}

/// The server closes at the very moment the next request is sent: nobody can see that before.
class DeadOnReuseTest : public testing::Test {
 protected:
  /// Serves one request on each connection, reads another, and closes without a word.
  ScriptedServer server_{[](ScriptedConnection& connection) {
    connection.ReadRequest();
    connection.Answer(200, "hello");
    connection.ReadHead();
    connection.Reset();
  }};
  Transport const transport_ = MakeTransport();
};

TEST_F(DeadOnReuseTest, AnIdempotentRequestIsSentOnceMore) {
  Fetch(transport_, Get(server_.Url()));
  auto const fetched = Fetch(transport_, Get(server_.Url()));
  EXPECT_EQ(fetched.Body, "hello");
  EXPECT_FALSE(fetched.Connection.Reused);
  EXPECT_EQ(server_.ConnectionCount(), 2U);
}

TEST_F(DeadOnReuseTest, ItsBodyIsSentOnceMoreToo) {
  Fetch(transport_, Get(server_.Url()));
  Request request{"PUT", Url::Parse(server_.Url())};
  request.SetBody("hello");
  EXPECT_EQ(Fetch(transport_, std::move(request)).Status, 200);
}

TEST_F(DeadOnReuseTest, APostIsNot) {
  Fetch(transport_, Get(server_.Url()));
  auto const error = ErrorOf([&] { Fetch(transport_, Post(server_.Url(), "hello")); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code().Name(), "connection_lost");
  EXPECT_FALSE(error->Details().NothingSent);
  EXPECT_EQ(server_.ConnectionCount(), 1U);
}

TEST_F(DeadOnReuseTest, ABodyThatCannotBeRewoundIsNot) {
  Fetch(transport_, Get(server_.Url()));
  Request request{"PUT", Url::Parse(server_.Url())};
  request.Body = std::make_shared<GeneratedBody>(5, 5);
  EXPECT_EQ(ErrorCodeOf([&] { Fetch(transport_, std::move(request)); }), "connection_lost");
  EXPECT_EQ(server_.ConnectionCount(), 1U);
}

TEST(DeadOnArrivalTest, ANewConnectionThatDiesIsNotTriedAgain) {
  ScriptedServer server{[](ScriptedConnection& connection) {
    connection.ReadRequest();
    connection.Reset();
  }};
  EXPECT_EQ(ErrorCodeOf([&] { Fetch(MakeTransport(), Get(server.Url())); }), "connection_lost");
  EXPECT_EQ(server.ConnectionCount(), 1U);
}

TEST(DeadOnArrivalTest, ItIsTriedOnceMoreAndNoMore) {
  ScriptedServer server{[](ScriptedConnection& connection) {
    connection.ReadRequest();
    if (connection.Number() > 1) {
      connection.Reset();
      return;
    }
    connection.Answer(200, "hello");
    connection.ReadRequest();
    connection.Reset();
  }};
  auto const transport = MakeTransport();
  Fetch(transport, Get(server.Url()));
  EXPECT_EQ(ErrorCodeOf([&] { Fetch(transport, Get(server.Url())); }), "connection_lost");
  EXPECT_EQ(server.ConnectionCount(), 2U);
}

/// Part of an answer came: whatever the server did, it did it.
TEST(DeadOnArrivalTest, AnAnswerThatBeganIsNotAskedForAgain) {
  ScriptedServer server{[](ScriptedConnection& connection) {
    connection.ReadRequest();
    connection.Answer(200, "hello");
    connection.ReadRequest();
    connection.Write("HTTP/1.1 2");
  }};
  auto const transport = MakeTransport();
  Fetch(transport, Get(server.Url()));
  EXPECT_EQ(ErrorCodeOf([&] { Fetch(transport, Get(server.Url())); }), "connection_lost");
  EXPECT_EQ(server.ConnectionCount(), 1U);
}

TEST(DroppedConnectionsTest, IdleConnectionsAreClosedNow) {
  ScriptedServer server{TlsServer(), ServeX5tS256};
  auto const transport = MakeTransport();
  auto const alice = NewBinding("alice");
  auto const bob = NewBinding("bob");
  Fetch(transport, Get(server.Url()), alice);
  Fetch(transport, Get(server.Url()), bob);
  transport->DropConnections(alice->X5tS256());
  EXPECT_TRUE(Eventually([&] { return server.Facts(1).ClosedByPeer; }));
  EXPECT_EQ(transport->PoolStatistics().Idle, 1U);
  EXPECT_EQ(transport->PoolStatistics().Dropped, 1U);
  EXPECT_EQ(transport->PoolStatistics().Bindings, 1U);
  EXPECT_TRUE(Fetch(transport, Get(server.Url()), bob).Connection.Reused);
}

TEST(DroppedConnectionsTest, ConnectionsInUseAreClosedWhenTheyAreDone) {
  HoldingServer server{AskingTlsServer()};
  auto const transport = MakeTransport();
  auto const alice = NewBinding("alice");
  auto const held = server.Hold(transport, alice);
  transport->DropConnections(alice->X5tS256());
  EXPECT_FALSE(server.Server().Facts(1).ClosedByPeer);
  server.Release();
  EXPECT_EQ(ReadAll(*held), "hello") << "no request is lost by it";
  EXPECT_TRUE(Eventually([&] { return server.Server().Facts(1).ClosedByPeer; }));
  EXPECT_EQ(transport->PoolStatistics().Idle, 0U);
}

/// The binding may be used again, as one that was refused by mistake or rolled back to: nothing is held against it.
TEST(DroppedConnectionsTest, LaterRequestsShareAConnectionAgain) {
  ScriptedServer server{TlsServer(), ServeX5tS256};
  auto const transport = MakeTransport();
  auto const alice = NewBinding("alice");
  Fetch(transport, Get(server.Url()), alice);
  transport->DropConnections(alice->X5tS256());
  auto const fetched = Fetch(transport, Get(server.Url()), alice);
  EXPECT_EQ(fetched.Body, alice->X5tS256());
  EXPECT_FALSE(fetched.Connection.Reused);
  EXPECT_FALSE(fetched.Connection.Resumed);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(Fetch(transport, Get(server.Url()), alice).Connection.Reused);
  EXPECT_EQ(transport->PoolStatistics().Opened, 2U);
}

/// One that was in use does not come back, and one that was opened while it was does.
TEST(DroppedConnectionsTest, OnlyWhatWasThereGoes) {
  HoldingServer server{AskingTlsServer()};
  auto const transport = MakeTransport();
  auto const alice = NewBinding("alice");
  auto const before = server.Hold(transport, alice);
  transport->DropConnections(alice->X5tS256());
  auto const after = server.Hold(transport, alice);
  server.Release();
  EXPECT_EQ(ReadAll(*before), "hello");
  EXPECT_EQ(ReadAll(*after), "hello");
  EXPECT_TRUE(Eventually([&] { return server.Server().Facts(1).ClosedByPeer; }));
  EXPECT_FALSE(server.Server().Facts(2).ClosedByPeer);
  EXPECT_EQ(transport->PoolStatistics().Idle, 1U);
}

TEST(DroppedConnectionsTest, UnboundConnectionsStay) {
  ScriptedServer server{TlsServer(), ServeHello};
  auto const transport = MakeTransport();
  Fetch(transport, Get(server.Url()));
  transport->DropConnections("");
  transport->DropConnections("no such x5t#S256");
  EXPECT_TRUE(Fetch(transport, Get(server.Url())).Connection.Reused);
}

TEST(TransportLifetimeTest, IdleConnectionsCloseWithTheTransport) {
  ScriptedServer server{TlsServer(), ServeHello};
  auto transport = MakeTransport();
  Fetch(transport, Get(server.Url()));
  transport.reset();
  EXPECT_TRUE(Eventually([&] { return server.Facts(1).ClosedByPeer; }));
}

// Chunks have limits of their own, which are looked at as they come.
TEST(TransportLifetimeTest, AnAnswerInChunksOutlivesTheTransport) {
  Event gone;
  ScriptedServer server{TlsServer(), [&](ScriptedConnection& connection) {
                          connection.ReadRequest();
                          connection.Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n");
                          if (!gone.Wait()) return;
                          connection.Write("3;with=extension\r\nllo\r\n0\r\nTrailer: x\r\n\r\n");
                        }};
  auto transport = MakeTransport();
  auto request = Get(server.Url());
  auto const held = transport->Send(request, nullptr, Patiently());
  transport.reset();
  gone.Set();
  EXPECT_EQ(ReadAll(*held), "hello");
}

TEST(TransportLifetimeTest, AnAnswerOutlivesTheTransport) {
  HoldingServer server{TlsServer()};
  auto transport = MakeTransport();
  auto const held = server.Hold(transport);
  transport.reset();
  server.Release();
  EXPECT_EQ(ReadAll(*held), "hello");
}

}  // namespace
}  // namespace mtlspop::test
