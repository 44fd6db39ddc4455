// That a connection was closed is told, with the reason.

#include <gmock/gmock.h>

#include <mutex>
#include <vector>

#include "support/manual_clock.hpp"
#include "transport_test.hpp"

namespace mtlspop::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

/// Keeps what it is told of closed connections.
class Closings final : public Observer {
 public:
  void OnEvent(mtlspop::Event const& event) override {
    if (event.Name != "transport.connection_closed") return;
    std::lock_guard<std::mutex> const lock{mutex_};
    reasons_.emplace_back(event.Text("reason"));
    host_ = event.Text("host");
    connection_ = event.Number("connection");
    x5tS256_ = event.Text("x5t_s256");
  }

  std::vector<std::string> Reasons() const {
    std::lock_guard<std::mutex> const lock{mutex_};
    return reasons_;
  }
  void Clear() {
    std::lock_guard<std::mutex> const lock{mutex_};
    reasons_.clear();
  }
  /// The reason of the first one, once it is told.
  std::string Reason() const {
    EXPECT_TRUE(Eventually([&] { return !Reasons().empty(); }));
    auto const reasons = Reasons();
    return reasons.empty() ? "" : reasons.front();
  }
  std::string Host() const { return host_; }
  std::int64_t Connection() const { return connection_; }
  std::string X5tS256() const { return x5tS256_; }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> reasons_;
  std::string host_;
  std::int64_t connection_ = 0;
  std::string x5tS256_;
};

class ConnectionClosedTest : public testing::Test {
 protected:
  ConnectionClosedTest() { options_.Observer = closings_; }

  std::shared_ptr<Closings> closings_ = std::make_shared<Closings>();
  TransportOptions options_ = TrustingOptions();
};

TEST_F(ConnectionClosedTest, SaysWhichOneItWas) {
  ScriptedServer const server{TlsServer(), ServeX5tS256};
  auto const alice = NewBinding("alice");
  auto const transport = MakeTransport(options_);
  Fetch(transport, Get(server.Url()));
  Fetch(transport, Get(server.Url()), alice);
  EXPECT_THAT(closings_->Reasons(), IsEmpty());
  transport->DropConnections(alice->X5tS256());
  EXPECT_EQ(closings_->Reason(), "binding_dropped");
  EXPECT_EQ(closings_->Host(), server.HostAndPort());
  EXPECT_EQ(closings_->Connection(), 2);
  EXPECT_EQ(closings_->X5tS256(), alice->X5tS256());
}

TEST_F(ConnectionClosedTest, BecauseItWasIdleForLong) {
  ScriptedServer const server{Serve("hello")};
  auto const clock = std::make_shared<ManualClock>();
  options_.Time = clock;
  auto const transport = MakeTransport(options_);
  Fetch(transport, Get(server.Url()));
  clock->Advance(options_.Pool.IdleTimeout + seconds{1});
  Fetch(transport, Get(server.Url()));
  EXPECT_EQ(closings_->Reason(), "idle");
}

TEST_F(ConnectionClosedTest, BecauseItWasIdleAndNoRequestCame) {
  ScriptedServer const server{Serve("hello")};
  options_.Pool.IdleTimeout = milliseconds{20};
  auto const transport = MakeTransport(options_);
  Fetch(transport, Get(server.Url()));
  EXPECT_EQ(closings_->Reason(), "idle");
}

TEST_F(ConnectionClosedTest, BecauseTheServerSaidSo) {
  for (auto const* const answer :
       {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", "HTTP/1.1 200 OK\r\n\r\nok"}) {
    ScriptedServer const server{[&](ScriptedConnection& connection) {
      connection.ReadRequest();
      connection.Write(answer);
    }};
    Fetch(MakeTransport(options_), Get(server.Url()));
    EXPECT_EQ(closings_->Reason(), "server") << answer;
    closings_->Clear();
  }
}

TEST_F(ConnectionClosedTest, BecauseTheServerHadClosedIt) {
  ScriptedServer const server{[](ScriptedConnection& connection) {
    connection.ReadRequest();
    connection.Answer(200, "hello");
  }};
  auto const transport = MakeTransport(options_);
  Fetch(transport, Get(server.Url()));
  Fetch(transport, Get(server.Url()));
  EXPECT_EQ(closings_->Reason(), "server");
  EXPECT_EQ(closings_->Connection(), 1);
}

TEST_F(ConnectionClosedTest, BecauseAnotherOneNeedsTheRoom) {
  ScriptedServer const first{Serve("hello")};
  ScriptedServer const second{Serve("hello")};
  options_.Pool.MaximumTotal = 1;
  auto const transport = MakeTransport(options_);
  Fetch(transport, Get(first.Url()));
  Fetch(transport, Get(second.Url()));
  EXPECT_EQ(closings_->Reason(), "limit");
  EXPECT_EQ(closings_->Host(), first.HostAndPort());
}

TEST_F(ConnectionClosedTest, BecauseAnAnswerWasNotRead) {
  ScriptedServer const server{[](ScriptedConnection& connection) {
    connection.ReadRequest();
    connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel");
    connection.WaitUntilClosed();
  }};
  auto const transport = MakeTransport(options_);
  auto request = Get(server.Url());
  transport->Send(request, nullptr, Patiently());
  EXPECT_EQ(closings_->Reason(), "incomplete");
}

/// What is noted of an answer that is being read does not stay with a connection that is used again.
TEST_F(ConnectionClosedTest, BecauseARequestFailed) {
  ScriptedServer const server{[](ScriptedConnection& connection) {
    connection.ReadRequest();
    connection.Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    connection.Write("2\r\nok\r\n0\r\n\r\n");
    connection.ReadRequest();
    connection.Write("no HTTP at all\r\n\r\n");
    connection.WaitUntilClosed();
  }};
  auto const transport = MakeTransport(options_);
  EXPECT_EQ(Fetch(transport, Get(server.Url())).Body, "ok");
  auto request = Get(server.Url());
  EXPECT_NE(ErrorCodeOf([&] { transport->Send(request, nullptr, Patiently()); }), "no error");
  EXPECT_EQ(closings_->Reason(), "error");
}

TEST_F(ConnectionClosedTest, BecauseTheTransportHasGone) {
  ScriptedServer const server{Serve("hello")};
  Fetch(MakeTransport(options_), Get(server.Url()));
  EXPECT_EQ(closings_->Reason(), "transport_gone");
}

/// Each is told once, and none that is still open.
TEST_F(ConnectionClosedTest, IsToldOnce) {
  ScriptedServer const server{Serve("hello")};
  {
    auto const transport = MakeTransport(options_);
    for (int round = 0; round < 5; ++round) Fetch(transport, Get(server.Url()));
    EXPECT_THAT(closings_->Reasons(), IsEmpty());
  }
  EXPECT_EQ(closings_->Reason(), "transport_gone");
  EXPECT_THAT(closings_->Reasons(), ElementsAre("transport_gone"));
}

}  // namespace
}  // namespace mtlspop::test
