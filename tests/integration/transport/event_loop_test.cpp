// Requests on threads of the application's own.

#include <future>
#include <memory>
#include <stdexcept>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mtlspop/transport/event_loop.hpp"
#include "support/in_child.hpp"
#include "support/told.hpp"
#include "transport_test.hpp"

namespace mtlspop::test {
namespace {

using openssl::EventLoop;

/// A loop and its thread.
class Looping final {
 public:
  Looping() : thread_([loop = loop_] { loop->Run(); }) {}
  ~Looping() { End(); }
  Looping(Looping const&) = delete;
  Looping& operator=(Looping const&) = delete;

  EventLoop& Loop() noexcept { return *loop_; }
  std::thread::id Thread() const noexcept { return thread_.get_id(); }

  /// Sends from its thread.
  Told<std::unique_ptr<Response>> Send(Transport const& transport, std::string const& url, Binding binding = nullptr) {
    Told<std::unique_ptr<Response>> told;
    boost::asio::post(loop_->Io(), [=] {
      transport->SendAsync(std::make_shared<Request>(Get(url)), binding, Patiently(), told.Done());
    });
    return told;
  }
  std::string Fetch(Transport const& transport, std::string const& url, Binding const& binding = nullptr) {
    return ReadAll(*Send(transport, url, binding).WaitFor(Event::Patience));
  }

  /// Its thread, and the loop too where nobody else has it.
  void End() {
    if (!thread_.joinable()) return;
    loop_->Stop();
    thread_.join();
    loop_ = nullptr;
  }

 private:
  std::shared_ptr<EventLoop> loop_ = std::make_shared<EventLoop>();
  std::thread thread_;
};

/// Answers with the target of each request, that of "/held" once it is told to.
class HoldingServer final {
 public:
  std::string Url(std::string const& path) const { return server_.Url(path); }
  std::size_t Connections() const { return server_.ConnectionCount(); }
  [[nodiscard]] bool WaitUntilHeld() { return held_.Wait(); }
  void Release() { released_.Set(); }

