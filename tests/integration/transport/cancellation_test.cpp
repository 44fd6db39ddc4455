// Whoever waits, in whatever phase of a request, leaves when its context ends: within 50 ms of a cancellation from another
// thread, and at its deadline.

#include <gmock/gmock.h>

#include <algorithm>
#include <functional>
#include <future>
#include <memory>

#include "fake_names.hpp"
#include "support/silent_listener.hpp"
#include "transport_test.hpp"

namespace mtlspop::test {
namespace {

using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

/// A request that gets stuck in one phase, and everything it is stuck on.
class Stuck {
 public:
  virtual ~Stuck() = default;
  /// Runs into the phase and stays there until the context ends.
  virtual void Run(Context const& context) = 0;
  /// Whether the phase is reached.
  virtual bool IsReached() = 0;
  /// Of the transport under test.
  virtual PoolStatistics Statistics() = 0;
};

struct Phase {
  std::string Name;
  std::function<std::unique_ptr<Stuck>()> Make;
};

void PrintTo(Phase const& phase, std::ostream* out) { *out << phase.Name; }

class StuckInName final : public Stuck {
 public:
  StuckInName() { name_.HoldAnswers(); }
  void Run(Context const& context) override { Fetch(transport_, Get("https://slow.test/"), nullptr, context); }
  bool IsReached() override { return name_.Asked().IsSet(); }
  PoolStatistics Statistics() override { return transport_->PoolStatistics(); }

 private:
  FakeName name_{"slow.test", {"127.0.0.1"}};
  Transport const transport_ = MakeTransport();
};

class StuckInConnect final : public Stuck {
 public:
  void Run(Context const& context) override {
    Fetch(transport_, Get("https://silent.test:" + std::to_string(silent_.Port()) + "/"), nullptr, context);
  }
  bool IsReached() override { return name_.Asked().IsSet(); }
  PoolStatistics Statistics() override { return transport_->PoolStatistics(); }

 private:
  SilentListener silent_{"127.0.0.1"};
  FakeName name_{"silent.test", {"127.0.0.1"}};
  Transport const transport_ = MakeTransport();
};

/// Stuck on a server whose script says when the phase is reached.
class StuckOnServer : public Stuck {
 public:
  using Script = std::function<void(ScriptedConnection&, Event& reached, Event& over)>;

  StuckOnServer(ScriptedServerOptions options, Script script)
      : server_(std::move(options), [this, script = std::move(script)](ScriptedConnection& connection) {
          script(connection, reached_, over_);
        }) {}
  ~StuckOnServer() override { over_.Set(); }

  bool IsReached() override { return reached_.IsSet(); }
  PoolStatistics Statistics() override { return TheTransport()->PoolStatistics(); }

 protected:
  virtual Transport const& TheTransport() = 0;

  Event reached_;
  Event over_;
  ScriptedServer server_;
};

/// Stuck on a server with a request.
class StuckWithRequest final : public StuckOnServer {
 public:
  /// @param url given the server; @param prepare changes the request.
  StuckWithRequest(
      ScriptedServerOptions serverOptions,
      Script script,
      std::function<std::string(ScriptedServer const&)> url,
      std::function<void(Request&)> prepare,
      Binding binding,
      std::function<void(TransportOptions&, ScriptedServer const&)> configure)
      : StuckOnServer(std::move(serverOptions), std::move(script)),
        url_(url(server_)),
        prepare_(std::move(prepare)),
        binding_(std::move(binding)) {
    auto options = TrustingOptions();
    options.ContinueTimeout = std::chrono::hours{1};
    configure(options, server_);
    transport_ = MakeTransport(options);
  }
  ~StuckWithRequest() override { over_.Set(); }

  void Run(Context const& context) override {
    auto request = Get(url_);
    prepare_(request);
    Fetch(transport_, std::move(request), binding_, context);
  }

 private:
  Transport const& TheTransport() override { return transport_; }

  std::string url_;
  std::function<void(Request&)> prepare_;
  Binding binding_;
  Transport transport_;
};

/// Stuck behind another request that holds the only connection.
class StuckInPool final : public Stuck {
 public:
  StuckInPool() {
    auto options = TrustingOptions();
    options.Pool.MaximumPerOrigin = 1;
    transport_ = MakeTransport(options);
    auto request = Get(server_.Url());
    held_ = transport_->Send(request, nullptr, Patiently());
  }
  void Run(Context const& context) override { Fetch(transport_, Get(server_.Url()), nullptr, context); }
  bool IsReached() override { return transport_->PoolStatistics().Waiting == 1; }
  PoolStatistics Statistics() override {
    held_.reset();
    return transport_->PoolStatistics();
  }

