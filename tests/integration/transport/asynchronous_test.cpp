// What holds for asynchronous requests beyond what holds for all: threads, many at once, and the ends of transports and
// processes. All else is tested over both ways of waiting from one source (MTLSPOP_TEST_ASYNCHRONOUS).

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include <openssl/provider.h>
#include <openssl/ssl.h>

#include "mtlspop/transport/clock.hpp"
#include "mtlspop/transport/log.hpp"
#include "mtlspop/transport/openssl.hpp"
#include "mtlspop/transport/pushed_body.hpp"
#include "mtlspop/transport/signer.hpp"
#include "signer_binding.hpp"
#include "support/awaiting_transport.hpp"
#include "support/in_child.hpp"
#include "support/software_signer.hpp"
#include "support/told.hpp"
#include "transport_test.hpp"

namespace mtlspop::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using SteadyClock = std::chrono::steady_clock;

constexpr char const* ReactorThread = "mtlspop-io";

std::string NameOfThisThread() {
  char name[16] = {};
  ::pthread_getname_np(::pthread_self(), name, sizeof name);
  return name;
}

/// A thread that one of them has just started counts as one until it has its own name: see it `Eventually`.
std::size_t ReactorThreads() {
  std::size_t count = 0;
  for (auto const& entry : std::filesystem::directory_iterator{"/proc/self/task"}) {
    std::string name;
    std::getline(std::ifstream{entry.path() / "comm"}, name);
    count += name == ReactorThread ? 1 : 0;
  }
  return count;
}

/// What some requests came to, by code of error; "" for an answer.
class Tally final {
 public:
  Completion<std::unique_ptr<Response>> Counted() {
    return [this](Outcome<std::unique_ptr<Response>> outcome) {
      auto const code = ErrorCodeOf([&] { (void)std::move(outcome).Take(); });
      std::lock_guard<std::mutex> const lock{mutex_};
      ++counts_[code];
      ++total_;
      last_ = SteadyClock::now();
      changed_.notify_all();
    };
  }

  [[nodiscard]] bool WaitFor(std::size_t total) {
    std::unique_lock<std::mutex> lock{mutex_};
    return changed_.wait_for(lock, Slowness * Event::Patience, [&] { return total_ == total; });
  }

  std::map<std::string, std::size_t> Counts() {
    std::lock_guard<std::mutex> const lock{mutex_};
    return counts_;
  }
  SteadyClock::time_point Last() {
    std::lock_guard<std::mutex> const lock{mutex_};
    return last_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::size_t> counts_;
  std::size_t total_ = 0;
  SteadyClock::time_point last_{};
};

/// Not `MakeTransport`, which may wait.
Transport AsynchronousTransport(TransportOptions options = TrustingOptions()) {
  return MakeHttpTransport(std::move(options));
}

void Send(Transport const& transport, std::string const& url, Context const& context, Tally& tally) {
  transport->SendAsync(std::make_shared<Request>(Get(url)), nullptr, context, tally.Counted());
}

/// Gets requests and answers none.
class SilentServer final {
 public:
  explicit SilentServer(ScriptedServerOptions options = {})
      : server_(std::move(options), [this](ScriptedConnection& connection) {
          connection.ReadHead();
          ++asked_;
          connection.WaitUntilClosed();
        }) {}
  std::string Url() const { return server_.Url(); }
  std::size_t Asked() const { return asked_; }

