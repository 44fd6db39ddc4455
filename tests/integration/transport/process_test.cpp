// What a library must not do to its process: signals, forks, threads.

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <future>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "mtlspop/transport/environment.hpp"
#include "support/in_child.hpp"
#include "transport_test.hpp"

namespace mtlspop::test {
namespace {

/// Puts SIGPIPE back to what a program has that never heard of it: it ends the program.
class DeadlyBrokenPipe final {
 public:
  DeadlyBrokenPipe() {
    struct sigaction deadly {};
    deadly.sa_handler = SIG_DFL;
    ::sigaction(SIGPIPE, &deadly, &before_);
  }
  ~DeadlyBrokenPipe() { ::sigaction(SIGPIPE, &before_, nullptr); }
  DeadlyBrokenPipe(DeadlyBrokenPipe const&) = delete;
  DeadlyBrokenPipe& operator=(DeadlyBrokenPipe const&) = delete;

 private:
  struct sigaction before_ {};
};

TEST(SignalTest, WritingToAResetConnectionRaisesNothing) {
  DeadlyBrokenPipe const deadly;
  for (bool const tls : {false, true}) {
    ScriptedServer server{tls ? TlsServer() : ScriptedServerOptions{}, [](ScriptedConnection& connection) {
                            connection.ReadHead();
                            connection.Reset();
                          }};
    Request request{"PUT", Url::Parse(server.Url())};
    request.Body = std::make_shared<GeneratedBody>(std::uint64_t{1} << 30U, std::uint64_t{1} << 30U);
    EXPECT_EQ(ErrorCodeOf([&] { Fetch(MakeTransport(), std::move(request)); }), "connection_lost");
  }
}

TEST(SignalTest, ClosingAResetConnectionRaisesNothing) {
  DeadlyBrokenPipe const deadly;
  Event reset;
  ScriptedServer server{TlsServer(), [&](ScriptedConnection& connection) {
                          connection.ReadRequest();
                          connection.Answer(200, "hello");
                          connection.Reset();
                          reset.Set();
                        }};
  auto transport = MakeTransport();
  Fetch(transport, Get(server.Url()));
  ASSERT_TRUE(reset.Wait());
  // Closing sends close_notify into a connection that is gone.
  transport.reset();
}

TEST(SignalTest, NoHandlerIsInstalledAndNoMaskChanged) {
  auto const handlerOf = [](int signal) {
    struct sigaction action {};
    ::sigaction(signal, nullptr, &action);
    return action.sa_handler;
  };
  std::set<int> const signals{SIGPIPE, SIGCHLD, SIGINT, SIGTERM, SIGALRM, SIGUSR1, SIGUSR2, SIGURG, SIGIO};
  std::vector<void (*)(int)> before;
  for (int const signal : signals) before.push_back(handlerOf(signal));
  sigset_t maskBefore;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &maskBefore);

  ScriptedServer server{AskingTlsServer(), ServeX5tS256};
  auto const transport = MakeTransport();
  Fetch(transport, Get(server.Url()), NewBinding());

  std::vector<void (*)(int)> after;
  for (int const signal : signals) after.push_back(handlerOf(signal));
  EXPECT_EQ(after, before);
  sigset_t maskAfter;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &maskAfter);
  for (int const signal : signals) EXPECT_EQ(::sigismember(&maskAfter, signal), ::sigismember(&maskBefore, signal));
}

TEST(ForkTest, AChildDoesNotUseItsParentsConnections) {
  ScriptedServer server{AskingTlsServer(TLS1_2_VERSION, TLS1_2_VERSION), ServeX5tS256};
  auto const transport = MakeTransport();
  auto const binding = NewBinding();
  EXPECT_EQ(Fetch(transport, Get(server.Url()), binding).Body, binding->X5tS256());

  EXPECT_TRUE(InChild([&] {
    for (int round = 0; round < 2; ++round) {
      auto const fetched = Fetch(transport, Get(server.Url()), binding);
      // Within the child its own connection may be reused.
      if (fetched.Body != binding->X5tS256() || fetched.Connection.Reused != (round > 0)) return false;
    }
    return true;
  }));

  // The child closed its copy without a word to the server: close_notify would have ended the parent's connection.
  auto const after = Fetch(transport, Get(server.Url()), binding);
  EXPECT_EQ(after.Body, binding->X5tS256());
  EXPECT_TRUE(after.Connection.Reused);
  EXPECT_EQ(server.ConnectionCount(), 2U);
}

TEST(ForkTest, AChildThatEndsTheTransportDoesNotEndTheParentsConnections) {
  ScriptedServer server{TlsServer(), ServeEcho};
  auto transport = MakeTransport();
  Fetch(transport, Get(server.Url()));
  EXPECT_TRUE(InChild([&] {
    transport.reset();
    return true;
  }));
  EXPECT_TRUE(Fetch(transport, Get(server.Url())).Connection.Reused);
}

/// An answer that the parent is reading belongs to the parent: bytes that the child took would be missing there.
TEST(ForkTest, AChildDoesNotTakeFromAnAnswerInFlight) {
  auto const body = Pattern(1024 * 1024);
  ScriptedServer server{TlsServer(), Serve(body)};
  auto const transport = MakeTransport();
  auto request = Get(server.Url());
  auto response = transport->Send(request, nullptr, Patiently());
  EXPECT_TRUE(InChild([&] {
    response.reset();
    return Fetch(transport, Get(server.Url())).Body == body;
  }));
  EXPECT_TRUE(ReadAll(*response) == body);
}

