// What happens while a step of an asynchronous request is taken on the threads for signatures, where nobody hears of it.

#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <functional>
#include <future>
#include <thread>
#include <vector>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "mtlspop/transport/blocking_call.hpp"
#include "mtlspop/transport/clock.hpp"
#include "mtlspop/transport/log.hpp"
#include "mtlspop/transport/openssl.hpp"
#include "mtlspop/transport/signer.hpp"
#include "signer_binding.hpp"
#include "support/software_signer.hpp"
#include "support/told.hpp"
#include "transport_test.hpp"

namespace mtlspop::test {
namespace {

/// A key that is not in memory, and the certificate for it.
struct SlowKey {
  SlowKey() {
    std::shared_ptr<EVP_PKEY> const key{EVP_RSA_gen(2048), &EVP_PKEY_free};
    Signer = std::make_shared<SoftwareSigner>(
        key, std::vector<openssl::SignatureAlgorithm>{
                 openssl::SignatureAlgorithm::RsaPss, openssl::SignatureAlgorithm::RsaPkcs1});
    auto const wrapped = openssl::MakeSignerKey(Signer);
    Certificate = SignerBinding(key, wrapped.get());
  }

  std::shared_ptr<SoftwareSigner> Signer;
  Binding Certificate;
};

/// The system's, which says when somebody looks at it.
class WatchedClock final : public Clock {
 public:
  explicit WatchedClock(std::function<void()> looked) : looked_(std::move(looked)) {}
  SystemTime Now() const override { return SystemClock()->Now(); }
  SteadyTime SteadyNow() const override {
    looked_();
    return SystemClock()->SteadyNow();
  }
  void Sleep(std::chrono::nanoseconds duration, Context const& context) override {
    SystemClock()->Sleep(duration, context);
  }

 private:
  std::function<void()> looked_;
};

/// Cuts this process's connections to a port of its own.
void CutConnectionsTo(std::uint16_t port) {
  constexpr int most = 1024;
  for (int descriptor = 0; descriptor < most; ++descriptor) {
    sockaddr_in peer{};
    socklen_t length = sizeof peer;
    bool const isSocket = ::getpeername(descriptor, reinterpret_cast<sockaddr*>(&peer), &length) == 0;
    if (isSocket && peer.sin_family == AF_INET && ntohs(peer.sin_port) == port) ::shutdown(descriptor, SHUT_RDWR);
  }
}

/// A request whose connection is lost while it signs, and that stands in the pool's line for another one by the time that
/// the thread for signatures is done with it: where `held` asks for it, that is held up then.
class SignerLostConnectionTest : public testing::Test {
 protected:
  SignerLostConnectionTest() {
    auto options = TrustingOptions();
    options.Pool.MaximumPerOrigin = 1;
    options.Time = std::make_shared<WatchedClock>([this] { Looked(); });
    // Whoever is told how long a request has stood in line has the clock looked at as it begins to.
    options.Observer = MakeLog([](Severity, std::string_view) {}, Severity::Info);
    transport_ = std::shared_ptr<HttpTransport>{MakeHttpTransport(std::move(options))};
    key_.Signer->BeforeEach = [this](auto const&, auto const&) {
      if (signer_ != std::thread::id{}) return;
      EXPECT_TRUE(isOtherInLine_.Wait());
      signer_ = std::this_thread::get_id();
      CutConnectionsTo(server_.Port());
    };
  }
  ~SignerLostConnectionTest() override { answersHeld_.Set(); }

  Told<std::unique_ptr<Response>> Send(std::string const& target, Context const& context = {}) {
    Told<std::unique_ptr<Response>> told;
    transport_->SendAsync(std::make_shared<Request>(Get(server_.Url(target))), key_.Certificate, context, told.Done());
    return told;
  }

