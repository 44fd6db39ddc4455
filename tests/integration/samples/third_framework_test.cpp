// The adapter that docs/guidance-for-higher-level-sdks.md explains, put to the tests that it recommends.
#include "third_framework/bound_client.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include <future>
#include <set>
#include <thread>

#include "credential/emulator.hpp"
#include "support/server_process.hpp"

namespace mtlspop::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::HasSubstr;
using third_framework::Answer;
using third_framework::BoundClient;
namespace errc = boost::system::errc;
namespace http = third_framework::http;

class ThirdFramework : public testing::Test {
 protected:
  std::string Vault() const { return "https://" + emulator_.Startup().at("vault_host").get<std::string>(); }

  std::shared_ptr<TokenCredential> MakeCredential(std::size_t identity = 0) const {
    auto options = emulator_.CredentialOptions();
    if (identity != 0) {
      options.Identity =
          ManagedIdentityId::FromClientId(emulator_.Startup().at("identities").at(identity).at("client_id"));
    }
    return std::make_shared<ManagedIdentityCredential>(options);
  }

  std::unique_ptr<BoundClient> MakeClient(std::size_t identity = 0) const {
    BoundPipelineOptions options;
    options.Scopes = VaultRequest().Scopes;
    options.Retry.InitialDelay = 1ms;
    return std::make_unique<BoundClient>(MakeCredential(identity), emulator_.Transport(), options);
  }

  static third_framework::Request Get() { return {http::verb::get, "/secrets/boundsecret?api-version=7.4", 11}; }

  void HoldNextAnswer() const {
    emulator_.ArmFault({{"path", "/secrets/boundsecret"}, {"service", "vault"}, {"fault", {{"hold", true}}}});
  }

  // What the framework's users see of a request that fails.
  boost::system::error_code FailureOf(
      BoundClient const& client, third_framework::Request const& request, Context const& context = {}) const {
    try {
      client.Send(Vault(), request, context);
    } catch (boost::beast::system_error const& error) {
      return error.code();
    }
    return {};
  }

  /// A program that finds the emulator where it looks for the real services.
  std::unique_ptr<ServerProcess> Run(std::vector<std::string> command) const {
    std::string overrides;
    for (auto const& [from, to] : emulator_.Startup().at("connect").items()) {
      overrides += (overrides.empty() ? "" : ",") + from + "=" + to.get<std::string>();
    }
    return std::make_unique<ServerProcess>(ServerCommand{
        std::move(command),
        {"AZURE_POD_IDENTITY_AUTHORITY_HOST=" + emulator_.ImdsEndpoint(),
         "MTLSPOP_CA_FILE=" + emulator_.Startup().at("ca_file").get<std::string>(),
         "MTLSPOP_CONNECT_OVERRIDES=" + overrides, "NO_PROXY=*"}});
  }

  Emulator emulator_;
};

TEST_F(ThirdFramework, TheProgramReadsASecret) {
  auto const program = Run({THIRD_FRAMEWORK_PATH, Vault(), "boundsecret"});
  EXPECT_TRUE(program->WaitForOutput("status: 200\n{")) << program->Output();
}

/// The example at the top of mtlspop/policies/client.hpp.
TEST_F(ThirdFramework, IsNotNeededForTheShortWay) {
  auto const program = Run({ONE_LINE_PATH, Vault() + "/secrets/boundsecret?api-version=7.4"});
  EXPECT_TRUE(program->WaitForOutput("status: 200\n{")) << program->Output();
  EXPECT_EQ(emulator_.Log("vault").back().at("token_type"), "mtls_pop");
}

TEST_F(ThirdFramework, MetricsAreToldWithoutIt) {
  auto const program = Run({METRICS_PATH, "prometheus", Vault() + "/secrets/boundsecret?api-version=7.4"});
  EXPECT_TRUE(program->WaitForOutput("mtlspop_tokens_total{credential=\"ManagedIdentityCredential\""))
      << program->Output();
}

TEST_F(ThirdFramework, WritesAndReads) {
  auto const client = MakeClient();
  third_framework::Request put{http::verb::put, "/secrets/fresh?api-version=7.4", 11, R"({"value":"a new value"})"};
  put.set(http::field::content_type, "application/json");
  put.set(http::field::connection, "keep-alive");
  put.prepare_payload();
  EXPECT_EQ(client->Send(Vault(), put, {}).result_int(), 200U);
  third_framework::Request const get{http::verb::get, "/secrets/fresh?api-version=7.4", 11};
  auto const answer = client->Send(Vault(), get, {});
  EXPECT_THAT(answer.body(), HasSubstr("a new value"));
  EXPECT_THAT(std::string{answer[http::field::content_type]}, HasSubstr("application/json"));
  for (auto const& entry : emulator_.Log("vault")) {
    EXPECT_EQ(entry.at("token_type"), "mtls_pop");
    EXPECT_EQ(entry.at("x5t_s256"), entry.at("token_x5t_s256"));
  }
}

// An answer in chunks, since a short one that comes in one piece gives its connection back unread.
TEST_F(ThirdFramework, GivesItsConnectionsBack) {
  emulator_.ArmFault({{"service", "vault"}, {"count", -1}, {"fault", {{"chunked", true}}}});
  auto const client = MakeClient();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client->Send(Vault(), Get(), {}).result_int(), 200U);
  auto const pool = emulator_.Transport()->PoolStatistics();
  EXPECT_EQ(pool.InUse, 0U);
  std::set<int> connections;
  for (auto const& entry : emulator_.Log("vault")) connections.insert(entry.at("connection").get<int>());
  EXPECT_EQ(connections.size(), 1U);
}

