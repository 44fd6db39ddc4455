// The examples of the transport's headers that need no identity, each included where it stands, against a scripted server.
#include <atomic>
#include <iostream>
#include <memory>
#include <ostream>
#include <string>
#include <thread>
#include <utility>

#include <gtest/gtest.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include "mtlspop/credential/access_token.hpp"
#include "mtlspop/transport/event_loop.hpp"
#include "mtlspop/transport/executor.hpp"
#include "mtlspop/transport/http_transport.hpp"
#include "mtlspop/transport/log.hpp"
#include "mtlspop/transport/observer.hpp"
#include "mtlspop/transport/outcome.hpp"
#include "mtlspop/transport/pushed_body.hpp"
#include "support/event.hpp"
#include "support/scripted_server.hpp"
#include "support/told.hpp"

namespace mtlspop::test {
namespace {

/// Answers each request with what came as its body.
void Echo(ScriptedConnection& connection) {
  while (auto const request = connection.TryReadRequest()) connection.Answer(200, request->Body);
}

TEST(HeaderExamples, ExecutorRunsCompletionsOnAPool) {
  ScriptedServer const server{Echo};
  std::thread::id where;
  {
#include "examples/executor.inc"
    auto const transport = MakeHttpTransport(options);
    Told<std::unique_ptr<Response>> told;
    transport->SendAsync(std::make_shared<Request>("GET", Url::Parse(server.Url())), nullptr, {}, told.Done());
    EXPECT_EQ(told.Wait()->StatusCode, 200);
    where = told.Thread();
    pool.join();
  }
  EXPECT_NE(where, std::this_thread::get_id());
}

TEST(HeaderExamples, EventLoopWaitsForRequestsOnItsThread) {
  ScriptedServer const server{Echo};
  auto const request = std::make_shared<Request>("GET", Url::Parse(server.Url()));
  std::shared_ptr<BindingCertificate const> const binding;
  Context const context;
  testing::internal::CaptureStdout();
  {
#include "examples/event_loop.inc"
  } EXPECT_EQ(testing::internal::GetCapturedStdout(), "200\n");
}

TEST(HeaderExamples, ObserverIsToldOfEvents) {
#include "examples/observer.inc"
  EXPECT_TRUE(EventSink{}.IsEnabled(Severity::Debug)) << "it wants to be told of everything";
  EventSink{}.Tell(Severity::Info, "token.obtained");
  SetDefaultObserver(EnvironmentLog());
}

/// A transport that says when the example's completion has returned.
struct WaitedFor {
  void SendAsync(
      std::shared_ptr<Request> request,
      std::shared_ptr<BindingCertificate const> binding,
      Context const& context,
      Completion<std::unique_ptr<Response>> done) const {
    Transport->SendAsync(
        std::move(request), std::move(binding), context,
        [this, done = std::move(done)](Outcome<std::unique_ptr<Response>> outcome) {
          done(std::move(outcome));
          Returned->Set();
        });
  }

  std::shared_ptr<HttpTransport> Transport = MakeHttpTransport();
  std::unique_ptr<Event> Returned = std::make_unique<Event>();
};

TEST(HeaderExamples, OutcomeIsAnAnswer) {
  ScriptedServer const server{Echo};
  auto const transport = std::make_unique<WaitedFor>();
  auto const request = std::make_shared<Request>("GET", Url::Parse(server.Url()));
  std::shared_ptr<BindingCertificate const> const binding;
  Context const context;
  testing::internal::CaptureStdout();
#include "examples/outcome.inc"
  EXPECT_TRUE(transport->Returned->Wait());
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "200\n");
}

TEST(HeaderExamples, PushedBodyIsSentAsItIsWritten) {
  ScriptedServer const server{Echo};
  std::shared_ptr<HttpTransport> const transport = MakeHttpTransport();
  Request request{"PUT", Url::Parse(server.Url())};
  AccessToken const token;
  Context const context;
#include "examples/pushed_body.inc"
  EXPECT_EQ(response->StatusCode, 200);
  EXPECT_EQ(ReadToEnd(*response->Body, 100, context), "a long text");
}

}  // namespace
}  // namespace mtlspop::test