 private:
  /// Its first answer has no end.
  ScriptedServer server_{[](ScriptedConnection& connection) {
    connection.ReadRequest();
    connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
    connection.WaitUntilClosed();
  }};
  Transport transport_;
  std::unique_ptr<Response> held_;
};

std::string UrlOf(ScriptedServer const& server) { return server.Url(); }
void Unchanged(Request&) {}
void Default(TransportOptions&, ScriptedServer const&) {}

/// A large body, so that sending gets stuck once the socket buffers are full.
void WithLargeBody(Request& request) {
  request.Method = "PUT";
  request.Body = std::make_shared<GeneratedBody>(std::uint64_t{1} << 40U, std::uint64_t{1} << 40U);
}

void WithLargeChunkedBody(Request& request) {
  request.Method = "PUT";
  request.Body = std::make_shared<GeneratedBody>(std::uint64_t{1} << 40U, std::nullopt);
}

/// Reads a request's head and then nothing more.
void ReadHeadAndStop(ScriptedConnection& connection, Event& reached, Event& over) {
  connection.ReadHead();
  reached.Set();
  (void)over.Wait();
}

std::vector<Phase> Phases() {
  auto const with = [](
                        ScriptedServerOptions (*serverOptions)(), StuckOnServer::Script script,
                        void (*prepare)(Request&) = &Unchanged, Binding(*binding)() = +[] { return Binding{}; }) {
    return [=] {
      return std::make_unique<StuckWithRequest>(serverOptions(), script, &UrlOf, prepare, binding(), &Default);
    };
  };
  constexpr auto plain = +[] { return ScriptedServerOptions{}; };
  constexpr auto tls = +[] { return TlsServer(); };
  constexpr auto alice = +[] { return NewBinding("alice"); };
  return {
      {"ResolvingTheName", [] { return std::make_unique<StuckInName>(); }},
      {"Connecting", [] { return std::make_unique<StuckInConnect>(); }},
      {"Handshake",
       [] {
         return std::make_unique<StuckWithRequest>(
             ScriptedServerOptions{},
             [](ScriptedConnection& connection, Event& reached, Event& over) {
               connection.ReadSome();
               reached.Set();
               (void)over.Wait();
             },
             [](ScriptedServer const& server) { return "https://" + server.HostAndPort() + "/"; }, &Unchanged, nullptr,
             &Default);
       }},
      {"Sending", with(plain, &ReadHeadAndStop, &WithLargeBody)},
      {"SendingOverTls", with(tls, &ReadHeadAndStop, &WithLargeBody)},
      {"SendingChunks", with(tls, &ReadHeadAndStop, &WithLargeChunkedBody)},
      {"WaitingToContinue", with(
                                tls, &ReadHeadAndStop,
                                +[](Request& request) {
                                  WithLargeBody(request);
                                  request.ExpectContinue = true;
                                })},
      {"WaitingForTheAnswer", with(plain, &ReadHeadAndStop)},
      {"WaitingForTheAnswerOverTls", with(tls, &ReadHeadAndStop)},
      {"WaitingForTheAnswerBound", with(tls, &ReadHeadAndStop, &Unchanged, alice)},
      {"InTheMiddleOfTheHeader", with(
                                     tls,
                                     [](ScriptedConnection& connection, Event& reached, Event& over) {
                                       connection.ReadHead();
                                       connection.Write("HTTP/1.1 200 OK\r\nContent-Le");
                                       reached.Set();
                                       (void)over.Wait();
                                     })},
      {"BetweenInformationalAnswers", with(
                                          tls,
                                          [](ScriptedConnection& connection, Event& reached, Event& over) {
                                            connection.ReadHead();
                                            connection.Write("HTTP/1.1 103 Early Hints\r\n\r\n");
                                            reached.Set();
                                            (void)over.Wait();
                                          })},
      {"Body", with(
                   plain,
                   [](ScriptedConnection& connection, Event& reached, Event& over) {
                     connection.ReadHead();
                     connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
                     reached.Set();
                     (void)over.Wait();
                   })},
      {"ChunkedBodyOverTls", with(
                                 tls,
                                 [](ScriptedConnection& connection, Event& reached, Event& over) {
                                   connection.ReadHead();
                                   connection.Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel");
                                   reached.Set();
                                   (void)over.Wait();
                                 })},
      {"Renegotiation", with(
                            +[] { return TlsServer(TLS1_2_VERSION, TLS1_2_VERSION); },
                            [](ScriptedConnection& connection, Event& reached, Event& over) {
                              connection.ReadHead();
                              connection.StartAskingForCertificate();
                              reached.Set();
                              (void)over.Wait();
                            },
                            &Unchanged, alice)},
      {"ProxyTunnel",
       [] {
         return std::make_unique<StuckWithRequest>(
             ScriptedServerOptions{}, &ReadHeadAndStop,
             [](ScriptedServer const&) { return std::string{"https://vault.test/"}; }, &Unchanged, nullptr,
             [](TransportOptions& options, ScriptedServer const& server) {
               options.Proxy.Url = "http://" + server.HostAndPort();
             });
       }},
      {"WaitingForAConnection", [] { return std::make_unique<StuckInPool>(); }}};
}

class CancellationTest : public testing::TestWithParam<Phase> {
 protected:
  /// The machine may be busy with something else: of a few tries one has to be in time.
  static constexpr int Tries = 5;
  static constexpr milliseconds Promise = milliseconds{50} * Slowness;