 private:
  Event held_;
  Event released_;
  ScriptedServer server_{TlsServer(), [this](ScriptedConnection& connection) {
                           while (auto const request = connection.TryReadRequest()) {
                             if (request->Target == "/held") {
                               held_.Set();
                               if (!released_.Wait()) return;
                             }
                             connection.Answer(200, request->Target);
                           }
                         }};
};

TEST(EventLoopTest, WaitsForWhatIsBegunOnIt) {
  HoldingServer server;
  Looping looping;
  auto options = TrustingOptions();
  options.Callbacks = looping.Loop().MakeExecutor();
  // Itself, whichever way the others are tested in.
  Transport const transport = MakeHttpTransport(options);
  auto const told = looping.Send(transport, server.Url("/held"));
  ASSERT_TRUE(server.WaitUntilHeld());
  EXPECT_EQ(looping.Loop().Requests(), 1U);
  EXPECT_FALSE(looping.Loop().IsHere());
  server.Release();
  EXPECT_EQ(told.WaitFor(Event::Patience)->StatusCode, 200);
  EXPECT_EQ(told.Thread(), looping.Thread());
  EXPECT_TRUE(Eventually([&] { return looping.Loop().Requests() == 0; }));
}

TEST(EventLoopTest, HasNothingToDoWithWhatIsBegunElsewhere) {
  HoldingServer server;
  Looping looping;
  auto const transport = MakeTransport();
  Told<std::unique_ptr<Response>> told;
  transport->SendAsync(std::make_shared<Request>(Get(server.Url("/held"))), nullptr, Patiently(), told.Done());
  ASSERT_TRUE(server.WaitUntilHeld());
  EXPECT_EQ(looping.Loop().Requests(), 0U);
  server.Release();
  EXPECT_EQ(told.WaitFor(Event::Patience)->StatusCode, 200);
}

/// A connection is known to one loop at a time, and to none while somebody waits on his own thread.
TEST(EventLoopTest, ConnectionsGoFromOneToAnotherAndToWhoeverBlocks) {
  HoldingServer server;
  Looping one;
  Looping other;
  auto const transport = MakeTransport();
  auto const binding = NewBinding();
  for (int round = 0; round < 20; ++round) {
    auto const path = "/" + std::to_string(round);
    EXPECT_EQ(one.Fetch(transport, server.Url(path), binding), path);
    EXPECT_EQ(one.Fetch(transport, server.Url(path + "/again"), binding), path + "/again");
    EXPECT_EQ(other.Fetch(transport, server.Url(path + "/other"), binding), path + "/other");
    EXPECT_EQ(Fetch(transport, Get(server.Url(path + "/here")), binding).Body, path + "/here");
  }
  EXPECT_EQ(server.Connections(), 1U);
}

TEST(EventLoopTest, ConnectionsOutliveIt) {
  HoldingServer server;
  auto const transport = MakeTransport();
  EXPECT_EQ(Looping{}.Fetch(transport, server.Url("/first")), "/first");
  EXPECT_EQ(Fetch(transport, Get(server.Url("/second"))).Body, "/second");
  EXPECT_EQ(Looping{}.Fetch(transport, server.Url("/third")), "/third");
  EXPECT_EQ(server.Connections(), 1U);
}

TEST(EventLoopTest, RequestsGoOnWhenItIsGone) {
  for (bool const isCalledBack : {false, true}) {
    HoldingServer server;
    Looping looping;
    auto options = TrustingOptions();
    if (isCalledBack) options.Callbacks = looping.Loop().MakeExecutor();
    Transport const transport = MakeHttpTransport(options);
    auto const told = looping.Send(transport, server.Url("/held"));
    ASSERT_TRUE(server.WaitUntilHeld());
    looping.End();
    server.Release();
    EXPECT_EQ(ReadAll(*told.WaitFor(Event::Patience)), "/held");
  }
}

TEST(EventLoopTest, TasksRunElsewhereOnceItIsGone) {
  Executor executor;
  {
    EventLoop const loop;
    executor = loop.MakeExecutor();
  }
  Event ran;
  executor([&] { ran.Set(); });
  EXPECT_TRUE(ran.Wait());
}

/// It has stopped, and what is to run on it comes from elsewhere: from another loop, say, or from the library.
TEST(EventLoopTest, TasksThatItHasNotRunAreRunElsewhereToo) {
  Event ran;
  std::thread::id where;
  {
    EventLoop loop;
    loop.Stop();
    loop.Run();
    loop.MakeExecutor()([&] {
      where = std::this_thread::get_id();
      ran.Set();
    });
    EXPECT_EQ(loop.Requests(), 0U);
    EXPECT_FALSE(ran.IsSet());
  }
  EXPECT_TRUE(ran.Wait());
  EXPECT_NE(where, std::this_thread::get_id());
}

/// What it holds may be the application's, or may come back to the executor.
TEST(EventLoopTest, DestroysATaskWhereItRan) {
  for (int round = 0; round < 200; ++round) {
    Looping looping;
    std::promise<std::thread::id> destroyed;
    std::shared_ptr<void> held{nullptr, [&](void*) { destroyed.set_value(std::this_thread::get_id()); }};
    looping.Loop().MakeExecutor()([held = std::move(held)] {});
    EXPECT_EQ(destroyed.get_future().get(), looping.Thread());
  }
}

TEST(EventLoopForkTest, TasksOfAChildAreRunInIt) {
  Looping looping;
  auto const executor = looping.Loop().MakeExecutor();
  EXPECT_TRUE(InChild([&] {
    ::alarm(60);
    Event ran;
    executor([&] { ran.Set(); });
    return ran.Wait();
  }));
}

TEST(EventLoopForkTest, IsOfNoUseInAChild) {
  HoldingServer server;
  auto looping = std::make_unique<Looping>();
  Transport const transport = MakeHttpTransport(TrustingOptions());
  auto const told = looping->Send(transport, server.Url("/held"));
  ASSERT_TRUE(server.WaitUntilHeld());
  auto& loop = looping->Loop();
  EXPECT_TRUE(InChild([&] {
    ::alarm(60);
    loop.Run();
    loop.~EventLoop();
    return true;
  }));
  server.Release();
  EXPECT_EQ(ReadAll(*told.WaitFor(Event::Patience)), "/held");
}

/// A child has the descriptor that its parent's loop waits with, and what it forgets there its parent would never hear of.
TEST(EventLoopForkTest, AChildTakesNothingFromItsParentsLoop) {
  HoldingServer server;
  Looping looping;
  auto const transport = MakeTransport();
  auto const url = server.Url("/idle");
  EXPECT_EQ(looping.Fetch(transport, url), "/idle");
  auto const told = looping.Send(transport, server.Url("/held"));
  ASSERT_TRUE(server.WaitUntilHeld());
  auto const connections = server.Connections();
  EXPECT_TRUE(InChild([&] {
    ::alarm(60);
    return Fetch(transport, Get(url)).Body == "/idle";
  }));
  EXPECT_EQ(looping.Fetch(transport, url), "/idle") << "while the other is still held";
  server.Release();
  EXPECT_EQ(ReadAll(*told.WaitFor(Event::Patience)), "/held");
  EXPECT_LE(server.Connections(), connections + 2) << "one of the child's, one beside the held one";
}

TEST(EventLoopTest, WhoeverStopsItBeforeItRunsIsHeard) {
  EventLoop loop;
  loop.Stop();
  loop.Run();
  bool ran = false;
  boost::asio::post(loop.Io(), [&] {
    ran = loop.IsHere();
    loop.Stop();
  });
  loop.Run();
  EXPECT_TRUE(ran);
  EXPECT_FALSE(loop.IsHere());
}

TEST(EventLoopTest, GoesOnAfterAHandlerHasThrown) {
  EventLoop loop;
  boost::asio::post(loop.Io(), [] { throw std::runtime_error{"a handler's"}; });
  EXPECT_THROW(loop.Run(), std::runtime_error);
  EXPECT_FALSE(loop.IsHere());
  bool ran = false;
  boost::asio::post(loop.Io(), [&] {
    ran = true;
    loop.Stop();
  });
  loop.Run();
  EXPECT_TRUE(ran);
}

}  // namespace
}  // namespace mtlspop::test