  /// The request signs, another one waits for its connection, has another one in its place, and keeps it for `heldTarget`.
  void BeginBoth(std::string const& otherTarget, Context const& context) {
    (void)ReadAll(*Send("/").Wait());
    asking_.emplace(Send("/asks", context));
    ASSERT_TRUE(Eventually([&] { return transport_->PoolStatistics().InUse == 1; }));
    other_.emplace(Send(otherTarget));
    ASSERT_TRUE(Eventually([&] { return transport_->PoolStatistics().Waiting == 1; }));
    isOtherInLine_.Set();
    ASSERT_TRUE(isInLine_.Wait());
  }

  Event answersHeld_;
  Event goOn_;
  std::optional<Told<std::unique_ptr<Response>>> asking_;
  std::optional<Told<std::unique_ptr<Response>>> other_;

 private:
  /// On the thread for signatures it is looked at as the lost connection is given back, as another is asked for, and as the
  /// request has begun to stand in line.
  void Looked() {
    if (signer_ != std::this_thread::get_id() || isInLine_.IsSet()) return;
    auto const waiting = transport_->PoolStatistics().Waiting;
    hasOtherLeft_ = hasOtherLeft_ || waiting == 0;
    if (!hasOtherLeft_ || waiting == 0) return;
    isInLine_.Set();
    EXPECT_TRUE(goOn_.Wait());
  }

  Event isOtherInLine_;
  Event isInLine_;
  std::atomic<std::thread::id> signer_{};
  bool hasOtherLeft_ = false;
  SlowKey key_;
  ScriptedServer server_{TlsServer(TLS1_2_VERSION, TLS1_2_VERSION), [this](ScriptedConnection& connection) {
                           while (auto const request = connection.TryReadRequest()) {
                             if (request->Target == "/asks") connection.AskForCertificate();
                             if (request->Target == "/held" && !answersHeld_.Wait()) return;
                             // Not before there is a line to stand in.
                             if (request->Target == "/soon" && !isInLine_.Wait()) return;
                             connection.Answer(200, request->Target);
                           }
                         }};

