// Answers that come early, bare or behind a proxy's back.

#include <gmock/gmock.h>

#include <sys/resource.h>

#include <cstdio>
#include <string_view>
#include <vector>

#include "support/in_child.hpp"
#include "support/scoped_environment.hpp"
#include "transport_test.hpp"

namespace mtlspop::test {
namespace {

using testing::HasSubstr;

class AttackEarlyAnswerTest : public testing::TestWithParam<int> {
 protected:
  static ScriptedServerOptions Options() {
    auto options = GetParam() == 0 ? ScriptedServerOptions{} : TlsServer(GetParam(), GetParam());
    options.TakesLittle = true;
    return options;
  }

  /// A client that has a gibibyte to send sees what the server writes, in as many records as there are parts, before it reads.
  static void ExpectToBeSeen(std::vector<std::string_view> const& parts) {
    Event done;
    ScriptedServer const server{Options(), [&](ScriptedConnection& connection) {
                                  for (auto const part : parts) connection.Write(part);
                                  EXPECT_TRUE(done.Wait());
                                }};
    auto const transport = MakeTransport();
    for (int round = 0; round < 10; ++round) {
      auto request = Get(server.Url());
      request.Method = "POST";
      request.Body = std::make_shared<GeneratedBody>(std::uint64_t{1} << 30U, std::uint64_t{1} << 30U);
      EXPECT_EQ(transport->Send(request, nullptr, Patiently())->StatusCode, 413);
    }
    done.Set();
  }
};

/// What came together with the end of the handshake lies in the TLS layer, and the socket stays silent.
TEST_P(AttackEarlyAnswerTest, IsSeenByAClientThatHasMuchToSend) {
  ExpectToBeSeen({"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n"});
}

/// A read gives one record; the others lie in the TLS layer behind it, and the socket stays silent.
TEST_P(AttackEarlyAnswerTest, IsSeenWhereItComesInManyRecords) {
  ExpectToBeSeen(
      {"HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 413 Content Too Large\r\n", "A: b\r\n", "C: d\r\n", "E: f\r\n",
       "Content-Length: 0\r\n", "\r\n"});
}

/// A client that looked only where it finds no room would send all of it to a server that takes it, and has said already
/// that it does not want it.
TEST_P(AttackEarlyAnswerTest, EndsTheSendingToAServerThatTakesAll) {
  constexpr std::uint64_t size = 64 * 1024 * 1024;
  // What fits into both sides' buffers before the answer comes.
  constexpr std::uint64_t onItsWay = 16 * 1024 * 1024;
  ScriptedServer const server{
      GetParam() == 0 ? ScriptedServerOptions{} : TlsServer(GetParam(), GetParam()),
      [](ScriptedConnection& connection) {
        connection.Write("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n");
        static_cast<void>(connection.WaitUntilClosed());
      }};
  for (auto const length : {std::optional<std::uint64_t>{size}, std::optional<std::uint64_t>{}}) {
    auto request = Get(server.Url());
    request.Method = "POST";
    auto const body = std::make_shared<GeneratedBody>(size, length);
    request.Body = body;
    auto const transport = MakeTransport();
    EXPECT_EQ(transport->Send(request, nullptr, Patiently())->StatusCode, 413);
    EXPECT_LT(body->Given(), onItsWay);
    EXPECT_EQ(transport->PoolStatistics().Idle, 0U) << "half a request was sent on it";
  }
}

std::chrono::microseconds ProcessorTime() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  auto const& user = usage.ru_utime;
  auto const& system = usage.ru_stime;
  return std::chrono::seconds{user.tv_sec + system.tv_sec} + std::chrono::microseconds{user.tv_usec + system.tv_usec};
}

INSTANTIATE_TEST_SUITE_P(
    Versions, AttackEarlyAnswerTest, testing::Values(0, TLS1_2_VERSION, TLS1_3_VERSION), [](auto const& version) {
      return version.param == 0 ? "Plain" : version.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
    });

/// The first half of a record lies in the TLS layer, too, and is no reason to look there without end.
TEST(AttackHalfRecordTest, IsWaitedForInPeace) {
  Event done;
  auto options = TlsServer(TLS1_2_VERSION, TLS1_2_VERSION);
  options.TakesLittle = true;
  ScriptedServer const server{options, [&](ScriptedConnection& connection) {
                                // The header of a record that never ends.
                                connection.WriteBelowTls(std::string{"\x17\x03\x03\x40\x00halfof it", 14});
                                EXPECT_TRUE(done.Wait());
                              }};
  auto request = Get(server.Url());
  request.Method = "POST";
  request.Body = std::make_shared<GeneratedBody>(std::uint64_t{1} << 30U, std::uint64_t{1} << 30U);
  auto const before = ProcessorTime();
  auto const waited = std::chrono::milliseconds{1500};
  EXPECT_EQ(
      ErrorCodeOf([&] { MakeTransport()->Send(request, nullptr, Context{}.WithTimeout(waited)); }),
      "deadline_exceeded");
  EXPECT_LT(ProcessorTime() - before, waited / 2);
  done.Set();
}

/// Nothing is ambiguous about a status line that ends with the code.
TEST(AttackStatusLineTest, MayEndWithTheCode) {
  for (std::string const line : {"HTTP/1.1 200\r\n", "HTTP/1.1 200 \r\n"}) {
    ScriptedServer const server{[&](ScriptedConnection& connection) {
      while (connection.TryReadRequest()) {
        // In pieces, each of which the parser sees before the next one comes.
        connection.Write(line.substr(0, 12));
        connection.Write(line.substr(12) + "X-A: b\r\nContent-");
        connection.Write("Length: 5\r\n\r\nhello");
      }
    }};
    auto const transport = MakeTransport();
    for (int round = 0; round < 2; ++round) {
      auto const fetched = Fetch(transport, Get(server.Url()));
      EXPECT_EQ(fetched.Status, 200);
      EXPECT_EQ(fetched.Body, "hello");
      EXPECT_EQ(fetched.Fields.Get("x-a"), "b");
    }
    EXPECT_EQ(transport->PoolStatistics().Opened, 1U);
  }
  for (auto const* line :
       {"HTTP/1.1 20\r\n", "HTTP/1.1 2000\r\n", "HTTP/1.1\r\n", "HTTP/1.1 2x0\r\n", "HTTP/1.1 200\n"}) {
    ScriptedServer const server{[&](ScriptedConnection& connection) {
      connection.ReadRequest();
      connection.Write(std::string{line} + "Content-Length: 0\r\n\r\n");
    }};
    EXPECT_EQ(ErrorCodeOf([&] { Fetch(MakeTransport(), Get(server.Url())); }), "malformed_response") << line;
  }
}

/// RFC 9112 section 6.3, 2: what stands behind a successful answer to CONNECT is the tunnel, whatever the fields say.
TEST(AttackTunnelAnswerTest, HasNoFraming) {
  ScriptedServer const origin{TlsServer(), ServeEcho};
  for (std::string const fields :
       {"Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "transfer-encoding: gzip,\r\n chunked\r\n",
        "Content-Length: x\r\ncontent-length: 7\r\nX-A: b\r\n"}) {
    for (std::string const line : {"HTTP/1.1 200 OK\r\n", "HTTP/1.1 200\r\n", "HTTP/1.0 299 x\r\n"}) {
      ScriptedServer const proxy{[&](ScriptedConnection& connection) {
        connection.ReadRequest();
        connection.Write(line + fields + "\r\n");
        connection.RelayTo("127.0.0.1", origin.Port());
      }};
      auto options = TrustingOptions();
      options.Proxy.Url = "http://" + proxy.HostAndPort();
      EXPECT_EQ(Fetch(MakeTransport(options), Get(origin.Url())).Status, 200) << line << fields;
    }
  }
}

/// Only a request that would go through it is told that a proxy cannot be used.
TEST(AttackUnusableProxyTest, FailsOnlyWhatWouldGoThroughIt) {
  ScriptedServer const plain{ServeEcho};
  ScriptedServer const server{TlsServer(), ServeEcho};
  for (auto const* value : {"socks5h://127.0.0.1:1080", "http://", "http://a b", "ftp://a.test"}) {
    ScopedEnvironment::Variables variables{{"ALL_PROXY", value}};
    for (auto const* name : {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "no_proxy", "NO_PROXY"}) {
      variables.emplace_back(name, std::nullopt);
    }
    ScopedEnvironment const environment{variables};
    auto options = TrustingOptions();
    options.Proxy.UseEnvironment = true;
    auto const transport = MakeTransport(options);
    for (auto const& url : {plain.Url(), server.Url()}) {
      auto const error = ErrorOf([&] { Fetch(transport, Get(url)); });
      ASSERT_TRUE(error);
      EXPECT_EQ(error->Code().Name(), "invalid_argument");
      EXPECT_THAT(error->what(), HasSubstr("ALL_PROXY"));
      EXPECT_TRUE(error->Details().NothingSent);
      auto metadata = Get(url);
      metadata.NeverProxied = true;
      EXPECT_EQ(Fetch(transport, std::move(metadata)).Status, 200);
    }
    options.Proxy.NoProxy = "*";
    EXPECT_EQ(Fetch(MakeTransport(options), Get(server.Url())).Status, 200);
  }
}

/// A machine that has run out of something is not told from a network that is down.
TEST(AttackExhaustionTest, NoDescriptorsLeftIsSaidAsSuch) {
  if (Slowness > 1) GTEST_SKIP() << "a sanitizer looks at objects through a pipe, for which it needs descriptors";
  ScriptedServer const server{ServeEcho};
  for (auto const& url :
       {server.Url(), "http://localhost:" + std::to_string(server.Port()) + "/", std::string{"http://absent.test/"}}) {
    EXPECT_TRUE(InChild([&] {
      auto const transport = MakeTransport();
      rlimit const none{0, 0};
      ::setrlimit(RLIMIT_NOFILE, &none);
      auto const error = ErrorOf([&] { Fetch(transport, Get(url)); });
      bool const good = error && error->Code() == errors::SystemFailure && error->Details().NothingSent &&
                        error->Details().Action.find("open files") != std::string::npos;
      if (!good) std::fprintf(stderr, "%s: %s\n", url.c_str(), error ? error->what() : "no error");
      return good;
    })) << url;
  }
}

}  // namespace
}  // namespace mtlspop::test
