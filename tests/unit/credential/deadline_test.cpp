// A caller whose time runs out is told what was being done, by whom, for how long, and under which id.
#include <atomic>
#include <chrono>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_cloud.hpp"
#include "mtlspop/credential/errors.hpp"
#include "support/either_way.hpp"
#include "support/error_code_of.hpp"
#include "support/event.hpp"

namespace mtlspop::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

/// A world in which requests of a path hang until it ends.
struct HangingWorld : ManagedIdentityWorld {
  explicit HangingWorld(std::string path, int passes = 0) : passes_(passes) {
    Cloud->Intercept = [this, path](Arrived const& arrived) -> std::optional<Answer> {
      if (IsProbe(arrived) || arrived.Path.find(path) == std::string::npos) return std::nullopt;
      if (passes_-- > 0) return TokenError("busy", "busy", 503);
      hangs_.Set();
      EXPECT_TRUE(released_.Wait());
      return std::nullopt;
    };
  }
  ~HangingWorld() {
    released_.Set();
    Drop();
  }
  HangingWorld(HangingWorld const&) = delete;
  HangingWorld& operator=(HangingWorld const&) = delete;

  std::optional<Error> FailIn(
      std::chrono::milliseconds time, std::string const& scope = "https://vault.azure.net/.default") {
    return ErrorOf([&] { GetEitherWay(Credential(), Request(scope), Context{}.WithTimeout(time)); });
  }
  void WaitUntilItHangs() const { EXPECT_TRUE(hangs_.Wait()); }

 private:
  std::atomic<int> passes_;
  Event hangs_;
  Event released_;
};

TEST(DeadlineError, SaysWhatWasAskedOfWhomAndTheIdThatWasSent) {
  struct Row {
    std::string Path;
    std::string Step;
    std::string IdField;
  };
  for (auto const& row :
       {Row{"getplatformmetadata", "get_platform_metadata to http://169.254.169.254:80", "x-ms-client-request-id"},
        Row{"issuecredential", "issue_credential to http://169.254.169.254:80", "x-ms-client-request-id"},
        Row{"/oauth2/v2.0/token", "request_token to https://region.mtlsauth.microsoft.com:443", "client-request-id"}}) {
    HangingWorld world{row.Path};
    auto const error = world.FailIn(300ms);
    ASSERT_TRUE(error);
    EXPECT_EQ(error->Code(), errors::DeadlineExceeded);
    EXPECT_THAT(error->what(), HasSubstr(row.Step + " has been under way for "));
    EXPECT_EQ(error->Details().Attempts, 1);
    EXPECT_EQ(error->Details().CorrelationId, world.Cloud->All(row.Path).at(0).Fields.Get(row.IdField));
  }
}

TEST(DeadlineError, SaysWhatFailedBefore) {
  HangingWorld world{"getplatformmetadata", 2};
  auto const error = world.FailIn(300ms);
  ASSERT_TRUE(error);
  EXPECT_THAT(error->what(), HasSubstr("under way for 3 s, in attempt 3; the one before ended with status 503"));
  EXPECT_EQ(error->Details().Attempts, 3);
}

/// Whoever waits for the certificate that another's token needs is told of that one's request.
TEST(DeadlineError, OfAWaiterSaysWhatTheWorkIsAtThatItWaitsFor) {
  HangingWorld world{"issuecredential"};
  std::thread first{[&] { world.FailIn(5s); }};
  world.WaitUntilItHangs();
  auto const error = world.FailIn(300ms, "https://storage.azure.com/.default");
  ASSERT_TRUE(error);
  EXPECT_THAT(error->what(), HasSubstr("issue_credential to http://169.254.169.254:80"));
  EXPECT_EQ(
      error->Details().CorrelationId, world.Cloud->All("issuecredential").at(0).Fields.Get("x-ms-client-request-id"));
  first.join();
}

/// What is no request is a step, too. It was sent to nobody, so there is no id under which anybody could find it.
TEST(DeadlineError, OfAWaiterSaysThatTheStoreIsWaitedFor) {
  class Locked final : public BindingStore {
   public:
    std::unique_ptr<Lock> Acquire(std::string_view, Context const&) override {
      EXPECT_TRUE(Released.Wait());
      return nullptr;
    }
    std::optional<StoredBinding> Load(std::string_view) override { return std::nullopt; }
    void Save(std::string_view, StoredBinding const&) override {}
    void Remove(std::string_view, std::string_view) override {}
    Event Released;
  };
  ManagedIdentityWorld world;
  auto const store = std::make_shared<Locked>();
  world.Options.Store = store;
  auto const error = ErrorOf([&] { GetEitherWay(world.Credential(), world.Request(), Context{}.WithTimeout(300ms)); });
  store->Released.Set();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code(), errors::DeadlineExceeded);
  EXPECT_THAT(error->what(), HasSubstr("Waiting for the binding store has been under way for "));
  EXPECT_EQ(error->Details().Attempts, 0);
  EXPECT_EQ(error->Details().CorrelationId, "");
  world.Drop();
}

/// The time of the work itself, here that of looking whether anybody is there.
TEST(DeadlineError, OfTheWorkItselfSaysTheSame) {
  class Hanging final : public HttpTransport {
   public:
    std::unique_ptr<Response> Send(
        mtlspop::Request&, std::shared_ptr<BindingCertificate const> const&, Context const& context) override {
      EXPECT_TRUE(Eventually([&] { return context.IsExpired(); }));
      context.ThrowIfEnded("Connecting");
      return nullptr;
    }
  };
  ManagedIdentityWorld world;
  world.Options.Time = SystemClock();
  world.Options.Transport = std::make_shared<Hanging>();
  auto const context = Context{}.WithTimeout(50ms);
  try {
    GetManagedIdentityCapabilities(world.Options, context);
    FAIL();
  } catch (Error const& error) {
    EXPECT_EQ(error.Code(), errors::DeadlineExceeded);
    EXPECT_THAT(error.what(), HasSubstr("after probe was first sent to http://169.254.169.254:80, in attempt 1"));
    EXPECT_THAT(DescribeWithCauses(error), HasSubstr("Connecting took longer"));
    EXPECT_EQ(error.Details().CorrelationId.size(), 36U);
    EXPECT_EQ(error.Details().Attempts, 1);
  }
}

}  // namespace
}  // namespace mtlspop::test