 protected:
  Transport transport_;
};

TEST_F(SignerLostConnectionTest, ItsTurnInTheLineMayComeMeanwhile) {
  ASSERT_NO_FATAL_FAILURE(BeginBoth("/soon", {}));
  EXPECT_EQ(ReadAll(*other_->Wait()), "/soon");
  ASSERT_TRUE(Eventually([&] { return transport_->PoolStatistics().Waiting == 0; }));
  goOn_.Set();
  EXPECT_EQ(ReadAll(*asking_->WaitFor(Event::Patience)), "/asks");
}

TEST_F(SignerLostConnectionTest, ItMayBeCancelledMeanwhile) {
  auto const context = Context{}.WithCancellation();
  ASSERT_NO_FATAL_FAILURE(BeginBoth("/held", context));
  context.Cancel();
  goOn_.Set();
  EXPECT_EQ(ErrorCodeOf([&] { (void)asking_->WaitFor(Event::Patience); }), "cancelled");
  answersHeld_.Set();
  EXPECT_EQ(ReadAll(*other_->Wait()), "/held");
}

/// Devices that do not answer keep all threads for signatures, and what a request may take to connect passes.
TEST(SignerThreadsTest, AreWaitedForNoLongerThanForAConnection) {
  constexpr std::size_t threads = 64;
  Event released;
  std::atomic<std::size_t> busy{0};
  for (std::size_t index = 0; index < threads; ++index) {
    RunBlocking(
        BlockingWork::Signing, {},
        [&](Context const&) {
          ++busy;
          EXPECT_TRUE(released.Wait());
          --busy;
        },
        [] {});
  }
  ASSERT_TRUE(Eventually([&] { return busy == threads; }));
  SlowKey const key;
  ScriptedServer server{AskingTlsServer(), Serve("hello")};
  auto options = TrustingOptions();
  options.ConnectTimeout = std::chrono::milliseconds{100};
  Transport const transport = MakeHttpTransport(options);
  Told<std::unique_ptr<Response>> const told;
  transport->SendAsync(std::make_shared<Request>(Get(server.Url())), key.Certificate, {}, told.Done());
  auto const error = ErrorOf([&] { (void)told.WaitFor(Event::Patience / 2); });
  released.Set();
  EXPECT_TRUE(Eventually([&] { return busy == 0; }));
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code().Name(), "deadline_exceeded");
  EXPECT_NE(error->Details().What.find("was ready within 100 ms"), std::string::npos) << error->Details().What;
}

/// As many connections are being opened as may be, all of them held up by signatures; at the head of the line stands somebody
/// whose connection was lost, and who wants a fresh one.
TEST(SignerLineTest, WhoWantsAFreshConnectionKeepsNobodyFromAnIdleOne) {
  constexpr std::size_t mostOpening = 256;
  Event firstTwoAreThere;
  Event cut;
  Event released;
  std::atomic<int> held{0};
  // Without sessions, so that each connection needs a signature.
  auto asking = AskingTlsServer(TLS1_3_VERSION, TLS1_3_VERSION);
  asking.Tls->Tickets = 0;
  ScriptedServer server{std::move(asking), [&](ScriptedConnection& connection) {
                          while (auto const request = connection.TryReadRequest()) {
                            if (request->Target == "/both" && ++held == 2) firstTwoAreThere.Set();
                            if (request->Target == "/both" && !firstTwoAreThere.Wait()) return;
                            if (request->Target == "/cut" && cut.Wait()) return connection.Reset();
                            if (request->Target == "/held" && !released.Wait()) return;
                            connection.Answer(200, request->Target);
                          }
                        }};
  SlowKey key;
  Event mayAllSign;
  auto options = AllowTls13(TrustingOptions(), server.Url());
  options.Pool.MaximumPerOrigin = 2 * mostOpening;
  options.ConnectTimeout = std::chrono::hours{1};
  Transport const transport = MakeHttpTransport(options);
  auto const context = Context{}.WithCancellation();
  auto const send = [&](std::string const& target) {
    Told<std::unique_ptr<Response>> told;
    transport->SendAsync(std::make_shared<Request>(Get(server.Url(target))), key.Certificate, context, told.Done());
    return told;
  };
  auto const statistics = [&] { return transport->PoolStatistics(); };
  auto const first = send("/both");
  auto const second = send("/both");
  (void)first.WaitFor(Event::Patience);
  (void)second.WaitFor(Event::Patience);
  ASSERT_TRUE(Eventually([&] { return statistics().Idle == 2; }));
  auto const lost = send("/cut");
  auto const busy = send("/held");
  ASSERT_TRUE(Eventually([&] { return statistics().InUse == 2; }));
  key.Signer->BeforeEach = [&](auto const&, auto const&) { EXPECT_TRUE(mayAllSign.Wait()); };
  std::vector<Told<std::unique_ptr<Response>>> opening;
  for (std::size_t index = 0; index < mostOpening; ++index) opening.push_back(send("/"));
  ASSERT_TRUE(Eventually([&] { return statistics().InUse == 2 + mostOpening; }));
  cut.Set();
  ASSERT_TRUE(Eventually([&] { return statistics().Waiting == 1; }));
  auto const next = send("/next");
  ASSERT_TRUE(Eventually([&] { return statistics().Waiting == 2; }));
  released.Set();
  EXPECT_EQ(ErrorCodeOf([&] { EXPECT_EQ(ReadAll(*next.WaitFor(Event::Patience)), "/next"); }), "no error");
  context.Cancel();
  mayAllSign.Set();
  for (auto const& told : opening) (void)ErrorCodeOf([&] { (void)told.WaitFor(Event::Patience); });
  EXPECT_EQ(ErrorCodeOf([&] { (void)lost.WaitFor(Event::Patience); }), "cancelled");
}

}  // namespace
}  // namespace mtlspop::test
