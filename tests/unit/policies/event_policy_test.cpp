#include "mtlspop/policies/event_policy.hpp"
#include "mtlspop/transport/log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fakes.hpp"
#include "send_either_way.hpp"
#include "support/error_code_of.hpp"
#include "support/manual_clock.hpp"

namespace mtlspop {
namespace {

using namespace mtlspop::test;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class EventPolicyTest : public testing::Test {
 protected:
  void Send(PipelineRequest request) {
    std::vector<std::unique_ptr<HttpPolicy>> policies;
    policies.push_back(std::make_unique<EventPolicy>(
        MakeLog(
            [this](Severity level, std::string_view line) {
              lines_ += std::string{ToString(level)} + ' ' + std::string{line};
            },
            Severity::Debug),
        clock_));
    SendEitherWay(HttpPipeline{std::move(policies), transport_}, request, {});
  }

  static PipelineRequest MakeRequest() {
    PipelineRequest request{
        {"GET", Url::Parse("https://a.example/secrets/name?sig=hidden-value&api-version=7.4")},
        MakeNamedBinding("key-1")};
    request.Message.Fields.Set("Authorization", "mtls_pop eyJhbGciOiJub25lIn0.eyJhIjoxfQ.c2lnbmF0dXJl");
    request.Attempt = 2;
    return request;
  }

  std::shared_ptr<ScriptedTransport> transport_ = std::make_shared<ScriptedTransport>();
  std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>();
  std::string lines_;
};

TEST_F(EventPolicyTest, SaysHowARequestTravelled) {
  transport_->Then([this](auto const&) {
    clock_->Advance(std::chrono::milliseconds{12});
    auto response = MakeResponse(200);
    response->Connection.Id = 7;
    response->Connection.X5tS256 = "key-1";
    response->Connection.TlsVersion = "TLSv1.2";
    response->Connection.Reused = true;
    return response;
  });
  Send(MakeRequest());
  for (auto const* const part :
       {"info request.answered", "method=GET", "host=a.example", "path=/secrets/name", "query=sig,api-version",
        "status=200", "duration_ms=12", "attempt=2", "x5t_s256=key-1", "connection=7", "reused=true", "tls=TLSv1.2"}) {
    EXPECT_THAT(lines_, HasSubstr(part));
  }
  EXPECT_THAT(lines_, AllOf(Not(HasSubstr("hidden-value")), Not(HasSubstr("eyJ")), Not(HasSubstr("mtls_pop"))));
}

TEST_F(EventPolicyTest, NamesTheErrorAndLetsItPass) {
  transport_->ThenThrow(Error{{errors::ConnectFailed, "no connection", "check"}});
  EXPECT_EQ(ErrorCodeOf([&] { Send(MakeRequest()); }), errors::ConnectFailed.Name());
  EXPECT_THAT(lines_, AllOf(HasSubstr("warning request.failed"), HasSubstr("error=connect_failed")));
}

/// Also one that is said at once, and never got as far as the transport.
TEST_F(EventPolicyTest, NamesAnErrorOfTheCallItself) {
  auto request = MakeRequest();
  request.Binding = nullptr;
  EXPECT_EQ(ErrorCodeOf([&] { Send(std::move(request)); }), "bound_token_without_binding");
  EXPECT_THAT(lines_, AllOf(HasSubstr("warning request.failed"), HasSubstr("error=bound_token_without_binding")));
}

/// A healthy start has no warning: that is how a resource is asked what token it wants.
TEST_F(EventPolicyTest, WarnsNotOfTheAnswerToARequestWithoutAToken) {
  auto request = MakeRequest();
  request.Message.Fields.Remove("Authorization");
  transport_->ThenAnswer(401);
  Send(std::move(request));
  EXPECT_THAT(lines_, HasSubstr("info request.answered "));
  transport_->ThenAnswer(401);
  Send(MakeRequest());
  EXPECT_THAT(lines_, HasSubstr("warning request.answered "));
}

TEST_F(EventPolicyTest, TellsTheIdsOfBothSidesAndOfTheTrace) {
  auto request = MakeRequest();
  request.Message.Fields.Set("x-ms-client-request-id", "1-2-3");
  request.Message.Fields.Set("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  transport_->ThenAnswer(200, "x-ms-request-id", "4-5-6", "");
  Send(request);
  EXPECT_THAT(lines_, HasSubstr("correlation_id=1-2-3 request_id=4-5-6 trace_id=0af7651916cd43dd8448eb211c80319c"));
}

TEST_F(EventPolicyTest, WarnsOfARefusal) {
  transport_->ThenAnswer(403);
  Send(MakeRequest());
  EXPECT_THAT(lines_, HasSubstr("warning request.answered "));
}

}  // namespace
}  // namespace mtlspop