  /// Runs into the phase, ends the context with `end`, and returns how long it took to come back.
  static milliseconds TimeToComeBack(
      Phase const& phase, std::function<Context()> const& makeContext, std::function<void(Context const&)> const& end) {
    auto const stuck = phase.Make();
    auto const context = makeContext();
    auto running = std::async(std::launch::async, [&] {
      auto const code = ErrorCodeOf([&] { stuck->Run(context); });
      return std::make_pair(code, SteadyClock::now());
    });
    EXPECT_TRUE(Eventually([&] { return stuck->IsReached(); }));
    auto const start = SteadyClock::now();
    end(context);
    auto const [code, came] = running.get();
    EXPECT_EQ(code, "cancelled");
    auto const statistics = stuck->Statistics();
    EXPECT_EQ(statistics.InUse, 0U) << "nothing of the connection is left behind";
    EXPECT_EQ(statistics.Idle, 0U);
    EXPECT_EQ(statistics.Waiting, 0U);
    return std::chrono::duration_cast<milliseconds>(came - start);
  }

  template <typename Try>
  static milliseconds Fastest(Try&& attempt) {
    auto fastest = milliseconds::max();
    for (int index = 0; index < Tries && fastest > Promise; ++index) fastest = std::min(fastest, attempt());
    return fastest;
  }
};

TEST_P(CancellationTest, ByAnotherThreadIsNoticed) {
  auto const time = Fastest([] {
    return TimeToComeBack(
        GetParam(), [] { return Patiently().WithCancellation(); }, [](Context const& context) { context.Cancel(); });
  });
  EXPECT_LE(time, Promise);
}

TEST_P(CancellationTest, OfAParentIsNoticed) {
  auto const parent = Context{}.WithCancellation();
  auto const time = TimeToComeBack(
      GetParam(), [&] { return parent.WithTimeout(Event::Patience).WithCancellation(); },
      [&](Context const&) { parent.Cancel(); });
  EXPECT_LT(time, Event::Patience);
}

TEST_P(CancellationTest, ByAProbeIsNoticed) {
  std::atomic<bool> cancelled{false};
  auto const time = Fastest([&] {
    cancelled = false;
    return TimeToComeBack(
        GetParam(), [&] { return Patiently().WithCancellationProbe([&] { return cancelled.load(); }); },
        [&](Context const&) { cancelled = true; });
  });
  EXPECT_LE(time, Promise);
}

TEST_P(CancellationTest, TheDeadlineIsKept) {
  auto const timeout = milliseconds{20};
  auto const time = Fastest([&] {
    auto const stuck = GetParam().Make();
    auto const start = SteadyClock::now();
    auto const error = ErrorOf([&] { stuck->Run(Context{}.WithTimeout(timeout)); });
    auto const took = std::chrono::duration_cast<milliseconds>(SteadyClock::now() - start);
    EXPECT_TRUE(error);
    if (error) {
      EXPECT_EQ(
          error->Code(), GetParam().Name == "WaitingForAConnection" ? errors::PoolExhausted : errors::DeadlineExceeded);
      EXPECT_TRUE(error->Details().Transient);
      using testing::HasSubstr;
      // What a body of the application's says itself is its own.
      EXPECT_THAT(
          error->what(), testing::AnyOf(HasSubstr(".test"), HasSubstr("127.0.0.1"), HasSubstr("generating a body")));
    }
    EXPECT_GE(took, timeout);
    EXPECT_EQ(stuck->Statistics().InUse, 0U);
    return took;
  });
  EXPECT_LE(time, timeout + Promise);
}

INSTANTIATE_TEST_SUITE_P(Phases, CancellationTest, testing::ValuesIn(Phases()), [](auto const& phase) {
  return phase.param.Name;
});

/// A context that has ended while nobody waited is noticed all the same.
TEST(BodyContextTest, ReadingTakesAContextOfItsOwn) {
  ScriptedServer server{ServeEcho};
  auto const transport = MakeTransport();
  auto const sending = Patiently().WithCancellation();
  auto request = Post(server.Url(), "hello");
  auto const response = transport->Send(request, nullptr, sending);
  sending.Cancel();
  EXPECT_EQ(ReadAll(*response), "hello") << "the context of Send ends with Send";
}

TEST(BodyContextTest, ABodyThatWasCancelledStaysSo) {
  ScriptedServer server{[](ScriptedConnection& connection) {
    connection.ReadRequest();
    connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
    connection.WaitUntilClosed();
  }};
  auto const transport = MakeTransport();
  auto request = Get(server.Url());
  auto const response = transport->Send(request, nullptr, Patiently());
  EXPECT_EQ(
      ErrorCodeOf([&] { ReadToEnd(*response->Body, 100, Context{}.WithTimeout(milliseconds{10})); }),
      "deadline_exceeded");
  EXPECT_NE(ErrorCodeOf([&] { ReadToEnd(*response->Body, 100, Patiently()); }), "no error")
      << "part of the body is lost, so the rest is worth nothing";
}

}  // namespace
}  // namespace mtlspop::test