TEST(ForkTest, AChildCannotReadItsParentsAnswer) {
  auto const body = Pattern(1024 * 1024);
  ScriptedServer server{TlsServer(), Serve(body)};
  auto const transport = MakeTransport();
  auto request = Get(server.Url());
  auto response = transport->Send(request, nullptr, Patiently());
  EXPECT_TRUE(InChild([&] { return ErrorCodeOf([&] { ReadAll(*response); }) == "connection_lost"; }));
  EXPECT_TRUE(ReadAll(*response) == body);
}

/// A lock that another thread held as the process forked is never released in the child.
TEST(ForkTest, AChildNeedsNoneOfItsParentsLocks) {
  ScriptedServer server{TlsServer(), ServeEcho};
  auto const body = Pattern(1024 * 1024);
  ScriptedServer slow{TlsServer(), Serve(body)};
  auto transport = MakeTransport();
  std::atomic<bool> stop{false};
  std::vector<std::thread> busy;
  for (int index = 0; index < 3; ++index) {
    busy.emplace_back([&, index] {
      while (!stop) {
        if (index == 0) {
          EXPECT_EQ(Fetch(transport, Post(server.Url(), "hello")).Body, "hello");
        } else {
          (void)transport->PoolStatistics();
        }
      }
    });
  }
  for (int round = 0; round < 30; ++round) {
    auto request = Get(slow.Url());
    auto response = transport->Send(request, nullptr, Patiently());
    EXPECT_TRUE(InChild([&] {
      ::alarm(60);
      response.reset();
      transport.reset();
      return true;
    }));
    EXPECT_TRUE(ReadAll(*response) == body);
  }
  stop = true;
  for (auto& thread : busy) thread.join();
}

/// Whether `work` ends in each of many children, while threads of the parent do it without a pause.
template <class Work>
bool EndsInChildren(Work const& work) {
  std::atomic<bool> stop{false};
  std::vector<std::thread> busy;
  for (int index = 0; index < 2; ++index) {
    busy.emplace_back([&] {
      while (!stop) work();
    });
  }
  bool good = true;
  for (int round = 0; good && round < 200; ++round) {
    good = InChild([&] {
      ::alarm(20);
      work();
      return true;
    });
  }
  stop = true;
  for (auto& thread : busy) thread.join();
  return good;
}

TEST(AttackForkTest, AChildHasADefaultTransportThoughItsParentAskedForItJustThen) {
  auto const transport = DefaultHttpTransport();
  EXPECT_TRUE(EndsInChildren([] { (void)DefaultHttpTransport(); }));
  EXPECT_TRUE(InChild([&] { return DefaultHttpTransport() == transport; }));
}

/// A context that an application cancels all its requests with, when it ends, lives as long as the process.
TEST(AttackForkTest, AChildWaitsWithAContextThoughItsParentBeganToJustThen) {
  auto const context = Context{}.WithCancellation();
  EXPECT_TRUE(EndsInChildren([&] { auto const registration = context.OnCancelled([] {}); }));
  EXPECT_TRUE(InChild([&] {
    bool isTold = false;
    auto const registration = context.OnCancelled([&] { isTold = true; });
    context.Cancel();
    return isTold;
  }));
}

TEST(ThreadTest, OneTransportServesManyThreads) {
  ScriptedServer server{TlsServer(), ServeEcho};
  auto options = TrustingOptions();
  options.Pool.MaximumPerOrigin = 4;
  auto const transport = MakeTransport(options);
  std::vector<std::thread> threads;
  threads.reserve(16);
  for (int index = 0; index < 16; ++index) {
    threads.emplace_back([&, index] {
      for (int round = 0; round < 20; ++round) {
        auto const body = std::to_string(index) + "/" + std::to_string(round);
        EXPECT_EQ(Fetch(transport, Post(server.Url(), body)).Body, body);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  auto const statistics = transport->PoolStatistics();
  EXPECT_LE(statistics.Opened, 4U);
  EXPECT_EQ(statistics.Opened + statistics.Reused, 320U);
  EXPECT_EQ(statistics.InUse, 0U);
  EXPECT_EQ(statistics.Waiting, 0U);
  EXPECT_EQ(statistics.Idle, statistics.Opened);
}

/// A response may be read and dropped on another thread than it was asked for on.
TEST(ThreadTest, AnAnswerMayBeReadElsewhere) {
  ScriptedServer server{TlsServer(), ServeEcho};
  auto const transport = MakeTransport();
  auto request = Post(server.Url(), "hello");
  auto response = transport->Send(request, nullptr, Patiently());
  auto reading = std::async(std::launch::async, [moved = std::move(response)] { return ReadAll(*moved); });
  EXPECT_EQ(reading.get(), "hello");
}

TEST(ThreadTest, TransportsComeAndGo) {
  ScriptedServer server{AskingTlsServer(), ServeX5tS256};
  auto const binding = NewBinding();
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int index = 0; index < 4; ++index) {
    threads.emplace_back([&] {
      for (int round = 0; round < 5; ++round) {
        EXPECT_EQ(Fetch(MakeTransport(), Get(server.Url()), binding).Body, binding->X5tS256());
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace mtlspop::test
