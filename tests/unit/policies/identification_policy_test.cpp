#include "mtlspop/policies/identification_policy.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <new>
#include <stdexcept>

#include "fakes.hpp"
#include "mtlspop/policies/bound_pipeline.hpp"
#include "mtlspop/version.hpp"
#include "send_either_way.hpp"
#include "support/error_code_of.hpp"

namespace mtlspop {
namespace {

using namespace mtlspop::test;
using testing::HasSubstr;
using testing::StartsWith;

class IdentificationPolicyTest : public testing::Test {
 protected:
  HttpPipeline Pipeline(BoundPipelineOptions options = {}) {
    options.Scopes = {"https://vault.example/.default"};
    options.Retry.InitialDelay = options.Retry.MaximumDelay = std::chrono::milliseconds{1};
    return MakeBoundPipeline(credential_, transport_, std::move(options));
  }

  static PipelineRequest MakeRequest() { return {{"GET", Url::Parse("https://vault.example/secrets/a")}}; }

  std::string SentField(std::size_t index, char const* name) const {
    return std::string{transport_->Sent().at(index).Fields.Get(name)};
  }

  std::shared_ptr<ScriptedTransport> transport_ = std::make_shared<ScriptedTransport>();
  std::shared_ptr<FakeCredential> credential_ = std::make_shared<FakeCredential>();
};

TEST_F(IdentificationPolicyTest, GivesEachCallAnIdForAllOfItsAttempts) {
  transport_->ThenAnswer(503);
  auto request = MakeRequest();
  auto const pipeline = Pipeline();
  SendEitherWay(pipeline, request, {});
  SendEitherWay(pipeline, request, {});
  ASSERT_EQ(transport_->Sent().size(), 3U);
  auto const id = SentField(0, "x-ms-client-request-id");
  EXPECT_EQ(id.size(), 36U);
  EXPECT_EQ(SentField(1, "x-ms-client-request-id"), id);
  EXPECT_NE(SentField(2, "x-ms-client-request-id"), id);
  EXPECT_FALSE(request.Message.Fields.Contains("x-ms-client-request-id"));
  EXPECT_FALSE(request.Message.Fields.Contains("User-Agent"));
}

TEST_F(IdentificationPolicyTest, TakesItsFieldsOffARequestThatIsRefusedAtOnce) {
  std::vector<std::unique_ptr<HttpPolicy>> policies;
  policies.push_back(std::make_unique<IdentificationPolicy>("agent"));
  auto request = MakeRequest();
  request.Message.Fields.Set("Authorization", "mtls_pop token");
  EXPECT_EQ(
      ErrorCodeOf([&] {
        SendEitherWay(HttpPipeline{std::move(policies), transport_}, request, {});
      }),
      "bound_token_without_binding");
  EXPECT_FALSE(request.Message.Fields.Contains("x-ms-client-request-id"));
  EXPECT_FALSE(request.Message.Fields.Contains("User-Agent"));
}

/// It is no fault of the application's, and has no type of the standard library's.
TEST_F(IdentificationPolicyTest, LeavesAFailedAllocationAnErrorLikeAnyOther) {
  transport_->Then([](auto const&) -> std::unique_ptr<Response> { throw std::bad_alloc{}; });
  auto request = MakeRequest();
  EXPECT_EQ(ErrorCodeOf([&] { SendEitherWay(Pipeline(), request, {}); }), "system_failure");
}

TEST_F(IdentificationPolicyTest, KeepsWhatTheApplicationHasSet) {
  auto request = MakeRequest();
  request.Message.Fields.Set("X-MS-Client-Request-Id", "mine");
  request.Message.Fields.Set("user-agent", "my app");
  request.Message.Fields.Set("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  request.Message.Fields.Set("tracestate", "a=b");
  SendEitherWay(Pipeline(), request, {});
  EXPECT_EQ(SentField(0, "x-ms-client-request-id"), "mine");
  EXPECT_EQ(SentField(0, "User-Agent"), "my app");
  EXPECT_EQ(SentField(0, "traceparent"), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  EXPECT_EQ(SentField(0, "tracestate"), "a=b");
  EXPECT_EQ(request.Message.Fields.Get("x-ms-client-request-id"), "mine");
  EXPECT_EQ(request.Message.Fields.Get("User-Agent"), "my app");
}

TEST_F(IdentificationPolicyTest, NamesTheLibraryUnlessToldOtherwise) {
  BoundPipelineOptions other;
  other.UserAgent = "other/1";
  BoundPipelineOptions none;
  none.UserAgent = "";
  for (auto const& options : {BoundPipelineOptions{}, other, none}) {
    auto request = MakeRequest();
    SendEitherWay(Pipeline(options), request, {});
  }
  EXPECT_THAT(SentField(0, "User-Agent"), StartsWith(std::string{"mtlspop/"} + Version + " ("));
  EXPECT_EQ(SentField(1, "User-Agent"), "other/1");
  EXPECT_FALSE(transport_->Sent().at(2).Fields.Contains("User-Agent"));
}

/// The id that an error reports is one that was sent.
TEST_F(IdentificationPolicyTest, PutsTheIdIntoTheError) {
  transport_->Then([](auto const&) -> std::unique_ptr<Response> {
    try {
      throw std::runtime_error{"the cause"};
    } catch (...) {
      std::throw_with_nested(Error{{errors::InvalidArgument, "it failed", "do something"}});
    }
  });
  auto request = MakeRequest();
  try {
    SendEitherWay(Pipeline(), request, {});
    FAIL();
  } catch (Error const& error) {
    EXPECT_EQ(error.Details().CorrelationId, SentField(0, "x-ms-client-request-id"));
    EXPECT_THAT(DescribeWithCauses(error), HasSubstr("the cause"));
  }
  EXPECT_FALSE(request.Message.Fields.Contains("x-ms-client-request-id"));
  EXPECT_FALSE(request.Message.Fields.Contains("User-Agent"));
}

/// Whoever is on call would look for it in the service's log in vain.
TEST_F(IdentificationPolicyTest, TellsNoIdThatNobodyWasSent) {
  auto const idOfFailure = [this](std::string const& url) {
    PipelineRequest request{{"GET", Url::Parse(url)}};
    try {
      SendEitherWay(Pipeline(), request, {});
    } catch (Error const& error) {
      return error.Details().CorrelationId;
    }
    return std::string{"it did not fail"};
  };
  EXPECT_EQ(idOfFailure("http://vault.example/secrets/a"), "");
  transport_->Then([](auto const&) -> std::unique_ptr<Response> {
    ErrorDetails details{errors::ConnectFailed, "nobody there", "look"};
    details.NothingSent = true;
    throw Error{details};
  });
  EXPECT_EQ(idOfFailure("https://vault.example/secrets/a"), "");
  transport_->ThenAnswer(503);
  transport_->Then([](auto const&) -> std::unique_ptr<Response> {
    ErrorDetails details{errors::ConnectFailed, "nobody there", "look"};
    details.NothingSent = true;
    throw Error{details};
  });
  EXPECT_EQ(idOfFailure("https://vault.example/secrets/a").size(), 36U) << "it was sent before";
}

TEST_F(IdentificationPolicyTest, KeepsTheIdOfTheRequestThatFailed) {
  credential_->Answer = [](auto const&) -> AccessToken {
    ErrorDetails details{errors::InvalidArgument, "no token", "do something"};
    details.CorrelationId = "the token request's";
    throw Error{details};
  };
  auto request = MakeRequest();
  try {
    SendEitherWay(Pipeline(), request, {});
    FAIL();
  } catch (Error const& error) {
    EXPECT_EQ(error.Details().CorrelationId, "the token request's");
  }
}

TEST_F(IdentificationPolicyTest, AnErrorBearsTheServersIdToo) {
  transport_->Then([](auto const&) {
    Headers fields;
    fields.Set("Location", "https://elsewhere.example/");
    fields.Set("x-ms-request-id", "the server's");
    return MakeResponse(302, "", std::move(fields));
  });
  auto request = MakeRequest();
  try {
    SendEitherWay(Pipeline(), request, {});
    FAIL();
  } catch (Error const& error) {
    EXPECT_EQ(error.Details().ServiceRequestId, "the server's");
    EXPECT_THAT(error.what(), HasSubstr("[request_id=the server's]"));
  }
}

}  // namespace
}  // namespace mtlspop
