#include "mtlspop/policies/retry_policy.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fakes.hpp"
#include "mtlspop/policies/retry_delay.hpp"
#include "support/error_code_of.hpp"
#include "support/manual_clock.hpp"

namespace mtlspop {
namespace {

using namespace mtlspop::test;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

Error const Lost{{errors::ConnectionLost, "lost", "try", 0, {}, {}, 1, false, true}};
Error const NotConnected{{errors::ConnectFailed, "refused", "try", 0, {}, {}, 0, true, true}};

// What the authorization policy would do: every attempt is bound.
class BindEachAttempt final : public HttpPolicy {
 public:
  std::unique_ptr<Response> Send(PipelineRequest& request, NextHttpPolicy next, Context const& context) const override {
    request.Binding = MakeNamedBinding("key-1");
    return next.Send(request, context);
  }
  std::unique_ptr<HttpPolicy> Clone() const override { return std::make_unique<BindEachAttempt>(); }
};

// A body that can be read once.
class OnceBody final : public BodyStream {
 public:
  std::size_t Read(gsl::span<std::uint8_t>, Context const&) override { return 0; }
};

class RetryPolicyTest : public testing::Test {
 protected:
  RetryPolicyTest() {
    options_.Random = [] { return 0.5; };
  }

  std::unique_ptr<Response> Send(PipelineRequest& request, Context const& context = {}) {
    std::vector<std::unique_ptr<HttpPolicy>> policies;
    policies.push_back(std::make_unique<RetryPolicy>(options_));
    if (bound_) policies.push_back(std::make_unique<BindEachAttempt>());
    return HttpPipeline{std::move(policies), transport_}.Send(request, context);
  }

  std::unique_ptr<Response> Send(std::string const& method, Context const& context = {}) {
    PipelineRequest request{{method, Url::Parse("https://resource.example/a")}, nullptr};
    return Send(request, context);
  }

