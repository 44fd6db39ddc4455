// Requests to the services of this layer, apart from what is asked of them.
#include <atomic>
#include <chrono>
#include <optional>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_cloud.hpp"
#include "region.hpp"
#include "service_client.hpp"
#include "support/error_code_of.hpp"
#include "support/event.hpp"

namespace mtlspop::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::HasSubstr;
using testing::IsEmpty;

struct ClientWorld {
  explicit ClientWorld(double number = 0) : Number(number) {}
  ServiceClient Client() const {
    return ServiceClient{
        gsl::make_not_null(std::shared_ptr<HttpTransport>{Cloud}), gsl::make_not_null(std::shared_ptr<Clock>{Time}),
        [number = Number] { return number; }, EventSink{}};
  }
  double Number;
  std::shared_ptr<ManualClock> Time = std::make_shared<ManualClock>();
  std::shared_ptr<FakeCloud> Cloud = std::make_shared<FakeCloud>(Time);
};

/// The wait that is slept, with its jitter, is the one that has to fit into the time: else the answer is what counts.
TEST(ServiceClientRetries, AnswerIsGivenWhereTheWaitWithItsJitterIsTooLong) {
  ClientWorld const world{0.9};
  world.Cloud->Intercept = [](Arrived const&) { return std::make_optional(JsonAnswer(json::object(), 503)); };
  ServiceRequest const request{"ask", "GET", Url::Parse("http://169.254.169.254/x"), {}, {}, nullptr, true, "id"};
  // A second fits, and 1.225 s do not.
  auto const response = world.Client().Send(request, ImdsRetry(), Context{}.WithTimeout(1150ms));
  EXPECT_EQ(response.StatusCode, 503);
  EXPECT_EQ(response.Attempts, 1);
  EXPECT_THAT(world.Time->Slept(), IsEmpty());
}

/// Nothing went out, so there is nothing that the service's owners could find.
TEST(ServiceClientDeadline, WithoutAConnectionNamesNoIdAndNoAttempt) {
  class Silent final : public HttpTransport {
   public:
    std::unique_ptr<Response> Send(
        Request&, std::shared_ptr<BindingCertificate const> const&, Context const& context) override {
      EXPECT_TRUE(Eventually([&] { return context.IsExpired(); }));
      ErrorDetails details{errors::DeadlineExceeded, "No connection", "Look"};
      details.NothingSent = true;
      throw Error{std::move(details)};
    }
  };
  ServiceClient const client{
      gsl::make_not_null(std::shared_ptr<HttpTransport>{std::make_shared<Silent>()}), SystemClock(), [] { return 0.0; },
      EventSink{}};
  ServiceRequest const request{"ask", "GET", Url::Parse("http://169.254.169.254/x"), {}, {}, nullptr, true, "id"};
  auto const error = ErrorOf([&] { client.Send(request, ImdsRetry(), Context{}.WithTimeout(30ms)); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code(), errors::DeadlineExceeded);
  EXPECT_THAT(error->what(), HasSubstr("without a connection to http://169.254.169.254:80 for ask, in attempt 1"));
  EXPECT_EQ(error->Details().CorrelationId, "");
  EXPECT_EQ(error->Details().Attempts, 0);
}

TEST(Region, IsAskedForOnceHoweverManyWait) {
  ClientWorld const world;
  Event asked;
  Event released;
  world.Cloud->Intercept = [&](Arrived const&) {
    asked.Set();
    EXPECT_TRUE(released.Wait());
    return std::make_optional(JsonAnswer({{"location", "westus3"}}));
  };
  RegionFinder const finder{world.Client(), {}};
  std::thread first{[&] { EXPECT_EQ(finder.Find({}), "westus3"); }};
  EXPECT_TRUE(asked.Wait());
  // One leaves, and is told what it waited for; another stays.
  auto const error = ErrorOf([&] { finder.Find(Context{}.WithTimeout(30ms)); });
  std::thread second{[&] { EXPECT_EQ(finder.Find({}), "westus3"); }};
  released.Set();
  first.join();
  second.join();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code(), errors::DeadlineExceeded);
  EXPECT_THAT(error->what(), HasSubstr("Waiting for the region"));
  EXPECT_EQ(world.Cloud->Count("/metadata/instance/compute"), 1);
}

/// Whose own time ran out says nothing of the region to those who wait.
TEST(Region, IsAskedForByTheNextWhereWhoeverAskedGaveUp) {
  ClientWorld const world;
  auto const leaving = Context{}.WithCancellation();
  Event asked;
  Event waits;
  std::atomic<int> calls{0};
  world.Cloud->Intercept = [&](Arrived const&) -> std::optional<Answer> {
    if (calls++ > 0) return JsonAnswer({{"location", "westus3"}});
    asked.Set();
    EXPECT_TRUE(waits.Wait());
    leaving.Cancel();
    leaving.ThrowIfEnded("The request");
    return std::nullopt;
  };
  RegionFinder const finder{world.Client(), {}};
  std::thread first{[&] { EXPECT_EQ(ErrorCodeOf([&] { finder.Find(leaving); }), "cancelled"); }};
  EXPECT_TRUE(asked.Wait());
  std::thread second{[&] { EXPECT_EQ(finder.Find({}), "westus3"); }};
  waits.Set();
  first.join();
  second.join();
  EXPECT_EQ(world.Cloud->Count("/metadata/instance/compute"), 2);
}

}  // namespace
}  // namespace mtlspop::test
