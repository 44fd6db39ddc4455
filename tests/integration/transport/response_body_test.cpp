// Bodies of answers: RFC 9112 section 6, and how they are pulled.

#include <gmock/gmock.h>

#include <array>
#include <cstring>

#include <atomic>
#include <cstdlib>

#include <gsl/util>

#include "transport_test.hpp"

namespace mtlspop::test {
namespace {

using testing::HasSubstr;

/// A server that answers each request with these bytes, whatever they are.
ScriptedServer::Script AnswerWith(std::string bytes) {
  return [bytes = std::move(bytes)](ScriptedConnection& connection) {
    while (connection.TryReadRequest()) connection.Write(bytes);
  };
}

TEST(ResponseBodyTest, OfKnownLength) {
  ScriptedServer server{AnswerWith("HTTP/1.1 200 Fine\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello")};
  auto const transport = MakeTransport();
  auto request = Get(server.Url());
  auto const response = transport->Send(request, nullptr, Patiently());
  EXPECT_EQ(response->StatusCode, 200);
  EXPECT_EQ(response->ReasonPhrase, "Fine");
  EXPECT_EQ(response->Fields.Get("x-a"), "b");
  EXPECT_EQ(response->Body->Length(), 5U);
  EXPECT_EQ(ReadAll(*response), "hello");
}

TEST(ResponseBodyTest, Chunked) {
  ScriptedServer server{
      AnswerWith("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "5\r\nhello\r\n1;name=value\r\n,\r\n0000A ; quoted=\"a;b\"\r\n and world\r\n0\r\n\r\n")};
  auto const transport = MakeTransport();
  auto request = Get(server.Url());
  auto const response = transport->Send(request, nullptr, Patiently());
  EXPECT_EQ(response->Body->Length(), std::nullopt);
  EXPECT_EQ(ReadAll(*response), "hello, and world");
  EXPECT_TRUE(Fetch(transport, Get(server.Url())).Connection.Reused);
}

TEST(ResponseBodyTest, ChunkedInSmallestPieces) {
  ScriptedServer server{[](ScriptedConnection& connection) {
    while (connection.TryReadRequest()) {
      for (char const byte : std::string{"HTTP/1.1 200 OK\r\nTransfer-Encoding: "
                                         "chunked\r\n\r\n3\r\nabc\r\nD\r\ndefghijklmnop\r\n0\r\nT: x\r\n\r\n"}) {
        connection.Write({&byte, 1});
      }
    }
  }};
  auto const transport = MakeTransport();
  for (int round = 0; round < 3; ++round) {
    auto const fetched = Fetch(transport, Get(server.Url()));
    EXPECT_EQ(fetched.Body, "abcdefghijklmnop");
    EXPECT_EQ(fetched.Connection.Reused, round > 0);
  }
}

/// RFC 9110 section 6.5.1: trailers must not be merged into the header; they could change its meaning.
TEST(ResponseBodyTest, TrailersAreIgnoredSafely) {
  ScriptedServer server{
      AnswerWith("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Late\r\n\r\n"
                 "5\r\nhello\r\n0\r\nX-Late: yes\r\nWWW-Authenticate: Bearer\r\nSet-Cookie: a=b\r\n\r\n")};
  auto const transport = MakeTransport();
  auto request = Get(server.Url());
  auto const response = transport->Send(request, nullptr, Patiently());
  EXPECT_EQ(ReadAll(*response), "hello");
  EXPECT_FALSE(response->Fields.Contains("X-Late"));

  EXPECT_FALSE(response->Fields.Contains("WWW-Authenticate"));
  EXPECT_EQ(Fetch(transport, Get(server.Url())).Body, "hello");
}

/// RFC 9110 section 6.5.1 forbids these in trailers. They are refused or ignored; what they say is not believed.
TEST(ResponseBodyTest, TrailersDoNotChangeTheFraming) {
  for (auto const* trailer : {"Content-Length: 7", "Transfer-Encoding: gzip", "Connection: close"}) {
    ScriptedServer server{AnswerWith(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n" + std::string{trailer} +
        "\r\n\r\n")};
    auto const transport = MakeTransport();
    for (int round = 0; round < 2; ++round) {
      std::string body = "hello";
      auto const code = ErrorCodeOf([&] { body = Fetch(transport, Get(server.Url())).Body; });
      EXPECT_THAT(code, testing::AnyOf("no error", "malformed_response")) << trailer;
      EXPECT_EQ(body, "hello");
    }
  }
}

TEST(ResponseBodyTest, EndedByClose) {
  ScriptedServer server{[](ScriptedConnection& connection) {
    connection.ReadRequest();
    connection.Write("HTTP/1.1 200 OK\r\n\r\nhello, ");
    connection.Write("world");
  }};
  auto const transport = MakeTransport();
  EXPECT_EQ(Fetch(transport, Get(server.Url())).Body, "hello, world");
  EXPECT_EQ(Fetch(transport, Get(server.Url())).Body, "hello, world");
  EXPECT_EQ(server.ConnectionCount(), 2U);
  EXPECT_EQ(transport->PoolStatistics().Idle, 0U);
}

TEST(ResponseBodyTest, EndedByCloseOverTls) {
  ScriptedServer server{TlsServer(), [](ScriptedConnection& connection) {
                          connection.ReadRequest();
                          connection.Write("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello");
                        }};
  EXPECT_EQ(Fetch(MakeTransport(), Get(server.Url())).Body, "hello");
}

/// RFC 9112 section 9.8: without close_notify anybody on the way may have cut the answer short.
TEST(ResponseBodyTest, CutShortOverTlsIsNoEnd) {
  for (int const version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    ScriptedServer server{TlsServer(version, version), [](ScriptedConnection& connection) {
                            connection.ReadRequest();
                            connection.Write("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello");
                            connection.CloseWithoutNotify();
                            connection.WaitUntilClosed();
                          }};
    EXPECT_EQ(ErrorCodeOf([&] { Fetch(MakeTransport(), Get(server.Url())); }), "connection_lost");
  }
}

class CutShortTest : public testing::TestWithParam<std::string> {};

TEST_P(CutShortTest, IsAnError) {
  ScriptedServer server{[](ScriptedConnection& connection) {
    connection.ReadRequest();
    connection.Write(GetParam());
  }};
  auto const transport = MakeTransport();
  auto request = Get(server.Url());
  auto const response = transport->Send(request, nullptr, Patiently());
  auto const error = ErrorOf([&] { ReadAll(*response); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code(), errors::ConnectionLost);
  EXPECT_TRUE(error->Details().Transient);
  // body_stream.hpp: a stream that has thrown throws again.
  EXPECT_EQ(ErrorCodeOf([&] { ReadAll(*response); }), "connection_lost");
  EXPECT_EQ(transport->PoolStatistics().InUse, 0U) << "nothing of the connection is left behind";
}

INSTANTIATE_TEST_SUITE_P(
    Answers,
    CutShortTest,
    testing::Values(
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5"));

struct Bodiless {
  std::string Method;
  std::string Head;
  int Status;
};

void PrintTo(Bodiless const& answer, std::ostream* out) { *out << answer.Method << ' ' << answer.Head; }

class BodilessTest : public testing::TestWithParam<Bodiless> {};

/// RFC 9112 section 6.3, rule 1: whatever their header says, these have no body.
TEST_P(BodilessTest, EndsWithItsHeader) {
  ScriptedServer server{AnswerWith(GetParam().Head)};
  auto const transport = MakeTransport();
  for (int round = 0; round < 3; ++round) {
    Request request{GetParam().Method, Url::Parse(server.Url())};
    auto const response = transport->Send(request, nullptr, Patiently());
    EXPECT_EQ(response->StatusCode, GetParam().Status);
    EXPECT_EQ(response->Connection.Reused, round > 0);
    std::array<std::uint8_t, 8> buffer{};
    EXPECT_EQ(response->Body->Read(buffer, Patiently()), 0U);
  }
  EXPECT_EQ(server.ConnectionCount(), 1U);
}

/// "At its end at once where the answer has no body": nobody has to read what is not there.
TEST_P(BodilessTest, NeedsNoReading) {
  ScriptedServer server{AnswerWith(GetParam().Head)};
  auto const transport = MakeTransport();
  for (int round = 0; round < 3; ++round) {
    Request request{GetParam().Method, Url::Parse(server.Url())};
    EXPECT_EQ(transport->Send(request, nullptr, Patiently())->StatusCode, GetParam().Status);
  }
  EXPECT_EQ(server.ConnectionCount(), 1U);
}

INSTANTIATE_TEST_SUITE_P(
    Answers,
    BodilessTest,
    testing::Values(
        Bodiless{"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n", 200},
        Bodiless{"HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200},
        Bodiless{"HEAD", "HTTP/1.1 404 No\r\n\r\n", 404},
        Bodiless{"GET", "HTTP/1.1 204 No Content\r\n\r\n", 204},
        Bodiless{"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304},
        Bodiless{"GET", "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n", 304},
        Bodiless{"GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200}));

TEST(ResponseBodyTest, InformationalAnswersAreSkipped) {
  ScriptedServer server{
      AnswerWith("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 7\r\n\r\n"
                 "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")};
  auto const transport = MakeTransport();
  for (int round = 0; round < 2; ++round) {
    auto const fetched = Fetch(transport, Get(server.Url()));
    EXPECT_EQ(fetched.Status, 200);
    EXPECT_EQ(fetched.Body, "hello");
    EXPECT_FALSE(fetched.Fields.Contains("Link"));
  }
  EXPECT_EQ(server.ConnectionCount(), 1U);
}

/// What follows is no longer HTTP/1.1, and nobody asked for that.
TEST(ResponseBodyTest, SwitchingProtocolsIsRefused) {
  ScriptedServer server{
      AnswerWith("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
                 "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")};
  EXPECT_EQ(ErrorCodeOf([&] { Fetch(MakeTransport(), Get(server.Url())); }), "malformed_response");
}

TEST(ResponseBodyTest, RedirectsAreNotFollowed) {
  ScriptedServer server{AnswerWith(
      "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/elsewhere\r\nContent-Length: 0\r\n\r\n")};
  auto const fetched = Fetch(MakeTransport(), Get(server.Url()));
  EXPECT_EQ(fetched.Status, 307);
  EXPECT_EQ(fetched.Fields.Get("Location"), "http://127.0.0.1:1/elsewhere");
  EXPECT_EQ(server.ConnectionCount(), 1U);
}

TEST(ResponseBodyTest, HeaderIsThereBeforeTheBody) {
  Event headerSeen;
  ScriptedServer server{[&](ScriptedConnection& connection) {
    connection.ReadRequest();
    connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
    if (!headerSeen.Wait()) return;
    connection.Write("hello");
    connection.Write("world");
    connection.WaitUntilClosed();
  }};
  auto const transport = MakeTransport();
  auto request = Get(server.Url());
  auto const response = transport->Send(request, nullptr, Patiently());
  EXPECT_EQ(transport->PoolStatistics().InUse, 1U);
  headerSeen.Set();
  EXPECT_EQ(ReadAll(*response), "helloworld");
}

/// "Waits only where there is nothing at all yet": what is there is given, however large the buffer.
TEST(ResponseBodyTest, GivesWhatIsThere) {
  Event pieceRead;
  ScriptedServer server{[&](ScriptedConnection& connection) {
    connection.ReadRequest();
    connection.Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    if (!pieceRead.Wait()) return;
    connection.Write("5\r\nworld\r\n0\r\n\r\n");
    connection.WaitUntilClosed();
  }};
  auto request = Get(server.Url());
  auto const transport = MakeTransport();
  auto const response = transport->Send(request, nullptr, Patiently());
  std::array<std::uint8_t, 64 * 1024> buffer{};
  ASSERT_EQ(response->Body->Read(buffer, Patiently()), 5U);
  EXPECT_EQ(std::memcmp(buffer.data(), "hello", 5), 0);
  pieceRead.Set();
  EXPECT_EQ(ReadAll(*response), "world");
}

TEST(ResponseBodyTest, LargeAnswersArriveWhole) {
  auto const body = Pattern(8 * 1024 * 1024);
  for (bool const tls : {false, true}) {
    ScriptedServer server{tls ? TlsServer() : ScriptedServerOptions{}, Serve(body)};
    auto const transport = MakeTransport();
    EXPECT_TRUE(Fetch(transport, Get(server.Url())).Body == body);
    EXPECT_TRUE(Fetch(transport, Get(server.Url())).Connection.Reused);
  }
}

TEST(ResponseBodyTest, ReadingOneByteAtATimeWorks) {
  auto const body = Pattern(5000);
  ScriptedServer server{TlsServer(), Serve(body)};
  auto const transport = MakeTransport();
  auto request = Get(server.Url());
  auto const response = transport->Send(request, nullptr, Patiently());
  std::string read;
  std::array<std::uint8_t, 1> byte{};
  while (response->Body->Read(byte, Patiently()) == 1) read += static_cast<char>(byte[0]);
  EXPECT_EQ(read, body);
}

TEST(ResponseBodyTest, AbandonedEarlyClosesTheConnection) {
  Event closed;
  ScriptedServer server{[&](ScriptedConnection& connection) {
    while (connection.TryReadRequest()) {
      connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhello");
      if (connection.Number() == 1) {
        connection.WaitUntilClosed();
        closed.Set();
        return;
      }
      connection.Write(std::string(995, 'x'));
    }
  }};
  auto const transport = MakeTransport();
  {
    auto request = Get(server.Url());
    auto const response = transport->Send(request, nullptr, Patiently());
    std::array<std::uint8_t, 3> buffer{};
    EXPECT_GT(response->Body->Read(buffer, Patiently()), 0U);
  }
  EXPECT_TRUE(closed.Wait());
  EXPECT_EQ(transport->PoolStatistics().Idle, 0U);
  EXPECT_EQ(transport->PoolStatistics().InUse, 0U);
  auto const next = Fetch(transport, Get(server.Url()));
  EXPECT_EQ(next.Body.size(), 1000U);
  EXPECT_FALSE(next.Connection.Reused);
}

TEST(ResponseBodyTest, GoesBackToThePoolAtItsEnd) {
  ScriptedServer server{ServeEcho};
  auto const transport = MakeTransport();
  auto request = Post(server.Url(), "hello");
  auto const response = transport->Send(request, nullptr, Patiently());
  EXPECT_EQ(ReadAll(*response), "hello");
  // The response still lives, and the connection is free for others.
  EXPECT_EQ(transport->PoolStatistics().Idle, 1U);
  EXPECT_EQ(transport->PoolStatistics().InUse, 0U);
  EXPECT_TRUE(Fetch(transport, Post(server.Url(), "again")).Connection.Reused);
}

TEST(ResponseBodyTest, BufferingHasALimit) {
  ScriptedServer server{[](ScriptedConnection& connection) {
    while (connection.TryReadRequest()) {
      connection.Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
      for (int index = 0; index < 100; ++index) connection.Write("64\r\n" + std::string(100, 'x') + "\r\n");
      connection.Write("0\r\n\r\n");
    }
  }};
  auto const transport = MakeTransport();
  auto request = Get(server.Url());
  {
    auto const response = transport->Send(request, nullptr, Patiently());
    auto const error = ErrorOf([&] { ReadToEnd(*response->Body, 5'000, Patiently()); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->Code(), errors::BufferedBodyLimitExceeded);
    EXPECT_THAT(error->Details().Action, HasSubstr("BufferedBodyBytes"));
  }
  EXPECT_EQ(transport->PoolStatistics().InUse, 0U);
  auto const response = transport->Send(request, nullptr, Patiently());
  EXPECT_EQ(ReadToEnd(*response->Body, 10'000, Patiently()).size(), 10'000U);
}

TEST(ResponseBodyTest, ConnectionCloseIsHeeded) {
  for (auto const* head :
       {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nConnection: x, CLOSE\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n"}) {
    // This server never closes by itself.
    ScriptedServer server{[head](ScriptedConnection& connection) {
      while (connection.TryReadRequest()) connection.Write(std::string{head} + "hello");
    }};
    auto const transport = MakeTransport();
    EXPECT_EQ(Fetch(transport, Get(server.Url())).Body, "hello");
    EXPECT_EQ(Fetch(transport, Get(server.Url())).Body, "hello");
    EXPECT_EQ(server.ConnectionCount(), 2U) << head;
  }
}

TEST(ResponseBodyTest, TellsHowItTravelled) {
  ScriptedServer plain{ServeEcho};
  ScriptedServer tls{TlsServer(TLS1_3_VERSION), ServeEcho};
  auto const transport = MakeTransport();
  auto const first = Fetch(transport, Get(plain.Url())).Connection;
  EXPECT_EQ(first.Id, 1U);
  EXPECT_FALSE(first.Reused);
  EXPECT_FALSE(first.Resumed);
  EXPECT_EQ(first.TlsVersion, "");
  EXPECT_EQ(first.X5tS256, "");
  auto const second = Fetch(transport, Get(tls.Url())).Connection;
  EXPECT_EQ(second.Id, 2U);
  EXPECT_EQ(second.TlsVersion, "TLSv1.3");
  auto const third = Fetch(transport, Get(plain.Url())).Connection;
  EXPECT_EQ(third.Id, 1U);
  EXPECT_TRUE(third.Reused);
}

// Each key update that asks for one of the client's makes OpenSSL write. A server that never reads, and sends a byte of data
// now and then, could have the answers pile up.
TEST(HostileServerTest, CannotFillTheMemoryWithWhatItDoesNotRead) {
  auto options = TlsServer(TLS1_3_VERSION, TLS1_3_VERSION);
  options.TakesLittle = true;
  constexpr int Updates = 400'000;
  Event finished;
  std::atomic<int> sent{0};
  ScriptedServer server{options, [&](ScriptedConnection& connection) {
                          auto const always = gsl::finally([&] { finished.Set(); });
                          connection.ReadRequest();
                          connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
                          for (; sent < Updates; ++sent) {
                            connection.AskForKeyUpdate();
                            if (sent % 64 == 0) connection.Write("x");
                          }
                        }};
  EXPECT_EQ(ErrorCodeOf([&] { Fetch(MakeTransport(), Get(server.Url())); }), "renegotiation_limit_exceeded");
  EXPECT_TRUE(finished.Wait());
  EXPECT_LT(sent, Updates);
}

}  // namespace
}  // namespace mtlspop::test