 private:
  std::atomic<std::size_t> asked_{0};
  ScriptedServer server_;
};

TEST(AsynchronousTest, TenThousandRequestsShareAFewConnectionsAndThreads) {
  constexpr std::size_t requests = 10'000 / Slowness;
  ScriptedServer server{TlsServer(), Serve("hello")};
  auto options = TrustingOptions();
  options.Pool.MaximumPerOrigin = 8;
  auto const transport = AsynchronousTransport(options);
  Tally tally;
  for (std::size_t index = 0; index < requests; ++index) Send(transport, server.Url(), {}, tally);
  EXPECT_TRUE(Eventually([] { return ReactorThreads() <= std::thread::hardware_concurrency(); }));
  ASSERT_TRUE(tally.WaitFor(requests));
  EXPECT_EQ(tally.Counts(), (std::map<std::string, std::size_t>{{"no error", requests}}));
  EXPECT_LE(server.ConnectionCount(), 8U);
  EXPECT_EQ(transport->PoolStatistics().Waiting, 0U);
}

/// How soon is the benchmark's to say; that nothing of it takes the square of their number is seen here.
TEST(AsynchronousTest, WhoeverWaitsInLineEndsWithItsContext) {
  constexpr std::size_t waiting = 10'000 / Slowness;
  constexpr seconds promise{5};
  SilentServer server;
  auto options = TrustingOptions();
  options.Pool.MaximumPerOrigin = 1;
  auto const transport = AsynchronousTransport(options);
  auto const context = Context{}.WithCancellation();
  Tally tally;
  for (std::size_t index = 0; index <= waiting; ++index) Send(transport, server.Url(), context, tally);
  ASSERT_TRUE(Eventually([&] { return transport->PoolStatistics().Waiting == waiting; }));
  auto const start = SteadyClock::now();
  context.Cancel();
  ASSERT_TRUE(tally.WaitFor(waiting + 1));
  EXPECT_LE(tally.Last() - start, promise);
  EXPECT_EQ(tally.Counts(), (std::map<std::string, std::size_t>{{"cancelled", waiting + 1}}));
  EXPECT_EQ(transport->PoolStatistics().Waiting, 0U);
  EXPECT_EQ(transport->PoolStatistics().InUse, 0U);
}

/// A port that takes connections and never answers, without a thread that an exit would find at work.
std::string UrlOfSilentPort() {
  static int const listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), length) != 0 || ::listen(listener, 64) != 0 ||
      ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    ::_exit(1);
  }
  return "https://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/";
}

/// A server that is given ten thousand handshakes at once completes none of them in time.
TEST(AsynchronousTest, OnlySoManyConnectionsAreOpenedAtATime) {
  constexpr std::size_t requests = 300;
  auto options = TrustingOptions();
  options.Pool.MaximumPerOrigin = requests;
  auto const transport = AsynchronousTransport(options);
  auto const context = Context{}.WithCancellation();
  auto const url = UrlOfSilentPort();
  Tally tally;
  for (std::size_t index = 0; index < requests; ++index) Send(transport, url, context, tally);
  EXPECT_TRUE(Eventually([&] {
    auto const statistics = transport->PoolStatistics();
    return statistics.InUse == 256 && statistics.Waiting == requests - 256;
  }));
  context.Cancel();
  ASSERT_TRUE(tally.WaitFor(requests));
  EXPECT_EQ(transport->PoolStatistics().InUse, 0U);
}

TEST(AsynchronousTest, DeadlinesOfManyAreKept) {
  constexpr std::size_t waiting = 1'000;
  SilentServer server;
  auto options = TrustingOptions();
  options.Pool.MaximumPerOrigin = 1;
  auto const transport = AsynchronousTransport(options);
  auto const held = Context{}.WithCancellation();
  Tally tally;
  Send(transport, server.Url(), held, tally);
  ASSERT_TRUE(Eventually([&] { return server.Asked() == 1; }));
  for (std::size_t index = 0; index < waiting; ++index) {
    Send(transport, server.Url(), Context{}.WithTimeout(milliseconds{200}), tally);
  }
  ASSERT_TRUE(tally.WaitFor(waiting));
  EXPECT_EQ(tally.Counts(), (std::map<std::string, std::size_t>{{"pool_exhausted", waiting}}));
  held.Cancel();
  ASSERT_TRUE(tally.WaitFor(waiting + 1));
}

/// Where what is the application's was called or destroyed.
struct Whereabouts {
  void Note(char const* what) {
    std::lock_guard<std::mutex> const lock{Mutex};
    Threads[what].insert(NameOfThisThread());
  }
  std::size_t Count(char const* what) {
    std::lock_guard<std::mutex> const lock{Mutex};
    return Threads.count(what);
  }
  std::mutex Mutex;
  std::map<std::string, std::set<std::string>> Threads;
};

