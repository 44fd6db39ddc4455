// What a transport and a stream that only block do when they are called asynchronously.

#include <array>
#include <atomic>
#include <future>
#include <memory>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mtlspop/transport/blocking_call.hpp"
#include "mtlspop/transport/http_transport.hpp"
#include "support/error_code_of.hpp"
#include "support/event.hpp"
#include "support/told.hpp"

namespace mtlspop {
namespace {

using test::ErrorCodeOf;
using test::Event;
using test::Told;

class BlockingTransport final : public HttpTransport {
 public:
  std::unique_ptr<Response> Send(
      Request& request, std::shared_ptr<BindingCertificate const> const&, Context const& context) override {
    context.ThrowIfEnded("sending");
    auto response = std::make_unique<Response>();
    response->StatusCode = 200;
    response->ReasonPhrase = request.Method;
    response->Body = std::make_unique<MemoryBody>("hello");
    return response;
  }
};

class BlockingBody final : public BodyStream {
 public:
  explicit BlockingBody(Event const& gate) : gate_(gate) {}
  std::size_t Read(gsl::span<std::uint8_t> buffer, Context const& context) override {
    context.ThrowIfEnded("reading");
    EXPECT_TRUE(gate_.Wait());
    buffer[0] = 'x';
    return 1;
  }

 private:
  Event const& gate_;
};

TEST(SendAsyncTest, CallsSendOnAnotherThread) {
  BlockingTransport transport;
  Told<std::unique_ptr<Response>> told;
  transport.SendAsync(std::make_shared<Request>("GET", Url::Parse("https://a/")), nullptr, {}, told.Done());
  auto const response = told.Wait();
  EXPECT_EQ(response->ReasonPhrase, "GET");
  EXPECT_NE(told.Thread(), std::this_thread::get_id());
}

TEST(SendAsyncTest, GivesWhatSendThrows) {
  BlockingTransport transport;
  auto const context = Context{}.WithCancellation();
  context.Cancel();
  Told<std::unique_ptr<Response>> told;
  transport.SendAsync(std::make_shared<Request>("GET", Url::Parse("https://a/")), nullptr, context, told.Done());
  EXPECT_EQ(ErrorCodeOf([&] { told.Wait(); }), "cancelled");
}

TEST(SendAsyncTest, NeedsARequest) {
  BlockingTransport transport;
  EXPECT_EQ(ErrorCodeOf([&] { transport.SendAsync(nullptr, nullptr, {}, [](auto) {}); }), "invalid_argument");
}

TEST(ReadAsyncTest, OfABodyThatBlocksLetsTheCallerGo) {
  Event gate;
  BlockingBody body{gate};
  std::array<std::uint8_t, 4> buffer{};
  Told<std::size_t> told;
  body.ReadAsync(buffer, {}, told.Done());
  gate.Set();
  EXPECT_EQ(told.Wait(), 1U);
  EXPECT_EQ(buffer[0], 'x');
}

TEST(ReadAsyncTest, OfMemoryTellsOnAnotherThreadToo) {
  MemoryBody body{"hello"};
  EXPECT_TRUE(body.NeverWaits());
  std::array<std::uint8_t, 4> buffer{};
  for (std::size_t const expected : {4U, 1U, 0U}) {
    Told<std::size_t> told;
    body.ReadAsync(buffer, {}, told.Done());
    EXPECT_EQ(told.Wait(), expected);
    EXPECT_NE(told.Thread(), std::this_thread::get_id());
  }
}

/// A read waits for what is being sent: they do not share threads.
TEST(BlockingCallTest, OfOneKindDoesNotWaitForAnotherKind) {
  constexpr int many = 100;
  Event gate;
  std::atomic<int> sent{0};
  Event all;
  for (int index = 0; index < many; ++index) {
    CallBlocking(
        BlockingWork::Sending, {}, [&gate](Context const&) { return gate.Wait(); },
        [&](Outcome<bool> outcome) {
          EXPECT_TRUE(std::move(outcome).Take());
          if (++sent == many) all.Set();
        });
  }
  Told<int> told;
  CallBlocking(
      BlockingWork::Reading, {}, [](Context const&) { return 1; }, told.Done());
  EXPECT_EQ(told.Wait(), 1);
  gate.Set();
  EXPECT_TRUE(all.Wait());
}

/// Who waits for a turn leaves when its context ends, and not when its turn comes.
TEST(BlockingCallTest, IsLeftInLineByWhoseContextEnds) {
  constexpr int threads = 64;
  Event gate;
  std::atomic<int> working{0};
  for (int index = 0; index < threads; ++index) {
    CallBlocking(
        BlockingWork::Tokens, {}, [&](Context const&) { return ++working, gate.Wait(); },
        [&working](Outcome<bool>) { --working; });
  }
  ASSERT_TRUE(test::Eventually([&] { return working == threads; }));
  auto const work = [](Context const&) { return 1; };
  auto const cancellable = Context{}.WithCancellation();
  Told<int> cancelled;
  Told<int> late;
  Told<int> patient;
  CallBlocking(BlockingWork::Tokens, cancellable, work, cancelled.Done());
  CallBlocking(BlockingWork::Tokens, Context{}.WithTimeout(std::chrono::milliseconds{1}), work, late.Done());
  CallBlocking(BlockingWork::Tokens, Context{}.WithTimeout(Event::Patience), work, patient.Done());
  cancellable.Cancel();
  EXPECT_EQ(ErrorCodeOf([&] { cancelled.Wait(); }), "cancelled");
  EXPECT_EQ(ErrorCodeOf([&] { late.Wait(); }), "deadline_exceeded");
  gate.Set();
  EXPECT_EQ(patient.Wait(), 1);
  EXPECT_TRUE(test::Eventually([&] { return working == 0; }));
}

TEST(DefaultExecutorTest, RunsTasksElsewhere) {
  std::promise<std::thread::id> where;
  DefaultExecutor()([&] { where.set_value(std::this_thread::get_id()); });
  EXPECT_NE(where.get_future().get(), std::this_thread::get_id());
}

TEST(DefaultExecutorTest, IsThatOfATransportUnlessItIsGivenAnother) {
  EXPECT_TRUE(TransportOptions{}.Callbacks);
  TransportOptions options;
  options.Callbacks = nullptr;
  EXPECT_EQ(ErrorCodeOf([&] { MakeHttpTransport(options); }), "invalid_argument");
}

}  // namespace
}  // namespace mtlspop
