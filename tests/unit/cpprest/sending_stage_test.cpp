// Before cpprestsdk, whose macro U is a name that GoogleTest uses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sending_stage.hpp"

#include <system_error>
#include <utility>

#include "fakes.hpp"
#include "mtlspop/cpprest/http_exception.hpp"
#include "mtlspop/policies/bound_pipeline.hpp"
#include "support/event.hpp"

namespace mtlspop::cpprest {
namespace {

using web::http::http_request;
using web::http::methods;

/// On a system that has no second thread to give.
class SendingWithoutThreads : public testing::TestWithParam<bool> {};

TEST_P(SendingWithoutThreads, FailsAtOnceRatherThanWaitWithoutALimit) {
  auto const transport = std::make_shared<test::ScriptedTransport>();
  auto const workers =
      std::make_shared<ElasticWorkers>(std::chrono::seconds{1}, [isGiven = false](std::function<void()> work) mutable {
        if (std::exchange(isGiven, true)) {
          throw std::system_error{std::make_error_code(std::errc::resource_unavailable_try_again)};
        }
        return std::thread{std::move(work)};
      });
  test::Event gate;
  workers->schedule([](void* event) { EXPECT_TRUE(static_cast<test::Event*>(event)->Wait()); }, &gate);
  SendingStage stage{
      std::make_shared<Sending const>(Sending{
          MakeBoundPipeline(std::make_shared<test::FakeCredential>(), transport), workers, std::chrono::seconds{1},
          1024, false, DefaultBufferedBodyBytes}),
      GetParam()};
  for (int i = 0; i < 2; ++i) {
    http_request request{methods::GET};
    request.set_request_uri(U("https://a.example/"));
    try {
      stage.propagate(request).get();
      FAIL();
    } catch (HttpException const& error) {
      EXPECT_EQ(error.Code(), errors::SystemFailure);
      EXPECT_THAT(error.what(), testing::HasSubstr("ulimit"));
    }
  }
  gate.Set();
  EXPECT_TRUE(transport->Sent().empty());
}

INSTANTIATE_TEST_SUITE_P(InOrderOrNot, SendingWithoutThreads, testing::Bool());

}  // namespace
}  // namespace mtlspop::cpprest