class NotingBody final : public BodyStream {
 public:
  NotingBody(Whereabouts& noted, std::size_t size) : noted_(noted), inner_(size, size) {}
  ~NotingBody() override { noted_.Note("body destroyed"); }
  std::size_t Read(gsl::span<std::uint8_t> buffer, Context const& context) override {
    noted_.Note("body read");
    return inner_.Read(buffer, context);
  }
  void ReadAsync(gsl::span<std::uint8_t> buffer, Context const& context, Completion<std::size_t> done) override {
    noted_.Note("body read asynchronously");
    BodyStream::ReadAsync(buffer, context, std::move(done));
  }
  std::optional<std::uint64_t> Length() const noexcept override {
    noted_.Note("body asked for its length");
    return inner_.Length();
  }
  bool TryRewind() override {
    noted_.Note("body rewound");
    return false;
  }

 private:
  Whereabouts& noted_;
  GeneratedBody inner_;
};

/// Notes where it goes.
std::shared_ptr<void> NotingToken(std::shared_ptr<Whereabouts> const& noted, char const* what) {
  return {noted.get(), [noted, what](void*) { noted->Note(what); }};
}

class NotingClock final : public Clock {
 public:
  explicit NotingClock(std::shared_ptr<Whereabouts> const& noted) : token_(NotingToken(noted, "clock destroyed")) {}
  SystemTime Now() const override { return SystemClock()->Now(); }
  SteadyTime SteadyNow() const override { return SystemClock()->SteadyNow(); }
  void Sleep(std::chrono::nanoseconds duration, Context const& context) override {
    SystemClock()->Sleep(duration, context);
  }

 private:
  std::shared_ptr<void> token_;
};

class NotingSigner final : public openssl::Signer {
 public:
  /// @param going called as it goes; may be null
  NotingSigner(std::shared_ptr<Whereabouts> noted, std::shared_ptr<EVP_PKEY> key, std::function<void()> going)
      : noted_(std::move(noted)),
        going_(std::move(going)),
        inner_(std::move(key), {openssl::SignatureAlgorithm::RsaPss, openssl::SignatureAlgorithm::RsaPkcs1}) {}
  ~NotingSigner() override {
    if (going_) going_();
    noted_->Note("key destroyed");
  }
  std::vector<std::uint8_t> const& SubjectPublicKeyInfo() const noexcept override {
    return inner_.SubjectPublicKeyInfo();
  }
  std::vector<openssl::SignatureAlgorithm> Algorithms() const override { return inner_.Algorithms(); }
  std::vector<std::uint8_t> Sign(openssl::SignatureRequest const& request, Context const& context) const override {
    noted_->Note("signed");
    return inner_.Sign(request, context);
  }

 private:
  std::shared_ptr<Whereabouts> const noted_;
  std::function<void()> going_;
  SoftwareSigner inner_;
};

/// Who hears of it when a key that is not in memory is given to TLS, which asks the key's provider about it.
std::atomic<Whereabouts*> givenKeys{nullptr};

class AsynchronousPlacesTest : public testing::TestWithParam<int> {
 protected:
  AsynchronousPlacesTest() { givenKeys = &noted_; }
  ~AsynchronousPlacesTest() override { givenKeys = nullptr; }

  /// A binding whose key `noted_` hears of.
  Binding NotingBinding(std::function<void()> going = nullptr) {
    std::shared_ptr<EVP_PKEY> const key{EVP_RSA_gen(2048), &EVP_PKEY_free};
    auto const wrapped = openssl::MakeSignerKey(std::make_shared<NotingSigner>(shared_, key, std::move(going)));
    return SignerBinding(key, wrapped.get());
  }

  /// Held by what may go after the test.
  std::shared_ptr<Whereabouts> const shared_ = std::make_shared<Whereabouts>();
  Whereabouts& noted_ = *shared_;
};

