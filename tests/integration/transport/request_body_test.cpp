// Requests on the wire: their head, their bodies, Expect: 100-continue (RFC 9110 section 10.1.1).

#include <gmock/gmock.h>

#include <mutex>
#include <stdexcept>

#include "transport_test.hpp"

namespace mtlspop::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

/// Notes what comes, and answers 200.
class Recorder final {
 public:
  explicit Recorder(ScriptedServerOptions options = {})
      : server_(std::move(options), [this](ScriptedConnection& connection) {
          while (auto request = connection.TryReadRequest()) {
            {
              std::lock_guard<std::mutex> const lock{mutex_};
              last_ = std::move(*request);
            }
            connection.Answer(200, "");
          }
        }) {}

  std::string Url(std::string_view target = "/") const { return server_.Url(target); }
  std::string HostAndPort() const { return server_.HostAndPort(); }
  ReceivedRequest Last() const {
    std::lock_guard<std::mutex> const lock{mutex_};
    return last_;
  }

 private:
  mutable std::mutex mutex_;
  ReceivedRequest last_;
  ScriptedServer server_;
};

TEST(RequestTest, SaysWhatItIsToldTo) {
  Recorder server;
  auto request = Get(server.Url("/a/b?c=d%20e"));
  request.Fields.Add("X-Same", "1");
  request.Fields.Add("X-Same", "2");
  request.Fields.Add("X-Empty", "");
  Fetch(MakeTransport(), std::move(request));
  auto const seen = server.Last();
  EXPECT_THAT(seen.Head, StartsWith("GET /a/b?c=d%20e HTTP/1.1\r\n"));
  EXPECT_EQ(seen.Get("Host"), server.HostAndPort());
  EXPECT_EQ(seen.Count("Host"), 1U);
  EXPECT_EQ(seen.Count("X-Same"), 2U);
  EXPECT_EQ(seen.Count("X-Empty"), 1U);
  EXPECT_EQ(seen.Count("Content-Length"), 0U);
  EXPECT_EQ(seen.Count("Transfer-Encoding"), 0U);
  EXPECT_EQ(seen.Count("Expect"), 0U);
}

TEST(RequestTest, MayNameAnotherHost) {
  Recorder server;
  auto request = Get(server.Url());
  request.Fields.Set("Host", "vault.example");
  Fetch(MakeTransport(), std::move(request));
  EXPECT_EQ(server.Last().Get("Host"), "vault.example");
  EXPECT_EQ(server.Last().Count("Host"), 1U);
}

TEST(RequestTest, BodyOfKnownLength) {
  Recorder server;
  Fetch(MakeTransport(), Post(server.Url(), "hello"));
  EXPECT_EQ(server.Last().Get("Content-Length"), "5");
  EXPECT_EQ(server.Last().Count("Transfer-Encoding"), 0U);
  EXPECT_EQ(server.Last().Body, "hello");
}

/// RFC 9110 section 8.6: without it some servers answer 411.
TEST(RequestTest, AMethodThatHasABodySaysThatItIsEmpty) {
  Recorder server;
  for (auto const* method : {"POST", "PUT"}) {
    Fetch(MakeTransport(), Request{method, Url::Parse(server.Url())});
    EXPECT_EQ(server.Last().Get("Content-Length"), "0") << method;
    Request empty{method, Url::Parse(server.Url())};
    empty.SetBody("");
    Fetch(MakeTransport(), std::move(empty));
    EXPECT_EQ(server.Last().Get("Content-Length"), "0") << method;
  }
}

