// What an application is told at last where the services put it off, through the whole pipeline and over real sockets: the
// id is one that was sent, and the attempts are those that were made under it.
#include <algorithm>
#include <ostream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "emulator.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/policies/bound_pipeline.hpp"
#include "support/either_way.hpp"
#include "support/error_code_of.hpp"
#include "support/manual_clock.hpp"

namespace mtlspop::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

struct Throttled {
  char const* Name;
  char const* Service;
  /// "" for all.
  char const* Path;
  json Fault;
  ErrorCode Code;
  /// Requests that were put off, and those of them under the id of the error.
  int Requests;
  int UnderTheId;
};

void PrintTo(Throttled const& tested, std::ostream* out) { *out << tested.Name; }

class ThrottlingAgainstEmulator : public testing::TestWithParam<Throttled> {
 protected:
  ThrottlingAgainstEmulator() {
    auto options = emulator_.CredentialOptions();
    options.Time = clock_;
    BoundPipelineOptions pipeline;
    pipeline.Scopes = VaultRequest().Scopes;
    pipeline.Time = clock_;
    pipeline_ = std::make_unique<HttpPipeline>(
        MakeBoundPipeline(std::make_shared<ManagedIdentityCredential>(options), emulator_.Transport(), pipeline));
    emulator_.ArmFault(
        {{"service", GetParam().Service},
         {"path", GetParam().Path},
         // Probes are none of the requests, and have no such header.
         {"with_header", GetParam().Service == std::string{"imds"} ? "Metadata" : ""},
         {"count", -1},
         {"fault", GetParam().Fault}});
  }

  std::optional<Error> Fail() const {
    return ErrorOf([this] {
      auto const target = Url::Parse(
          "https://" + emulator_.Startup().at("vault_host").get<std::string>() +
          "/secrets/boundsecret?api-version=7.4");
      auto request = std::make_shared<PipelineRequest>(PipelineRequest{{"GET", target}, nullptr});
      if (!IsAsynchronous()) {
        pipeline_->Send(*request, {});
        return;
      }
      Told<std::unique_ptr<Response>> const told;
      pipeline_->SendAsync(request, {}, told.Done());
      told.Wait();
    });
  }

  /// Ids of the requests that were put off.
  std::vector<std::string> Sent() const {
    std::vector<std::string> ids;
    for (auto const& entry : emulator_.Log(GetParam().Service)) {
      if (entry.at("fault").get<bool>()) ids.push_back(entry.at("client_request_id"));
    }
    return ids;
  }

  Emulator emulator_;
  std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>();
  std::unique_ptr<HttpPipeline> pipeline_;
};

TEST_P(ThrottlingAgainstEmulator, EndsInAnErrorThatSaysWhatWasSent) {
  auto const error = Fail();
  ASSERT_TRUE(error);
  auto const sent = Sent();
  auto const under = std::count(sent.begin(), sent.end(), error->Details().CorrelationId);
  EXPECT_EQ(error->Code(), GetParam().Code);
  EXPECT_EQ(sent.size(), static_cast<std::size_t>(GetParam().Requests));
  EXPECT_EQ(under, GetParam().UnderTheId);
  EXPECT_EQ(error->Details().Attempts, under);
  EXPECT_THAT(error->what(), HasSubstr(error->Details().CorrelationId));
  if (under < 2) {
    EXPECT_THAT(error->what(), Not(HasSubstr("attempts=")));
  }
}

/// Who asks before the time that the service named is told of the request that was sent.
TEST_P(ThrottlingAgainstEmulator, IsToldToTheNextCallAsWhatItIs) {
  auto const first = Fail();
  ASSERT_TRUE(first);
  if (!first->Details().NotBefore) return;
  auto const sent = Sent();
  auto const second = Fail();
  ASSERT_TRUE(second);
  if (GetParam().Requests == 1) {
    EXPECT_EQ(Sent(), sent);
    EXPECT_EQ(second->Details().Attempts, 0);
    EXPECT_EQ(second->Details().CorrelationId, sent.front());
    EXPECT_THAT(second->what(), HasSubstr("not asked again before"));
  } else {
    auto const all = Sent();
    EXPECT_EQ(std::count(all.begin(), all.end(), second->Details().CorrelationId), 1);
  }
}

json Busy(int status, std::string const& retryAfter) {
  json fault{{"status", status}, {"body", {{"error", "temporarily_unavailable"}}}};
  if (!retryAfter.empty()) fault["headers"] = {{"Retry-After", retryAfter}};
  return fault;
}

INSTANTIATE_TEST_SUITE_P(
    ,
    ThrottlingAgainstEmulator,
    testing::Values(
        // Each of the pipeline's four tries to get a token is a request with an id of its own.
        Throttled{"TokenServiceForASecond", "sts", "", Busy(429, "1"), errors::TokenServiceUnavailable, 4, 1},
        Throttled{"TokenServiceForLong", "sts", "", Busy(429, "3000"), errors::TokenServiceUnavailable, 1, 1},
        Throttled{"TokenServiceWithoutATime", "sts", "", Busy(503, ""), errors::TokenServiceUnavailable, 2, 2},
        Throttled{
            "MetadataForLong", "imds", "/metadata/identity/getplatformmetadata", Busy(429, "3000"),
            errors::ImdsUnavailable, 1, 1},
        Throttled{
            "MetadataWithoutATime", "imds", "/metadata/identity/issuecredential", Busy(503, ""),
            errors::ImdsUnavailable, 4, 4}),
    [](auto const& tested) { return std::string{tested.param.Name}; });

}  // namespace
}  // namespace mtlspop::test