/// In the first handshake, by renegotiation, after a TLS 1.3 handshake: the key signs elsewhere; so is the body read.
TEST_P(AsynchronousPlacesTest, NothingOfTheApplicationsIsOnAReactor) {
  for (bool const atOnce : {true, false}) {
    auto const version = GetParam();
    ScriptedServer server{atOnce ? AskingTlsServer(version, version) : TlsServer(version, version), ServeX5tS256};
    auto options = AllowTls13(TrustingOptions(), server.Url());
    // That a connection was closed with its transport may be told when the test is over.
    options.Observer =
        MakeLog([noted = shared_](Severity, std::string_view) { noted->Note("logged"); }, Severity::Debug);
    auto const transport = AsynchronousTransport(options);
    auto const binding = NotingBinding();
    auto request = std::make_shared<Request>("PUT", Url::Parse(server.Url()));
    request->Body = std::make_shared<NotingBody>(noted_, 100'000);
    std::promise<std::string> promise;
    auto const weak = std::weak_ptr<Request>{request};
    transport->SendAsync(std::move(request), binding, Patiently(), [&](Outcome<std::unique_ptr<Response>> outcome) {
      noted_.Note("told");
      try {
        promise.set_value(ReadAll(*std::move(outcome).Take()));
      } catch (...) {
        promise.set_exception(std::current_exception());
      }
    });
    EXPECT_EQ(promise.get_future().get(), binding->X5tS256());
    EXPECT_TRUE(Eventually([&] { return weak.expired(); }));
  }
  std::lock_guard<std::mutex> const lock{noted_.Mutex};
  for (auto const& [what, threads] : noted_.Threads) EXPECT_EQ(threads.count(ReactorThread), 0U) << what;
  for (auto const* what :
       {"told", "key given to TLS", "signed", "logged", "body read", "body read asynchronously", "body destroyed"}) {
    EXPECT_EQ(noted_.Threads.count(what), 1U) << what;
  }
}

/// The answer that is read last is the last to hold all that its transport had, and it ends on a reactor.
TEST_P(AsynchronousPlacesTest, NothingOfTheApplicationsIsDestroyedOnAReactor) {
  Event gone;
  ScriptedServer server{AskingTlsServer(GetParam(), GetParam()), [&](ScriptedConnection& connection) {
                          connection.ReadRequest();
                          connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel");
                          if (gone.Wait()) connection.Write("lo");
                          connection.WaitUntilClosed();
                        }};
  auto options = AllowTls13(TrustingOptions(), server.Url());
  options.Observer =
      MakeLog([token = NotingToken(shared_, "observer destroyed")](Severity, std::string_view) {}, Severity::Debug);
  options.Time = std::make_shared<NotingClock>(shared_);
  options.Callbacks = [token = NotingToken(shared_, "executor destroyed"),
                       inner = DefaultExecutor()](std::function<void()> task) { inner(std::move(task)); };
  auto transport = AsynchronousTransport(std::exchange(options, {}));
  Told<std::unique_ptr<Response>> const told;
  transport->SendAsync(std::make_shared<Request>(Get(server.Url())), NotingBinding(), Patiently(), told.Done());
  auto response = told.Wait();
  transport.reset();
  gone.Set();
  std::array<std::uint8_t, 8> buffer{};
  for (std::size_t const expected : {std::size_t{3}, std::size_t{2}}) {
    Told<std::size_t> const read;
    response->Body->ReadAsync(buffer, Patiently(), read.Done());
    ASSERT_EQ(read.Wait(), expected);
  }
  response.reset();
  for (auto const* what : {"key destroyed", "observer destroyed", "clock destroyed", "executor destroyed"}) {
    EXPECT_TRUE(Eventually([&] { return noted_.Count(what) == 1; })) << what;
    EXPECT_EQ(noted_.Threads[what].count(ReactorThread), 0U) << what;
  }
}

/// A key may do as it goes whatever it can do otherwise.
TEST_P(AsynchronousPlacesTest, AKeyThatGoesMayAskTheTransport) {
  ScriptedServer server{AskingTlsServer(GetParam(), GetParam()), [&](ScriptedConnection& connection) {
                          connection.ReadRequest();
                          connection.Answer(200, "hello", "Connection: close\r\n");
                        }};
  auto const transport = AsynchronousTransport(AllowTls13(TrustingOptions(), server.Url()));
  std::size_t bindings = 99;
  auto binding = NotingBinding([&] { bindings = transport->PoolStatistics().Bindings; });
  EXPECT_EQ(Fetch(transport, Get(server.Url()), binding).Body, "hello");
  auto const x5tS256 = binding->X5tS256();
  binding.reset();
  transport->DropConnections(x5tS256);
  EXPECT_EQ(bindings, 0U);
}

INSTANTIATE_TEST_SUITE_P(
    Versions, AsynchronousPlacesTest, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION), [](auto const& version) {
      return version.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
    });

