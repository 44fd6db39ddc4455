// What sending without waiting promises beyond what the other tests show in both ways.
#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fakes.hpp"
#include "mtlspop/credential/static_credential.hpp"
#include "mtlspop/policies/bound_pipeline.hpp"
#include "mtlspop/policies/client.hpp"
#include "mtlspop/policies/errors.hpp"
#include "mtlspop/transport/executor.hpp"
#include "support/error_code_of.hpp"
#include "support/event.hpp"
#include "support/told.hpp"

namespace mtlspop::test {
namespace {

using namespace std::chrono_literals;

/// Answers without a thread that waits, what its script says.
class AsynchronousTransport final : public HttpTransport {
 public:
  ScriptedTransport Script;

  std::unique_ptr<Response> Send(
      Request& request, std::shared_ptr<BindingCertificate const> const& binding, Context const& context) override {
    ADD_FAILURE() << "somebody waits";
    return Script.Send(request, binding, context);
  }
  void SendAsync(
      std::shared_ptr<Request> request,
      std::shared_ptr<BindingCertificate const> binding,
      Context const& context,
      Completion<std::unique_ptr<Response>> done) override {
    DefaultExecutor()([this, request, binding, context, done = std::move(done)] {
      done(OutcomeOf([&] { return Script.Send(*request, binding, context); }));
    });
  }
};

class AsynchronousBoundCall : public testing::Test {
 protected:
  HttpPipeline MakePipeline(std::vector<std::string> scopes = {"https://vault.azure.net/.default"}) {
    BoundPipelineOptions options;
    options.Scopes = std::move(scopes);
    options.Retry.MaximumDelay = 1h;
    return MakeBoundPipeline(credential_, transport_, std::move(options));
  }
  static std::shared_ptr<PipelineRequest> Get() {
    return std::make_shared<PipelineRequest>(
        PipelineRequest{{"GET", Url::Parse("https://myvault.vault.azure.net/secrets/a")}, nullptr});
  }
  static std::size_t Threads() {
    auto const tasks = std::filesystem::directory_iterator{"/proc/self/task"};
    return static_cast<std::size_t>(std::distance(begin(tasks), end(tasks)));
  }

  std::shared_ptr<AsynchronousTransport> transport_ = std::make_shared<AsynchronousTransport>();
  std::shared_ptr<TokenCredential> credential_ =
      std::make_shared<StaticCredential>(MakeBoundToken("bound-token", MakeNamedBinding("key-1")));
};

TEST_F(AsynchronousBoundCall, PausesOfTenThousandHoldNoThread) {
  constexpr std::size_t calls = 10'000;
  for (std::size_t index = 0; index < calls; ++index) transport_->Script.ThenAnswer(503, "Retry-After", "30", "");
  auto const pipeline = MakePipeline();
  auto const before = Threads();
  auto const context = Context{}.WithCancellation();
  std::atomic<std::size_t> ended{0};
  Event all;
  for (std::size_t index = 0; index < calls; ++index) {
    pipeline.SendAsync(Get(), context, [&](Outcome<std::unique_ptr<Response>> outcome) {
      EXPECT_EQ(ErrorCodeOf([&] { std::move(outcome).Take(); }), "cancelled");
      if (++ended == calls) all.Set();
    });
  }
  EXPECT_TRUE(Eventually([&] { return transport_->Script.Sent().size() == calls; }));
  EXPECT_LE(Threads(), before + 8);
  EXPECT_EQ(ended, 0U);
  context.Cancel();
  EXPECT_TRUE(all.Wait());
}

/// One call asks what token is wanted, all others wait for what it learns.
TEST_F(AsynchronousBoundCall, OthersWaitWithoutAThreadForTheOneThatAsks) {
  constexpr std::size_t calls = 1000;
  Event gate;
  transport_->Script.Then([&](auto const&) {
    EXPECT_TRUE(gate.Wait());
    return MakeResponse(
        401, "WWW-Authenticate",
        R"(Bearer authorization="https://login.windows.net/my-tenant", resource="https://vault.azure.net")", "");
  });
  auto const pipeline = MakePipeline({});
  auto const before = Threads();
  std::vector<Told<std::unique_ptr<Response>>> told(calls);
  for (auto const& one : told) pipeline.SendAsync(Get(), Context{}.WithTimeout(Event::Patience), one.Done());
  EXPECT_LE(Threads(), before + 8);
  Told<std::unique_ptr<Response>> late;
  pipeline.SendAsync(Get(), Context{}.WithTimeout(1ms), late.Done());
  EXPECT_EQ(ErrorCodeOf([&] { late.Wait(); }), "deadline_exceeded");
  gate.Set();
  for (auto const& one : told) EXPECT_EQ(one.Wait()->StatusCode, 200);
  EXPECT_EQ(transport_->Script.Sent().size(), calls + 1);
}

TEST_F(AsynchronousBoundCall, IsToldElsewhereWhatFailsAtOnce) {
  auto const pipeline = MakePipeline();
  auto const request = std::make_shared<PipelineRequest>(
      PipelineRequest{{"GET", Url::Parse("http://myvault.vault.azure.net/secrets/a")}, nullptr});
  Told<std::unique_ptr<Response>> told;
  pipeline.SendAsync(request, {}, told.Done());
  EXPECT_EQ(ErrorCodeOf([&] { told.Wait(); }), errors::AuthorizationRequiresHttps.Name());
  EXPECT_NE(told.Thread(), std::this_thread::get_id());
  EXPECT_EQ(ErrorCodeOf([&] { pipeline.SendAsync(nullptr, {}, told.Done()); }), "invalid_argument");
}

TEST_F(AsynchronousBoundCall, IsThereInOneLine) {
  transport_->Script.ThenAnswer(200, "the secret");
  ClientOptions options;
  options.Scopes = {"https://vault.azure.net/.default"};
  options.Transport = transport_;
  options.BufferedBodyBytes = 10;
  Client const client{credential_, std::move(options)};
  Told<ClientAnswer> told;
  client.GetAsync("https://myvault.vault.azure.net/secrets/a", 30s, told.Done());
  auto const answer = told.Wait();
  EXPECT_EQ(answer.Status, 200);
  EXPECT_EQ(answer.Text, "the secret");
  transport_->Script.ThenAnswer(200, "the secret, longer");
  Told<ClientAnswer> tooMuch;
  client.GetAsync("https://myvault.vault.azure.net/secrets/a", 30s, tooMuch.Done());
  EXPECT_EQ(ErrorCodeOf([&] { tooMuch.Wait(); }), "buffered_body_limit_exceeded");
}

/// The body of an answer that was looked at is whole for who reads it next, also without waiting.
TEST_F(AsynchronousBoundCall, LeavesTheBodyOfARefusalWhole) {
  std::string const body(100'000, 'x');
  transport_->Script.ThenAnswer(401, body);
  auto const pipeline = MakePipeline();
  Told<std::unique_ptr<Response>> told;
  pipeline.SendAsync(Get(), {}, told.Done());
  auto const response = told.Wait();
  EXPECT_EQ(response->StatusCode, 401);
  Told<std::string> text;
  ReadToEndAsync(std::move(response->Body), DefaultBufferedBodyBytes, {}, text.Done());
  EXPECT_EQ(text.Wait(), body);
}

}  // namespace
}  // namespace mtlspop::test
