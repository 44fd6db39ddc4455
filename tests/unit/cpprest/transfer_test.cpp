#include "handler_test.hpp"

#include <cpprest/containerstream.h>
#include <cpprest/producerconsumerstream.h>
#include <cpprest/rawptrstream.h>

#include <atomic>
#include <future>
#include <stdexcept>
#include <thread>
#include <vector>

#include "istream_body.hpp"
#include "mtlspop/cpprest/http_exception.hpp"
#include "progress_watch.hpp"
#include "support/manual_clock.hpp"

namespace mtlspop::cpprest {
namespace {

using namespace std::chrono_literals;
using testing::Each;
using testing::Le;
using testing::SizeIs;
using web::http::http_exception;
using web::http::http_request;
using web::http::http_response;
using web::http::methods;

class TransferTest : public HandlerTest {
 protected:
  /// A request whose body can only be read once.
  static http_request RequestWithAPipe(concurrency::streams::producer_consumer_buffer<std::uint8_t>& pipe) {
    http_request request{methods::POST};
    request.set_body(pipe.create_istream());
    return request;
  }
};

TEST_F(TransferTest, LeavesAnAnswerThatNeedsTheBodyAgainToTheApplication) {
  for (int const status : {503, 401}) {
    transport_->ThenAnswer(
        status, "WWW-Authenticate", R"(Bearer error="insufficient_claims", claims="eyJhIjoxfQ==")", "why");
    concurrency::streams::producer_consumer_buffer<std::uint8_t> pipe;
    auto client = MakeTestClient();
    auto const answer = client.request(RequestWithAPipe(pipe));
    pipe.putn_nocopy(reinterpret_cast<std::uint8_t const*>("once"), 4).wait();
    pipe.close(std::ios_base::out).wait();
    auto const response = answer.get();
    EXPECT_EQ(response.status_code(), status);
    EXPECT_EQ(response.extract_utf8string(true).get(), "why");
    EXPECT_EQ(transport_->Sent().back().Body, "once");
  }
  EXPECT_THAT(transport_->Sent(), SizeIs(2));
}

TEST_F(TransferTest, CanBeCancelledDuringAnUpload) {
  concurrency::streams::producer_consumer_buffer<std::uint8_t> pipe;
  auto request = RequestWithAPipe(pipe);
  test::Event isUnderWay;
  request.set_progress_handler([&](auto, auto) { isUnderWay.Set(); });
  pplx::cancellation_token_source cancellation;
  auto client = MakeTestClient();
  auto const answer = client.request(request, cancellation.get_token());
  ASSERT_TRUE(isUnderWay.Wait());
  cancellation.cancel();
  EXPECT_EQ(FailureOf(answer), std::errc::operation_canceled);
  pipe.close().wait();
}

/// The stream may write long after the read was left, and what it writes belongs to the next one: also after a rewind.
TEST(IstreamBodyTest, LosesNothingOfAReadThatWasLeft) {
  for (std::size_t const room : {std::size_t{100}, std::size_t{2}}) {
    concurrency::streams::producer_consumer_buffer<std::uint8_t> pipe;
    auto const body = std::make_shared<IstreamBody>(
        pipe.create_istream(), std::nullopt, 1'000, std::make_shared<TransferObserver>(nullptr));
    {
      std::vector<std::uint8_t> gone(100);
      auto const context = Context{}.WithCancellation();
      std::promise<std::exception_ptr> left;
      body->ReadAsync(gone, context, [&](Outcome<std::size_t> outcome) { left.set_value(outcome.Failure()); });
      context.Cancel();
      EXPECT_NE(left.get_future().get(), nullptr);
    }
    EXPECT_TRUE(body->TryRewind());
    pipe.putn_nocopy(reinterpret_cast<std::uint8_t const*>("whole"), 5).wait();
    pipe.close(std::ios_base::out).wait();
    std::string text;
    std::vector<std::uint8_t> piece(room);
    while (auto const count = body->Read(piece, {}))
      text.append(piece.begin(), piece.begin() + static_cast<int>(count));
    EXPECT_EQ(text, "whole") << room;
  }
}

TEST_F(TransferTest, ReadsABodyInPiecesOfTheClientsChunkSize) {
  http_client_config config;
  config.set_chunksize(1'000);
  std::vector<std::uint64_t> steps;
  std::uint64_t before = 0;
  http_request request{methods::PUT};
  request.set_body(std::vector<unsigned char>(10'500, 'x'));
  request.set_progress_handler([&](web::http::message_direction::direction direction, utility::size64_t bytes) {
    if (direction == web::http::message_direction::upload) steps.push_back(bytes - std::exchange(before, bytes));
  });
  auto client = MakeTestClient(config);
  client.request(request).get();
  EXPECT_THAT(steps, Each(Le(1'000U)));
  EXPECT_EQ(before, 10'500U);
}

TEST_F(TransferTest, HandsAnExceptionOfTheProgressHandlerToTheReader) {
  transport_->ThenAnswer(200, "text");
  http_request request{methods::GET};
  request.set_progress_handler([](web::http::message_direction::direction direction, auto) {
    if (direction == web::http::message_direction::download) throw std::domain_error{"mine"};
  });
  auto client = MakeTestClient();
  auto const response = client.request(request).get();
  EXPECT_THROW(response.content_ready().get(), std::domain_error);
}

TEST_F(TransferTest, TellsTheReaderThatAStreamTakesNoMore) {
  transport_->ThenAnswer(200, std::string(100, 'x'));
  std::vector<std::uint8_t> small(10);
  concurrency::streams::rawptr_buffer<std::uint8_t> buffer{small.data(), small.size(), std::ios_base::out};
  http_request request{methods::GET};
  request.set_response_stream(buffer.create_ostream());
  auto client = MakeTestClient();
  auto const response = client.request(request).get();
  EXPECT_THROW(response.content_ready().get(), std::exception);
}

class AttackBodyTest : public TransferTest {};

/// What a stream of the application's own is closed with.
class StreamFailure final : public std::domain_error {
 public:
  StreamFailure() : std::domain_error("mine") {}
};

TEST_F(AttackBodyTest, HandsTheExceptionThatABodysStreamWasClosedWithToTheCallerAtOnce) {
  auto const clock = std::make_shared<test::ManualClock>();
  for (bool const isLengthKnown : {false, true}) {
    for (bool const isEarly : {false, true}) {
      concurrency::streams::producer_consumer_buffer<std::uint8_t> pipe;
      http_request request{methods::PUT};
      if (isLengthKnown) {
        request.set_body(pipe.create_istream(), 100);
      } else {
        request.set_body(pipe.create_istream());
      }
      pipe.putn_nocopy(reinterpret_cast<std::uint8_t const*>("some"), 4).wait();
      auto const close = [&] { pipe.close(std::ios_base::out, std::make_exception_ptr(StreamFailure{})).wait(); };
      if (isEarly) close();
      auto options = Options();
      options.Time = clock;
      auto client = MakeClient(U("https://a.example"), credential_, {}, options);
      auto const answer = client.request(request);
      if (!isEarly) close();
      EXPECT_THROW(answer.get(), StreamFailure) << isLengthKnown << isEarly;
    }
  }
  EXPECT_THAT(transport_->Sent(), SizeIs(0));
  EXPECT_THAT(clock->Slept(), SizeIs(0));
}

TEST_F(AttackBodyTest, DoesNotSendABodyAgainThatIsShorterThanItsLength) {
  auto const clock = std::make_shared<test::ManualClock>();
  http_request request{methods::PUT};
  request.set_body(concurrency::streams::bytestream::open_istream(std::string{"short"}), 100);
  auto options = Options();
  options.Time = clock;
  auto client = MakeClient(U("https://a.example"), credential_, {}, options);
  try {
    client.request(request).get();
    FAIL();
  } catch (HttpException const& error) {
    EXPECT_EQ(error.Code(), errors::RequestBodyFailed);
    EXPECT_THAT(error.what(), testing::HasSubstr("100"));
  }
  EXPECT_THAT(clock->Slept(), SizeIs(0));
}

/// A read of the application's stream that fails after the request has ended is nobody's concern.
TEST_F(AttackBodyTest, OutlivesABodysStreamThatFailsAfterTheRequestHasTimedOut) {
  http_client_config config;
  config.set_timeout(10ms);
  auto client = MakeTestClient(config);
  for (int round = 0; round < 5; ++round) {
    concurrency::streams::producer_consumer_buffer<std::uint8_t> pipe;
    EXPECT_EQ(FailureOf(client.request(RequestWithAPipe(pipe))), std::errc::timed_out);
    pipe.close(std::ios_base::out, std::make_exception_ptr(StreamFailure{})).wait();
  }
}

TEST_F(TransferTest, GoesOnInOrderAfterARequestThatFailedOrWasCancelled) {
  http_client_config config;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  config.set_guarantee_order(true);
#pragma GCC diagnostic pop
  auto client = MakeTestClient(config);
  test::Event gate;
  transport_->Then([&](auto const&) {
    EXPECT_TRUE(gate.Wait());
    return test::MakeResponse(200);
  });
  transport_->ThenThrow(Error{{errors::ProxyFailed, "what failed", "what to do"}});
  pplx::cancellation_token_source cancellation;
  auto const first = client.request(methods::PATCH, U("/first"));
  auto const failing = client.request(methods::PATCH, U("/failing"));
  auto const cancelled = client.request(methods::PATCH, U("/cancelled"), cancellation.get_token());
  auto const last = client.request(methods::PATCH, U("/last"));
  cancellation.cancel();
  gate.Set();
  EXPECT_EQ(first.get().status_code(), 200);
  EXPECT_EQ(FailureOf(failing), std::errc::host_unreachable);
  EXPECT_EQ(FailureOf(cancelled), std::errc::operation_canceled);
  EXPECT_EQ(last.get().status_code(), 200);
  EXPECT_EQ(transport_->Sent().back().Url, "https://a.example/base/last");
  EXPECT_THAT(transport_->Sent(), SizeIs(3));
}

TEST_F(TransferTest, FollowsNoRedirectHoweverManyTheClientAllows) {
  transport_->ThenAnswer(307, "Location", "https://a.example/elsewhere", "");
  http_client_config config;
  config.set_max_redirects(5);
  auto client = MakeTestClient(config);
  EXPECT_EQ(FailureOf(client.request(methods::GET)), std::errc::permission_denied);
  EXPECT_THAT(transport_->Sent(), SizeIs(1));
}

// As cpprestsdk does where it is built upon Boost.
TEST_F(TransferTest, TakesATimeoutOfZeroAtItsWord) {
  http_client_config config;
  config.set_timeout(0s);
  auto client = MakeTestClient(config);
  EXPECT_EQ(FailureOf(client.request(methods::GET)), std::errc::timed_out);
}

/// Answers 200 and knows whether whoever waits has to ask again and again whether the request was cancelled.
class AskingTransport final : public HttpTransport {
 public:
  std::unique_ptr<Response> Send(
      Request&, std::shared_ptr<BindingCertificate const> const&, Context const& context) override {
    hasToAsk_ = context.PollInterval().has_value();
    return test::MakeResponse(200);
  }
  bool HasToAsk() const noexcept { return hasToAsk_; }

 private:
  std::atomic<bool> hasToAsk_{true};
};

/// Ten thousand of them would be half a million questions a second.
TEST_F(TransferTest, WatchesALongBodyWithoutHavingAnybodyAsk) {
  auto const transport = std::make_shared<AskingTransport>();
  auto options = Options();
  options.Transport = transport;
  auto client = MakeClient(U("https://a.example"), credential_, {}, options);
  auto const body = concurrency::streams::bytestream::open_istream(std::string(2'000'000, 'x'));
  EXPECT_EQ(client.request(methods::PUT, U(""), body).get().status_code(), 200);
  EXPECT_FALSE(transport->HasToAsk());
}

TEST(ProgressWatchTest, GoesOnWhereSomethingHasMovedAndEndsWhatStandsStill) {
  auto const context = Context{}.WithCancellation();
  auto const observer = std::make_shared<TransferObserver>(nullptr);
  auto const watch = std::make_shared<ProgressWatch>(context, observer, 20ms);
  watch->Start();
  // After the timer was set: it is too early when it comes.
  observer->Touch();
  EXPECT_TRUE(test::Eventually([&] { return context.IsCancelled(); }));
  EXPECT_GE(Context::Clock::now() - observer->LastMove(), 20ms);
}

TEST(ProgressWatchTest, EndsNothingAfterItHasGone) {
  auto const context = Context{}.WithCancellation();
  auto watch =
      std::make_shared<ProgressWatch>(context, std::make_shared<TransferObserver>(nullptr), std::chrono::hours{1});
  watch->Start();
  auto const before = TimerService::OfThisProcess().Count();
  watch.reset();
  EXPECT_EQ(TimerService::OfThisProcess().Count(), before - 1);
  EXPECT_FALSE(context.IsCancelled());
}

/// Answers 200 and knows whether the last request was to wait for the server's leave to send its body.
class ExpectingTransport final : public HttpTransport {
 public:
  std::unique_ptr<Response> Send(
      Request& request, std::shared_ptr<BindingCertificate const> const&, Context const&) override {
    expectsContinue_ = request.ExpectContinue;
    hasField_ = request.Fields.Contains("Expect");
    return test::MakeResponse(200);
  }
  mtlspop::PoolStatistics PoolStatistics() const override { return {}; }

  bool ExpectsContinue() const noexcept { return expectsContinue_; }
  bool HasField() const noexcept { return hasField_; }

 private:
  std::atomic<bool> expectsContinue_{false};
  std::atomic<bool> hasField_{false};
};

TEST_F(TransferTest, WaitsForTheServersLeaveWhereTheRequestAsksForThat) {
  auto const transport = std::make_shared<ExpectingTransport>();
  auto options = Options();
  options.Transport = transport;
  auto client = MakeClient(U("https://a.example"), credential_, {}, options);
  http_request request{methods::PUT};
  request.set_body(U("text"));
  request.headers().add(web::http::header_names::expect, U("100-continue"));
  EXPECT_EQ(client.request(request).get().status_code(), 200);
  EXPECT_TRUE(transport->ExpectsContinue());
  EXPECT_FALSE(transport->HasField());
}

TEST_F(TransferTest, BeginsWithManyThreadsAtOnce) {
  for (int round = 0; round < 20; ++round) {
    http_client client{U("https://a.example")};
    AddHandler(client, credential_, Options());
    client.add_handler([](http_request request, std::shared_ptr<web::http::http_pipeline_stage> next) {
      return next->propagate(request);
    });
    std::vector<std::thread> threads;
    std::atomic<int> served{0};
    test::Event start;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] {
        EXPECT_TRUE(start.Wait());
        served += client.request(methods::GET).get().status_code() == 200 ? 1 : 0;
      });
    }
    start.Set();
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(served, 8);
  }
  for (auto const& sent : transport_->Sent()) EXPECT_TRUE(sent.Binding);
}

}  // namespace
}  // namespace mtlspop::cpprest