TEST(AsynchronousTest, CompletionsRunWhereTheOptionsSay) {
  ScriptedServer server{Serve("hello")};
  std::mutex mutex;
  std::vector<std::function<void()>> tasks;
  auto options = TrustingOptions();
  options.Callbacks = [&](std::function<void()> task) {
    std::lock_guard<std::mutex> const lock{mutex};
    tasks.push_back(std::move(task));
  };
  auto const transport = AsynchronousTransport(options);
  std::thread::id told;
  transport->SendAsync(
      std::make_shared<Request>(Get(server.Url())), nullptr, {}, [&](auto) { told = std::this_thread::get_id(); });
  ASSERT_TRUE(Eventually([&] {
    std::lock_guard<std::mutex> const lock{mutex};
    return tasks.size() == 1;
  }));
  EXPECT_EQ(told, std::thread::id{});
  tasks.front()();
  EXPECT_EQ(told, std::this_thread::get_id());
}

TEST(AsynchronousTest, ARefusedRequestIsToldLikeAnyFailure) {
  auto const transport = AsynchronousTransport();
  auto request = std::make_shared<Request>(Get("http://localhost/"));
  request->Fields.Set("Upgrade", "websocket");
  std::promise<std::string> code;
  transport->SendAsync(request, nullptr, {}, [&](Outcome<std::unique_ptr<Response>> outcome) {
    code.set_value(ErrorCodeOf([&] { (void)std::move(outcome).Take(); }));
  });
  EXPECT_EQ(code.get_future().get(), "invalid_argument");
  EXPECT_EQ(ErrorCodeOf([&] { transport->SendAsync(nullptr, nullptr, {}, [](auto) {}); }), "invalid_argument");
}

TEST(AsynchronousTest, ACompletionMaySendTheNextRequest) {
  ScriptedServer server{Serve("hello")};
  auto const transport = AsynchronousTransport();
  std::promise<void> over;
  std::function<void(int)> send = [&](int left) {
    if (left == 0) return over.set_value();
    transport->SendAsync(
        std::make_shared<Request>(Get(server.Url())), nullptr, Patiently(),
        [&, left](Outcome<std::unique_ptr<Response>> outcome) {
          (void)std::move(outcome).Take();
          send(left - 1);
        });
  };
  send(100);
  over.get_future().get();
  EXPECT_EQ(server.ConnectionCount(), 1U);
}

/// What the other side does not take is not read from the body either.
TEST(AsynchronousTest, ASlowReaderStopsTheSender) {
  Event over;
  ScriptedServer server{TlsServer(), [&](ScriptedConnection& connection) {
                          connection.ReadHead();
                          (void)over.Wait();
                        }};
  auto const transport = AsynchronousTransport();
  auto const body = std::make_shared<GeneratedBody>(std::uint64_t{1} << 40U, std::nullopt);
  auto request = std::make_shared<Request>("PUT", Url::Parse(server.Url()));
  request->Body = body;
  auto const context = Context{}.WithCancellation();
  Tally tally;
  transport->SendAsync(request, nullptr, context, tally.Counted());
  std::uint64_t given = 0;
  EXPECT_TRUE(Eventually([&] {
    auto const before = std::exchange(given, body->Given());
    (void)Event{}.Wait(milliseconds{100});
    return given > 0 && before == given;
  }));
  EXPECT_LT(given, std::uint64_t{32} << 20U);
  context.Cancel();
  ASSERT_TRUE(tally.WaitFor(1));
  over.Set();
}