  std::shared_ptr<ScriptedTransport> transport_ = std::make_shared<ScriptedTransport>();
  std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>();
  RetryOptions options_ = [this] {
    RetryOptions options;
    options.Time = clock_;
    return options;
  }();
  bool bound_ = false;
};

TEST_F(RetryPolicyTest, BacksOffExponentially) {
  for (int i = 0; i < 3; ++i) transport_->ThenAnswer(500);
  EXPECT_EQ(Send("GET")->StatusCode, 200);
  EXPECT_THAT(clock_->Slept(), ElementsAre(800ms, 1600ms, 3200ms));
}

TEST_F(RetryPolicyTest, VariesTheWaitByAFifthAndCapsIt) {
  options_.MaximumDelay = 1s;
  double random = 0.0;
  options_.Random = [&random] { return std::exchange(random, 0.999999); };
  transport_->ThenAnswer(500);
  transport_->ThenAnswer(500);
  Send("GET");
  EXPECT_THAT(clock_->Slept(), ElementsAre(640ms, 1000ms));
}

TEST_F(RetryPolicyTest, GivesTheLastAnswerBackWhenItsRetriesAreUsedUp) {
  for (int i = 0; i < 5; ++i) transport_->ThenAnswer(503, "unwell");
  auto const response = Send("GET");
  EXPECT_EQ(response->StatusCode, 503);
  EXPECT_EQ(ReadToEnd(*response->Body, 100, {}), "unwell");
  EXPECT_THAT(transport_->Sent(), SizeIs(4));
}

TEST_F(RetryPolicyTest, WaitsAsLongAsTheOtherSideAsks) {
  transport_->ThenAnswer(429, "Retry-After", "7", "");
  transport_->ThenAnswer(429, "x-ms-retry-after-ms", "150", "");
  Send("GET");
  EXPECT_THAT(clock_->Slept(), ElementsAre(7s, 150ms));
}

TEST_F(RetryPolicyTest, ReturnsTheAnswerWhereItIsAskedToWaitTooLong) {
  transport_->ThenAnswer(429, "Retry-After", "3600", "");
  EXPECT_EQ(Send("GET")->StatusCode, 429);
  EXPECT_THAT(clock_->Slept(), IsEmpty());
}

TEST_F(RetryPolicyTest, ReturnsTheAnswerWhereTheDeadlineComesFirst) {
  transport_->ThenAnswer(429, "Retry-After", "60", "");
  EXPECT_EQ(Send("GET", Context{}.WithTimeout(30s))->StatusCode, 429);
  EXPECT_THAT(clock_->Slept(), IsEmpty());
}

class NotIdempotent : public RetryPolicyTest, public testing::WithParamInterface<std::pair<int, std::size_t>> {};

TEST_P(NotIdempotent, IsSentAgainOnlyWhereNothingWasDone) {
  transport_->ThenAnswer(GetParam().first);
  Send("POST");
  EXPECT_THAT(transport_->Sent(), SizeIs(GetParam().second));
}

INSTANTIATE_TEST_SUITE_P(
    Statuses,
    NotIdempotent,
    testing::Values(
        std::pair{408, 2},
        std::pair{429, 2},
        std::pair{503, 2},
        std::pair{500, 1},
        std::pair{502, 1},
        std::pair{504, 1},
        std::pair{400, 1}));

TEST_F(RetryPolicyTest, SendsAgainWhatNeverReachedTheOtherSide) {
  transport_->ThenThrow(NotConnected);
  EXPECT_EQ(Send("POST")->StatusCode, 200);
  transport_->ThenThrow(Lost);
  EXPECT_EQ(ErrorCodeOf([&] { Send("POST"); }), errors::ConnectionLost.Name());
  transport_->ThenThrow(Lost);
  EXPECT_EQ(Send("DELETE")->StatusCode, 200);
}

TEST_F(RetryPolicyTest, DoesNotRepeatWhatCannotGetBetter) {
  transport_->ThenThrow(Error{{errors::ServerCertificateRejected, "untrusted", "check"}});
  EXPECT_EQ(ErrorCodeOf([&] { Send("GET"); }), errors::ServerCertificateRejected.Name());
  EXPECT_THAT(transport_->Sent(), SizeIs(1));
}

TEST_F(RetryPolicyTest, SaysHowOftenItTried) {
  for (int i = 0; i < 4; ++i) transport_->ThenThrow(NotConnected);
  auto const error = ErrorOf([&] { Send("GET"); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Details().Attempts, 4);
  EXPECT_THAT(error->what(), HasSubstr("4 attempts"));
}

TEST_F(RetryPolicyTest, SendsTheWholeBodyAgain) {
  transport_->ThenAnswer(503);
  PipelineRequest request{{"PUT", Url::Parse("https://resource.example/a")}, nullptr};
  request.Message.SetBody("the body");
  Send(request);
  EXPECT_EQ(transport_->Sent()[1].Body, "the body");
}

TEST_F(RetryPolicyTest, NeverSendsABodyAgainThatCannotBeRewound) {
  transport_->ThenAnswer(503);
  PipelineRequest request{{"PUT", Url::Parse("https://resource.example/a")}, nullptr};
  request.Message.Body = std::make_shared<OnceBody>();
  EXPECT_EQ(Send(request)->StatusCode, 503);
  EXPECT_THAT(transport_->Sent(), SizeIs(1));
}

TEST_F(RetryPolicyTest, StopsWhenItIsCancelled) {
  auto const context = Context{}.WithCancellation();
  transport_->Then([&](auto const&) {
    context.Cancel();
    return MakeResponse(503);
  });
  EXPECT_EQ(ErrorCodeOf([&] { Send("GET", context); }), errors::Cancelled.Name());
}

TEST_F(RetryPolicyTest, RepeatsAFailedBindingCheckStayingBound) {
  bound_ = true;
  transport_->ThenAnswer(401, R"({"error":{"message":"[MtlsCnfClaimRequestDataValidationFailed] try again"}})");
  EXPECT_EQ(Send("POST")->StatusCode, 200);
  ASSERT_THAT(transport_->Sent(), SizeIs(2));
  EXPECT_TRUE(transport_->Sent()[1].Binding);
}

TEST_F(RetryPolicyTest, RepeatsAFailedBindingCheckNotForever) {
  bound_ = true;
  std::string const body = R"({"error":{"message":"[MtlsCnfClaimRequestDataValidationFailed] try again"}})";
  for (int i = 0; i < 9; ++i) transport_->ThenAnswer(401, body);
  auto const response = Send("GET");
  EXPECT_EQ(response->StatusCode, 401);
  EXPECT_EQ(ReadToEnd(*response->Body, 1000, {}), body);
  EXPECT_THAT(transport_->Sent(), SizeIs(4));
}

TEST_F(RetryPolicyTest, LeavesEveryOther401Alone) {
  bound_ = true;
  transport_->ThenAnswer(401, R"({"error":{"code":"MissingClientCertificate"}})");
  EXPECT_EQ(Send("GET")->StatusCode, 401);
  EXPECT_THAT(transport_->Sent(), SizeIs(1));
}

TEST_F(RetryPolicyTest, RefusesOptionsThatMakeNoSense) {
  options_.MaximumRetries = -1;
  EXPECT_EQ(ErrorCodeOf([&] { RetryPolicy{options_}; }), errors::InvalidArgument.Name());
}

TEST(ReadRetryAfter, TakesSecondsMillisecondsAndDates) {
  // Sun, 06 Nov 1994 08:49:37 GMT
  std::chrono::system_clock::time_point const now{784111777s};
  auto const read = [now](std::string name, std::string value) {
    Headers fields;
    fields.Add(std::move(name), std::move(value));
    return ReadRetryAfter(fields, now);
  };
  EXPECT_EQ(read("Retry-After", "3"), 3s);
  EXPECT_EQ(read("Retry-After", "Sun, 06 Nov 1994 08:49:40 GMT"), 3s);
  EXPECT_EQ(read("Retry-After", "Sunday, 06-Nov-94 08:49:40 GMT"), 3s);
  EXPECT_EQ(read("Retry-After", "Sun Nov  6 08:49:40 1994"), 3s);
  EXPECT_EQ(read("Retry-After", "Sun, 06 Nov 1994 08:00:00 GMT"), 0s);
  EXPECT_EQ(read("retry-after-ms", "42"), 42ms);
  EXPECT_EQ(read("Retry-After", "-3"), std::nullopt);
  EXPECT_EQ(read("Retry-After", "99999999999999999999"), std::nullopt);
  EXPECT_EQ(read("Other", "3"), std::nullopt);
}

}  // namespace
}  // namespace mtlspop