TEST(RequestTest, BodyOfUnknownLengthIsChunked) {
  Recorder server;
  auto const transport = MakeTransport();
  for (std::size_t const size : {std::size_t{0}, std::size_t{1}, std::size_t{100'000}}) {
    Request request{"PUT", Url::Parse(server.Url())};
    request.Body = std::make_shared<GeneratedBody>(size, std::nullopt);
    Fetch(transport, std::move(request));
    EXPECT_EQ(server.Last().Get("Transfer-Encoding"), "chunked");
    EXPECT_EQ(server.Last().Count("Content-Length"), 0U);
    EXPECT_TRUE(server.Last().Body == Pattern(size)) << size;
  }
  EXPECT_EQ(transport->PoolStatistics().Opened, 1U);
}

TEST(RequestTest, LargeBodiesArriveWhole) {
  auto const expected = Pattern(8 * 1024 * 1024);
  for (bool const tls : {false, true}) {
    Recorder server{tls ? TlsServer() : ScriptedServerOptions{}};
    auto const transport = MakeTransport();
    for (std::optional<std::uint64_t> const length :
         {std::optional<std::uint64_t>{}, std::optional<std::uint64_t>{expected.size()}}) {
      Request request{"PUT", Url::Parse(server.Url())};
      request.Body = std::make_shared<GeneratedBody>(expected.size(), length);
      Fetch(transport, std::move(request));
      EXPECT_TRUE(server.Last().Body == expected);
    }
  }
}

/// Notes how many bytes it gave each time.
class NotedBody final : public BodyStream {
 public:
  NotedBody(std::uint64_t size, std::optional<std::uint64_t> announced) : body_(size, announced) {}
  std::size_t Read(gsl::span<std::uint8_t> buffer, Context const& context) override {
    Pieces.push_back(body_.Read(buffer, context));
    return Pieces.back();
  }
  std::optional<std::uint64_t> Length() const noexcept override { return body_.Length(); }

  std::vector<std::size_t> Pieces;

 private:
  GeneratedBody body_;
};

/// A piece of one byte more would cost a second record each time.
TEST(RequestTest, PiecesOfALargeBodyFillTlsRecords) {
  constexpr std::size_t record = 16 * 1024;
  Recorder server;
  for (std::size_t const rest : {std::size_t{0}, std::size_t{1}, record - 1}) {
    auto const body = std::make_shared<NotedBody>(3 * record + rest, 3 * record + rest);
    Request request{"PUT", Url::Parse(server.Url())};
    request.Body = body;
    Fetch(MakeTransport(), std::move(request));
    std::vector<std::size_t> expected(3, record);
    if (rest != 0) {
      expected.push_back(rest);
    }
    EXPECT_EQ(body->Pieces, expected);
  }
}

TEST(RequestTest, PiecesOfALargeChunkedBodyFillTlsRecords) {
  constexpr std::size_t piece = 16 * 1024 - std::char_traits<char>::length("FFFFFFFF\r\n\r\n");
  Recorder server;
  auto const body = std::make_shared<NotedBody>(3 * piece + 1, std::nullopt);
  Request request{"PUT", Url::Parse(server.Url())};
  request.Body = body;
  Fetch(MakeTransport(), std::move(request));
  EXPECT_EQ(body->Pieces, (std::vector<std::size_t>{piece, piece, piece, 1, 0}));
}

class WrongLengthTest : public testing::TestWithParam<std::uint64_t> {};

/// A body that is not as long as it says would make the next request part of this one.
TEST_P(WrongLengthTest, IsAnErrorAndTheConnectionIsClosed) {
  Event closed;
  ScriptedServer server{[&](ScriptedConnection& connection) {
    connection.WaitUntilClosed();
    closed.Set();
  }};
  auto const transport = MakeTransport();
  Request request{"PUT", Url::Parse(server.Url())};
  request.Body = std::make_shared<GeneratedBody>(GetParam(), 100'000);
  EXPECT_EQ(ErrorCodeOf([&] { Fetch(transport, std::move(request)); }), "request_body_failed");
  EXPECT_TRUE(closed.Wait());
  EXPECT_EQ(transport->PoolStatistics().Idle, 0U);
  EXPECT_EQ(transport->PoolStatistics().InUse, 0U);
}

INSTANTIATE_TEST_SUITE_P(Sizes, WrongLengthTest, testing::Values(0U, 99'999U, 100'001U, 300'000U));

class FailingBody final : public BodyStream {
 public:
  std::size_t Read(gsl::span<std::uint8_t> buffer, Context const&) override {
    if (++reads_ > 2) throw std::runtime_error{"the disk is gone"};
    buffer[0] = 'x';
    return 1;
  }

 private:
  int reads_ = 0;
};

TEST(RequestTest, AFailingBodyIsAnErrorWithItsCause) {
  Event closed;
  ScriptedServer server{[&](ScriptedConnection& connection) {
    connection.WaitUntilClosed();
    closed.Set();
  }};
  Request request{"PUT", Url::Parse(server.Url())};
  request.Body = std::make_shared<FailingBody>();
  auto const transport = MakeTransport();
  try {
    Fetch(transport, std::move(request));
    ADD_FAILURE() << "no error";
  } catch (Error const& error) {
    EXPECT_EQ(error.Code(), errors::RequestBodyFailed);
    EXPECT_THAT(DescribeWithCauses(error), HasSubstr("the disk is gone"));
  }
  EXPECT_TRUE(closed.Wait()) << "without the final chunk, so that the server knows that there is more";
}

/// Bytes from memory, one at a time. The context of its request ends with the first.
class BytewiseBody final : public BodyStream {
 public:
  explicit BytewiseBody(Context context) : context_(std::move(context)) {}
  std::size_t Read(gsl::span<std::uint8_t> buffer, Context const& /*context*/) override {
    context_.Cancel();
    buffer[0] = 'x';
    return ++Given <= Most ? 1 : 0;
  }
  bool NeverWaits() const noexcept override { return true; }

  /// So few that the connection has room for all of them.
  static constexpr std::size_t Most = 4'000;
  std::size_t Given = 0;

 private:
  Context context_;
};

/// What never waits keeps others waiting, and its own context, unless it is stopped now and then.
TEST(RequestTest, ABodyFromMemoryIsNotSentOnWhenItsContextHasEnded) {
  ScriptedServer server{[](ScriptedConnection& connection) { connection.WaitUntilClosed(); }};
  auto const context = Patiently().WithCancellation();
  auto const body = std::make_shared<BytewiseBody>(context);
  Request request{"PUT", Url::Parse(server.Url())};
  request.Body = body;
  EXPECT_EQ(ErrorCodeOf([&] { Fetch(MakeTransport(), std::move(request), nullptr, context); }), "cancelled");
  EXPECT_LE(body->Given, 100U);
}

/// A server that knows enough may answer and stop reading; a client that only writes would wait for ever.
TEST(RequestTest, AnEarlyAnswerEndsTheSending) {
  for (bool const tls : {false, true}) {
    Event answered;
    ScriptedServer server{tls ? TlsServer() : ScriptedServerOptions{}, [&](ScriptedConnection& connection) {
                            connection.ReadHead();
                            connection.Answer(413, "too large", "Connection: close\r\n");
                            connection.CloseForWriting();
                            // Reads no more for as long as the client could be writing.
                            (void)answered.Wait();
                          }};
    Request request{"PUT", Url::Parse(server.Url())};
    request.Body = std::make_shared<GeneratedBody>(std::uint64_t{1} << 30U, std::uint64_t{1} << 30U);
    auto const transport = MakeTransport();
    auto const fetched = Fetch(transport, std::move(request));
    answered.Set();
    EXPECT_EQ(fetched.Status, 413);
    EXPECT_EQ(fetched.Body, "too large");
    EXPECT_EQ(transport->PoolStatistics().Idle, 0U) << "half a request was sent on it";
  }
}

/// Gives its first piece at once and the others only after something has happened.
class GatedBody final : public BodyStream {
 public:
  explicit GatedBody(Event const& gate) : gate_(gate) {}
  std::size_t Read(gsl::span<std::uint8_t> buffer, Context const& /*context*/) override {
    if (given_ != 0 && !gate_.Wait()) throw std::runtime_error{"nothing happened"};
    auto const count = std::min<std::size_t>(buffer.size(), Size - given_);
    std::fill_n(buffer.begin(), count, std::uint8_t{'x'});
    given_ += count;
    return count;
  }
  std::optional<std::uint64_t> Length() const noexcept override { return Size; }

 private:
  static constexpr std::size_t Size = 1024 * 1024;
  Event const& gate_;
  std::size_t given_ = 0;
};

/// The answer of a server that sends it, with these fields, amid the request's body, and resets the connection.
void ExpectToReadThoughReset(std::string const& fields) {
  for (bool const tls : {false, true}) {
    Event reset;
    ScriptedServer server{tls ? TlsServer() : ScriptedServerOptions{}, [&](ScriptedConnection& connection) {
                            connection.ReadHead();
                            connection.Answer(413, "too large", fields);
                            connection.Reset();
                            reset.Set();
                          }};
    Request request{"PUT", Url::Parse(server.Url())};
    request.Body = std::make_shared<GatedBody>(reset);
    auto const fetched = Fetch(MakeTransport(), std::move(request));
    EXPECT_EQ(fetched.Status, 413);
    EXPECT_EQ(fetched.Body, "too large");
  }
}

/// RFC 9112 section 9.5: a server that answers early and closes with input unread resets the connection. What it said is
/// still there to be read.
TEST(RequestTest, AnEarlyAnswerIsReadThoughTheConnectionWasReset) { ExpectToReadThoughReset("Connection: close\r\n"); }

/// Also where it is longer than what one read gives.
TEST(RequestTest, ALongEarlyAnswerIsReadThoughTheConnectionWasReset) {
  std::string fields = "Connection: close\r\n";
  for (int count = 0; count < 20; ++count) {
    fields += "X-" + std::to_string(count) + ": " + std::string(500, 'x') + "\r\n";
  }
  ExpectToReadThoughReset(fields);
}

/// The server answers early and goes on reading: the body may be sent to its end or not, but the connection is used again
/// only if it was.
TEST(RequestTest, AnEarlyAnswerOfAServerThatReadsOn) {
  constexpr std::size_t Size = 4 * 1024 * 1024;
  ScriptedServer server{TlsServer(), [](ScriptedConnection& connection) {
                          for (;;) {
                            connection.ReadHead();
                            connection.Answer(401, "who are you?");
                            connection.ReadExactly(Size);
                          }
                        }};
  auto const transport = MakeTransport();
  for (int round = 0; round < 3; ++round) {
    Request request{"PUT", Url::Parse(server.Url())};
    request.Body = std::make_shared<GeneratedBody>(Size, Size);
    auto const fetched = Fetch(transport, std::move(request));
    EXPECT_EQ(fetched.Status, 401);
    EXPECT_EQ(fetched.Body, "who are you?");
  }
}

/// Answers with what it reads as it reads it, up to so many bytes.
ScriptedServer::Script EchoAtOnce(std::size_t most) {
  return [most](ScriptedConnection& connection) {
    connection.ReadHead();
    connection.Write("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(most) + "\r\n\r\n");
    for (std::size_t left = most; left != 0;) {
      auto const piece = connection.ReadSome();
      auto const count = std::min(left, piece.size());
      connection.Write(std::string_view{piece}.substr(0, count));
      left -= count;
    }
    connection.WaitUntilClosed();
  };
}

/// It reads no more when nobody takes its answer.
TEST(RequestTest, AServerThatAnswersAsItReadsIsHeardMeanwhile) {
  constexpr std::size_t request = 32 * 1024 * 1024;
  constexpr std::size_t answer = 512 * 1024;
  for (bool const tls : {false, true}) {
    ScriptedServer server{tls ? TlsServer() : ScriptedServerOptions{}, EchoAtOnce(answer)};
    Request sent{"PUT", Url::Parse(server.Url())};
    sent.Body = std::make_shared<GeneratedBody>(request, request);
    EXPECT_TRUE(Fetch(MakeTransport(), std::move(sent)).Body == Pattern(answer));
  }
}

/// Neither side would ever go on without the other, and there may be no deadline that ends it.
TEST(RequestTest, AnEarlyAnswerWithoutEndIsAnError) {
  for (bool const tls : {false, true}) {
    ScriptedServer server{tls ? TlsServer() : ScriptedServerOptions{}, EchoAtOnce(std::size_t{1} << 40U)};
    Request request{"PUT", Url::Parse(server.Url())};
    request.Body = std::make_shared<GeneratedBody>(std::uint64_t{1} << 40U, std::uint64_t{1} << 40U);
    auto const transport = MakeTransport();
    EXPECT_EQ(ErrorCodeOf([&] { Fetch(transport, std::move(request)); }), "buffered_body_limit_exceeded");
    EXPECT_EQ(transport->PoolStatistics().InUse, 0U);
  }
}

TEST(ExpectContinueTest, BodyFollowsTheServersWord) {
  ScriptedServer server{[](ScriptedConnection& connection) {
    auto const head = connection.ReadHead();
    connection.Write("HTTP/1.1 100 Continue\r\n\r\n");
    connection.Answer(200, head.Get("Expect") + "|" + connection.ReadExactly(5));
  }};
  auto options = TrustingOptions();
  options.ContinueTimeout = std::chrono::hours{1};
  auto request = Post(server.Url(), "hello");
  request.ExpectContinue = true;
  EXPECT_EQ(Fetch(MakeTransport(options), std::move(request)).Body, "100-continue|hello");
}

TEST(ExpectContinueTest, BodyWaitsForTheServersWord) {
  for (auto const patience : {std::chrono::milliseconds{3'600'000}, std::chrono::milliseconds::max()}) {
    auto const body = std::make_shared<GeneratedBody>(5, 5);
    std::atomic<std::uint64_t> givenBefore{99};
    ScriptedServer server{[&](ScriptedConnection& connection) {
      connection.ReadHead();
      connection.Write("HTTP/1.1 103 Early Hints\r\n\r\n");
      givenBefore = body->Given();
      connection.Write("HTTP/1.1 100 Continue\r\n\r\n");
      connection.Answer(200, connection.ReadExactly(5));
    }};
    auto options = TrustingOptions();
    options.ContinueTimeout = patience;
    Request request{"PUT", Url::Parse(server.Url())};
    request.Body = body;
    request.ExpectContinue = true;
    EXPECT_EQ(Fetch(MakeTransport(options), std::move(request)).Body, Pattern(5));
    EXPECT_EQ(givenBefore, 0U) << "103 is not the word";
  }
}

TEST(ExpectContinueTest, AnAnswerInItsPlaceKeepsTheBodyBack) {
  Event closed;
  std::size_t bodyBytes = 99;
  ScriptedServer server{[&](ScriptedConnection& connection) {
    connection.ReadHead();
    connection.Answer(401, "who are you?");
    bodyBytes = connection.WaitUntilClosed();
    closed.Set();
  }};
  auto options = TrustingOptions();
  options.ContinueTimeout = std::chrono::hours{1};
  auto const transport = MakeTransport(options);
  auto request = Post(server.Url(), "hello");
  request.ExpectContinue = true;
  auto const fetched = Fetch(transport, std::move(request));
  EXPECT_EQ(fetched.Status, 401);
  EXPECT_EQ(fetched.Body, "who are you?");
  // RFC 9110 section 10.1.1: the server may still take what comes next for the body, so nothing comes.
  EXPECT_TRUE(closed.Wait());
  EXPECT_EQ(bodyBytes, 0U);
}

TEST(ExpectContinueTest, ASilentServerGetsTheBodyAfterAWhile) {
  ScriptedServer server{ServeEcho};
  auto options = TrustingOptions();
  options.ContinueTimeout = std::chrono::milliseconds{20};
  auto const transport = MakeTransport(options);
  auto request = Post(server.Url(), "hello");
  request.ExpectContinue = true;
  EXPECT_EQ(Fetch(transport, std::move(request)).Body, "hello");
  EXPECT_TRUE(Fetch(transport, Post(server.Url(), "again")).Connection.Reused);
}

TEST(ExpectContinueTest, WithoutABodyThereIsNothingToExpect) {
  Recorder server;
  auto options = TrustingOptions();
  options.ContinueTimeout = std::chrono::hours{1};
  auto request = Get(server.Url());
  request.ExpectContinue = true;
  Fetch(MakeTransport(options), std::move(request));
  EXPECT_EQ(server.Last().Count("Expect"), 0U);
}

TEST(ExpectContinueTest, WorksWithChunks) {
  ScriptedServer server{[](ScriptedConnection& connection) {
    connection.ReadHead();
    connection.Write("HTTP/1.1 100 Continue\r\n\r\n");
    std::string body;
    while (body.find("\r\n0\r\n\r\n") == std::string::npos) body += connection.ReadSome();
    connection.Answer(200, "");
  }};
  auto options = TrustingOptions();
  options.ContinueTimeout = std::chrono::hours{1};
  Request request{"PUT", Url::Parse(server.Url())};
  request.Body = std::make_shared<GeneratedBody>(100'000, std::nullopt);
  request.ExpectContinue = true;
  EXPECT_EQ(Fetch(MakeTransport(options), std::move(request)).Status, 200);
}

}  // namespace
}  // namespace mtlspop::test