/// A request whose body's next piece is long in coming.
class SlowBodyTest : public AsynchronousPlacesTest {
 protected:
  /// Sends the first piece.
  void Begin(std::string const& url, Binding binding = nullptr) {
    auto request = std::make_shared<Request>("POST", Url::Parse(url));
    request->Body = std::move(pushed_.Body);
    Write("first");
    transport_ = AsynchronousTransport(AllowTls13(TrustingOptions(), url));
    transport_->SendAsync(std::move(request), std::move(binding), {}, told_.Done());
  }
  void Write(std::string_view text) {
    pushed_.Writer->Write({reinterpret_cast<std::uint8_t const*>(text.data()), text.size()}, {});
  }
  std::unique_ptr<Response> Wait() const { return told_.WaitFor(Event::Patience); }

  static void ReadFirstPiece(ScriptedConnection& connection) {
    connection.ReadHead();
    connection.ReadExactly(std::string_view{"5\r\nfirst\r\n"}.size());
  }

  PushedBody pushed_ = MakePushedBody();
  Transport transport_;
  Told<std::unique_ptr<Response>> told_;
};

/// Has a length, and nothing to give.
class SilentBody final : public BodyStream {
 public:
  std::size_t Read(gsl::span<std::uint8_t> /*buffer*/, Context const& context) override {
    SystemClock()->Sleep(Event::Patience, context);
    return 0;
  }
  std::optional<std::uint64_t> Length() const noexcept override { return 5; }
};

/// A small body goes out with the header: nothing has been sent yet when the server speaks.
TEST_P(SlowBodyTest, IsNotWaitedForOnceTheServerHasAnsweredWhereItIsSmall) {
  Event over;
  ScriptedServer server{TlsServer(GetParam(), GetParam()), [&](ScriptedConnection& connection) {
                          connection.Answer(503, "busy", "Connection: close\r\n");
                          connection.CloseForWriting();
                          (void)over.Wait();
                        }};
  auto request = std::make_shared<Request>("POST", Url::Parse(server.Url()));
  request->Body = std::make_shared<SilentBody>();
  transport_ = AsynchronousTransport(AllowTls13(TrustingOptions(), server.Url()));
  transport_->SendAsync(std::move(request), nullptr, {}, told_.Done());
  EXPECT_EQ(Wait()->StatusCode, 503);
  over.Set();
}

TEST_P(SlowBodyTest, IsNotWaitedForOnceTheServerHasAnswered) {
  Event over;
  ScriptedServer server{TlsServer(GetParam(), GetParam()), [&](ScriptedConnection& connection) {
                          ReadFirstPiece(connection);
                          connection.Answer(413, "too large", "Connection: close\r\n");
                          connection.CloseForWriting();
                          (void)over.Wait();
                        }};
  Begin(server.Url());
  auto const response = Wait();
  EXPECT_EQ(response->StatusCode, 413);
  Told<std::string> const text;
  ReadToEndAsync(std::move(response->Body), 100, {}, text.Done());
  EXPECT_EQ(text.WaitFor(Event::Patience), "too large");
  over.Set();
}

TEST_P(SlowBodyTest, IsNotWaitedForOnceTheConnectionIsLost) {
  ScriptedServer server{TlsServer(GetParam(), GetParam()), [&](ScriptedConnection& connection) {
                          ReadFirstPiece(connection);
                          connection.Reset();
                        }};
  Begin(server.Url());
  EXPECT_EQ(ErrorCodeOf([&] { Wait(); }), "connection_lost");
}

/// A question for the certificate, whose answer has to be signed, and a ticket end no wait.
TEST_P(SlowBodyTest, GoesOnWhateverElseTheServerSays) {
  Event said;
  ScriptedServer server{TlsServer(GetParam(), GetParam()), [&](ScriptedConnection& connection) {
                          ReadFirstPiece(connection);
                          if (GetParam() == TLS1_3_VERSION) connection.SendTicket();
                          connection.StartAskingForCertificate();
                          said.Set();
                          connection.AwaitCertificate();
                          auto const rest = connection.ReadExactly(std::string_view{"6\r\nsecond\r\n0\r\n\r\n"}.size());
                          connection.Answer(200, connection.Facts().X5tS256 + rest);
                        }};
  auto const binding = NotingBinding();
  Begin(server.Url(), binding);
  ASSERT_TRUE(said.Wait());
  Write("second");
  pushed_.Writer->Close();
  auto const response = Wait();
  Told<std::string> const text;
  ReadToEndAsync(std::move(response->Body), 1'000, {}, text.Done());
  EXPECT_EQ(text.WaitFor(Event::Patience), binding->X5tS256() + "6\r\nsecond\r\n0\r\n\r\n");
}

INSTANTIATE_TEST_SUITE_P(
    Versions, SlowBodyTest, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION), [](auto const& version) {
      return version.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
    });