TEST_F(ThirdFramework, SendsEachTokenOverItsOwnCertificate) {
  boost::asio::io_context loop;
  auto const one = MakeClient(0);
  auto const other = MakeClient(1);
  int served = 0;
  for (int i = 0; i < 60; ++i) {
    (i % 2 == 0 ? one : other)
        ->AsyncSend(
            Vault(), Get(), {},
            boost::asio::bind_executor(loop, [&](std::exception_ptr const& failure, Answer const& answer) {
              if (!failure && answer.result_int() == 200) ++served;
            }));
  }
  loop.run();
  EXPECT_EQ(served, 60);
  std::set<std::string> keys;
  for (auto const& entry : emulator_.Log("vault")) {
    EXPECT_FALSE(entry.at("mismatch").get<bool>());
    keys.insert(entry.at("x5t_s256").get<std::string>());
  }
  EXPECT_EQ(keys.size(), 2U);
}

TEST_F(ThirdFramework, LetsEveryHandlerWaitForAnotherRequest) {
  boost::asio::io_context loop;
  auto const client = MakeClient();
  int served = 0;
  for (int i = 0; i < 40; ++i) {
    client->AsyncSend(
        Vault(), Get(), {}, boost::asio::bind_executor(loop, [&](std::exception_ptr const&, Answer const&) {
          if (client->Send(Vault(), Get(), {}).result_int() == 200) ++served;
        }));
  }
  loop.run();
  EXPECT_EQ(served, 40);
}

TEST_F(ThirdFramework, TellsWithAFutureOrWhateverElseTheCallerLikes) {
  std::future<Answer> answer;
  std::future<Answer> failure;
  {
    auto const client = MakeClient();
    answer = client->AsyncSend(Vault(), Get(), {}, boost::asio::use_future);
    failure = client->AsyncSend("http://contoso.vault.azure.net", Get(), {}, boost::asio::use_future);
  }
  EXPECT_EQ(answer.get().result_int(), 200U);
  EXPECT_THROW(failure.get(), boost::beast::system_error);
}

TEST_F(ThirdFramework, RetriesAFailedBindingCheckStayingBound) {
  emulator_.ArmFault(
      {{"path", "/secrets/boundsecret"},
       {"service", "vault"},
       {"count", 2},
       {"fault",
        {{"status", 401}, {"body", {{"error", {{"message", "[MtlsCnfClaimRequestDataValidationFailed]"}}}}}}}});
  EXPECT_EQ(MakeClient()->Send(Vault(), Get(), {}).result_int(), 200U);
  EXPECT_EQ(emulator_.Log("vault").size(), 3U);
  EXPECT_EQ(emulator_.Get("statistics").at("tokens_issued"), 1);
}

TEST_F(ThirdFramework, ReplacesACertificateThatTheHandshakeRefuses) {
  emulator_.ArmFault({{"service", "vault"}, {"fault", {{"reject_handshake", true}}}});
  EXPECT_EQ(MakeClient()->Send(Vault(), Get(), {}).result_int(), 200U);
  EXPECT_EQ(emulator_.Get("statistics").at("credentials_issued"), 2);
}

TEST_F(ThirdFramework, AnswersAClaimsChallenge) {
  auto const client = MakeClient();
  EXPECT_EQ(client->Send(Vault(), Get(), {}).result_int(), 200U);
  emulator_.Control("claims-challenge", json::object());
  EXPECT_EQ(client->Send(Vault(), Get(), {}).result_int(), 200U);
  EXPECT_EQ(emulator_.Get("statistics").at("tokens_issued"), 2);
}

TEST_F(ThirdFramework, IsCancelledWhileTheServerHoldsTheAnswer) {
  auto const client = MakeClient();
  HoldNextAnswer();
  auto const context = Context{}.WithCancellation();
  auto failure = std::async(std::launch::async, [&] { return FailureOf(*client, Get(), context); });
  emulator_.Get("held?at_least=1&timeout_ms=10000");
  context.Cancel();
  EXPECT_EQ(failure.get(), errc::operation_canceled);
  emulator_.Control("release", json::object());
}

TEST_F(ThirdFramework, EndsWithItsDeadline) {
  auto const client = MakeClient();
  EXPECT_EQ(client->Send(Vault(), Get(), {}).result_int(), 200U);
  HoldNextAnswer();
  EXPECT_EQ(FailureOf(*client, Get(), Context{}.WithTimeout(200ms)), errc::timed_out);
  emulator_.Control("release", json::object());
}

TEST_F(ThirdFramework, RefusesWhatChangesTheConnection) {
  auto request = Get();
  request.set(http::field::te, "trailers");
  EXPECT_EQ(FailureOf(*MakeClient(), request), errc::invalid_argument);
  EXPECT_TRUE(emulator_.Log("vault").empty());
}

TEST_F(ThirdFramework, DoesNotRepeatAPostThatMayHaveBeenActedOn) {
  emulator_.ArmFault({{"path", "/secrets/boundsecret"}, {"service", "vault"}, {"fault", {{"cut", "before-response"}}}});
  third_framework::Request const post{http::verb::post, "/secrets/boundsecret?api-version=7.4", 11, "{}"};
  EXPECT_EQ(FailureOf(*MakeClient(), post), errc::connection_aborted);
  EXPECT_EQ(emulator_.Count("/secrets/boundsecret"), 1);
}

}  // namespace
}  // namespace mtlspop::test
