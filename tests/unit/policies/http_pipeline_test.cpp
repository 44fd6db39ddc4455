#include "mtlspop/policies/http_pipeline.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fakes.hpp"
#include "mtlspop/policies/bound_pipeline.hpp"
#include "mtlspop/policies/errors.hpp"
#include "send_either_way.hpp"
#include "support/error_code_of.hpp"

namespace mtlspop {
namespace {

using namespace mtlspop::test;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class Mark final : public HttpPolicy {
 public:
  explicit Mark(std::string name) : name_(std::move(name)) {}
  std::unique_ptr<Response> Send(PipelineRequest& request, NextHttpPolicy next, Context const& context) const override {
    request.Message.Fields.Add("Mark", name_);
    return next.Send(request, context);
  }
  std::unique_ptr<HttpPolicy> Clone() const override { return std::make_unique<Mark>(name_); }

 private:
  std::string name_;
};

TEST(HttpPipeline, RunsItsPoliciesInOrderAndSendsTheBinding) {
  auto const transport = std::make_shared<ScriptedTransport>();
  std::vector<std::unique_ptr<HttpPolicy>> policies;
  policies.push_back(std::make_unique<Mark>("first"));
  policies.push_back(std::make_unique<Mark>("second"));
  HttpPipeline const pipeline{std::move(policies), transport};
  PipelineRequest request{{"GET", Url::Parse("https://a.example/")}, MakeNamedBinding("key-1")};
  SendEitherWay(HttpPipeline{pipeline}, request, {});
  EXPECT_THAT(transport->Sent()[0].Fields.GetAll("Mark"), ElementsAre("first", "second"));
  EXPECT_EQ(transport->Sent()[0].Binding->X5tS256(), "key-1");
}

TEST(HttpPipeline, NeverSendsABoundTokenBare) {
  auto const transport = std::make_shared<ScriptedTransport>();
  HttpPipeline const pipeline{{}, transport};
  PipelineRequest request{{"GET", Url::Parse("https://a.example/")}, nullptr};
  request.Message.Fields.Set("Authorization", "MTLS_PoP token");
  EXPECT_EQ(ErrorCodeOf([&] { SendEitherWay(pipeline, request, {}); }), errors::BoundTokenWithoutBinding.Name());
  EXPECT_THAT(transport->Sent(), IsEmpty());
}

TEST(MakeBoundPipeline, RefusesNothing) {
  auto const credential = std::make_shared<FakeCredential>();
  auto const transport = std::make_shared<ScriptedTransport>();
  BoundPipelineOptions withoutClock;
  withoutClock.Time = nullptr;
  EXPECT_EQ(ErrorCodeOf([&] { MakeBoundPipeline(nullptr, transport); }), errors::InvalidArgument.Name());
  EXPECT_EQ(ErrorCodeOf([&] { MakeBoundPipeline(credential, nullptr); }), errors::InvalidArgument.Name());
  EXPECT_EQ(
      ErrorCodeOf([&] { MakeBoundPipeline(credential, transport, withoutClock); }), errors::InvalidArgument.Name());
}

TEST(MakeBoundPipeline, AuthorizesEachAttemptAnew) {
  auto const transport = std::make_shared<ScriptedTransport>();
  auto const credential = std::make_shared<FakeCredential>();
  int count = 0;
  credential->Answer = [&](auto const&) {
    auto const number = std::to_string(++count);
    return MakeBoundToken("token-" + number, MakeNamedBinding("key-" + number));
  };
  transport->ThenAnswer(503, "Retry-After", "0", "");
  BoundPipelineOptions options;
  options.Scopes = {"https://a.example/.default"};
  auto const pipeline = MakeBoundPipeline(credential, transport, std::move(options));
  PipelineRequest request{{"GET", Url::Parse("https://a.example/")}, nullptr};
  EXPECT_EQ(SendEitherWay(pipeline, request, {})->StatusCode, 200);
  auto const sent = transport->Sent();
  ASSERT_THAT(sent, SizeIs(2));
  EXPECT_EQ(sent[0].Fields.Get("Authorization"), "mtls_pop token-1");
  EXPECT_EQ(sent[0].Binding->X5tS256(), "key-1");
  EXPECT_EQ(sent[1].Fields.Get("Authorization"), "mtls_pop token-2");
  EXPECT_EQ(sent[1].Binding->X5tS256(), "key-2");
}

}  // namespace
}  // namespace mtlspop