TEST(AsynchronousTest, ThreadsGoWithTheTransport) {
  ASSERT_TRUE(Eventually([] { return ReactorThreads() == 0; })) << "those of other tests";
  ScriptedServer server{Serve("hello")};
  auto transport = AsynchronousTransport();
  EXPECT_EQ(ReactorThreads(), 0U);
  Tally tally;
  Send(transport, server.Url(), Patiently(), tally);
  ASSERT_TRUE(tally.WaitFor(1));
  EXPECT_TRUE(Eventually([] { return ReactorThreads() == 1; })) << "one request at a time needs no more";
  transport.reset();
  EXPECT_TRUE(Eventually([] { return ReactorThreads() == 0; }));
}

TEST(AsynchronousTest, AnAnswerIsReadWhenTheTransportHasGone) {
  Event gone;
  ScriptedServer server{TlsServer(), [&](ScriptedConnection& connection) {
                          connection.ReadRequest();
                          connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel");
                          if (gone.Wait()) connection.Write("lo");
                        }};
  auto transport = AwaitAsynchronous(AsynchronousTransport());
  auto request = Get(server.Url());
  auto const held = transport->Send(request, nullptr, Patiently());
  transport.reset();
  gone.Set();
  EXPECT_EQ(ReadAll(*held), "hello");
}

/// A child has none of its parent's threads, and none of what they wait for.
TEST(AsynchronousForkTest, AChildSendsWhileItsParentWaits) {
  Event held;
  Event released;
  ScriptedServer server{TlsServer(), [&](ScriptedConnection& connection) {
                          while (auto const request = connection.TryReadRequest()) {
                            if (request->Target == "/held") {
                              held.Set();
                              if (!released.Wait()) return;
                            }
                            connection.Answer(200, request->Target);
                          }
                        }};
  auto const transport = AsynchronousTransport();
  Tally tally;
  Send(transport, server.Url("/held"), Patiently(), tally);
  // Not amid the handshake: no child can use what OpenSSL's own locks guard while another thread of its parent holds them.
  ASSERT_TRUE(held.Wait());
  EXPECT_TRUE(InChild([&] {
    ::alarm(60);
    return Fetch(AwaitAsynchronous(transport), Get(server.Url("/child"))).Body == "/child" && tally.Counts().empty();
  }));
  released.Set();
  ASSERT_TRUE(tally.WaitFor(1));
  EXPECT_EQ(tally.Counts(), (std::map<std::string, std::size_t>{{"no error", 1}}));
}

/// In processes of their own, whose exit is one.
class AsynchronousExitDeathTest : public testing::Test {
 protected:
  AsynchronousExitDeathTest() { testing::FLAGS_gtest_death_test_style = "threadsafe"; }
};

[[noreturn]] void ExitWithRequestsInFlight(Transport& transport) {
  auto const url = UrlOfSilentPort();
  transport = AsynchronousTransport();
  static Tally tally;
  for (int index = 0; index < 20; ++index) Send(transport, url, {}, tally);
  if (!Eventually([&] { return transport->PoolStatistics().InUse == 20; })) ::_exit(1);
  std::exit(7);
}

TEST_F(AsynchronousExitDeathTest, AProcessEndsWithRequestsInFlight) {
  // The one is destroyed during the exit, the other never.
  static Transport kept;
  static auto& leaked = *new Transport;
  EXPECT_EXIT(ExitWithRequestsInFlight(kept), testing::ExitedWithCode(7), "");
  EXPECT_EXIT(ExitWithRequestsInFlight(leaked), testing::ExitedWithCode(7), "");
}

/// Never destroyed: an exit finds its threads waiting, for nothing that is taken down.
ScriptedServer& LeakedServer() {
  static auto& server = *new ScriptedServer{[](ScriptedConnection& connection) {
    connection.ReadHead();
    connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel");
    connection.WaitUntilClosed();
  }};
  return server;
}

[[noreturn]] void ExitWithAnAnswersReadInFlight(Transport& transport) {
  transport = AsynchronousTransport();
  static Told<std::unique_ptr<Response>> const told;
  transport->SendAsync(std::make_shared<Request>(Get(LeakedServer().Url())), nullptr, {}, told.Done());
  // It must outlive what is being read of it: not destroyed with the other statics, while reactors still run.
  static auto const& response = *new std::unique_ptr<Response>{told.Wait()};
  static std::array<std::uint8_t, 8> buffer{};
  static Told<std::size_t> const read;
  static Told<std::size_t> const unread;
  response->Body->ReadAsync(buffer, {}, read.Done());
  if (read.Wait() != 3) ::_exit(1);
  response->Body->ReadAsync(buffer, {}, unread.Done());
  std::exit(7);
}

/// A body that never comes.
class MissingBody final : public BodyStream {
 public:
  std::size_t Read(gsl::span<std::uint8_t> /*buffer*/, Context const& /*context*/) override { return 0; }
  void ReadAsync(
      gsl::span<std::uint8_t> /*buffer*/, Context const& /*context*/, Completion<std::size_t> done) override {
    done_ = std::move(done);
    Asked.Set();
  }
  Event Asked;

 private:
  Completion<std::size_t> done_;
};

[[noreturn]] void ExitWithABodysReadInFlight(Transport& transport) {
  auto url = UrlOfSilentPort();
  url.erase(url.find('s'), 1);
  transport = AsynchronousTransport();
  static auto const body = std::make_shared<MissingBody>();
  auto request = std::make_shared<Request>("PUT", Url::Parse(url));
  request->Body = body;
  static Tally tally;
  transport->SendAsync(std::move(request), nullptr, {}, tally.Counted());
  if (!body->Asked.Wait()) ::_exit(1);
  std::exit(7);
}

TEST_F(AsynchronousExitDeathTest, AProcessEndsWithReadsInFlight) {
  static Transport kept;
  static auto& leaked = *new Transport;
  EXPECT_EXIT(ExitWithAnAnswersReadInFlight(kept), testing::ExitedWithCode(7), "");
  EXPECT_EXIT(ExitWithAnAnswersReadInFlight(leaked), testing::ExitedWithCode(7), "");
  EXPECT_EXIT(ExitWithABodysReadInFlight(kept), testing::ExitedWithCode(7), "");
  EXPECT_EXIT(ExitWithABodysReadInFlight(leaked), testing::ExitedWithCode(7), "");
}

TEST_F(AsynchronousExitDeathTest, WhatACompletionThrowsEndsTheProcess) {
  EXPECT_EXIT(
      {
        std::set_terminate([] { ::_exit(7); });
        ScriptedServer server{Serve("hello")};
        auto const transport = AsynchronousTransport();
        transport->SendAsync(
            std::make_shared<Request>(Get(server.Url())), nullptr, {}, [](auto) { throw std::runtime_error{"mine"}; });
        (void)Event{}.Wait();
      },
      testing::ExitedWithCode(7), "");
}

}  // namespace
}  // namespace mtlspop::test

/// In front of OpenSSL's, for the whole program.
extern "C" int SSL_CTX_use_PrivateKey(SSL_CTX* context, EVP_PKEY* key) {
  using namespace mtlspop::test;
  static auto const original =
      reinterpret_cast<int (*)(SSL_CTX*, EVP_PKEY*)>(::dlsym(RTLD_NEXT, "SSL_CTX_use_PrivateKey"));
  auto* const noted = givenKeys.load();
  auto const* const provider = EVP_PKEY_get0_provider(key);
  if (noted != nullptr && provider != nullptr && OSSL_PROVIDER_get0_name(provider) != std::string_view{"default"}) {
    noted->Note("key given to TLS");
  }
  return original(context, key);
}
