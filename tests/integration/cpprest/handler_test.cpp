// Before cpprestsdk, whose macro U is a name that GoogleTest uses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cpprest/containerstream.h>
#include <cpprest/producerconsumerstream.h>

#include <set>
#include <stdexcept>
#include <system_error>
#include <thread>

#include "credential/emulator.hpp"
#include "credential/rotating_credential.hpp"
#include "mtlspop/cpprest/handler.hpp"
#include "mtlspop/cpprest/http_exception.hpp"
#include "mtlspop/transport/environment.hpp"
#include "support/event.hpp"
#include "support/scoped_environment.hpp"
#include "support/server_process.hpp"
#include "support/squid_proxy.hpp"
#include "support/test_certificate_authority.hpp"

namespace mtlspop::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::AllOf;
using testing::Each;
using testing::HasSubstr;
using testing::Ne;
using web::http::http_exception;
using web::http::http_request;
using web::http::http_response;
using web::http::methods;
using web::http::client::http_client;
using web::http::client::http_client_config;

constexpr char const* SecretPath = "/secrets/boundsecret?api-version=7.4";

class CpprestAgainstEmulator : public testing::Test {
 protected:
  std::string VaultUrl() const { return "https://" + emulator_.Startup().at("vault_host").get<std::string>(); }
  std::string BlobUrl() const { return "https://" + emulator_.Startup().at("blob_host").get<std::string>(); }

  std::shared_ptr<TokenCredential> MakeCredential(ManagedIdentityId identity = {}) {
    auto options = emulator_.CredentialOptions();
    options.Identity = std::move(identity);
    return std::make_shared<ManagedIdentityCredential>(options);
  }

  cpprest::HandlerOptions Options() const {
    cpprest::HandlerOptions options;
    options.Transport = emulator_.Transport();
    options.Retry.InitialDelay = 1ms;
    return options;
  }

  http_client MakeClient(std::shared_ptr<TokenCredential> credential, http_client_config config = {}) const {
    return cpprest::MakeClient(VaultUrl(), std::move(credential), std::move(config), Options());
  }

  int Mismatches() const { return emulator_.Get("statistics").at("mismatches"); }

  static std::error_code FailureOf(pplx::task<http_response> const& task) {
    try {
      task.get();
    } catch (http_exception const& error) {
      return error.error_code();
    }
    return {};
  }

  Emulator emulator_;
};

TEST_F(CpprestAgainstEmulator, WritesAndReadsASecret) {
  auto client = MakeClient(MakeCredential());
  web::json::value secret;
  secret[U("value")] = web::json::value::string(U("a new value"));
  EXPECT_EQ(client.request(methods::PUT, U("/secrets/fresh?api-version=7.4"), secret).get().status_code(), 200);
  auto const read = client.request(methods::GET, U("/secrets/fresh?api-version=7.4")).get().extract_json().get();
  EXPECT_EQ(read.at(U("value")).as_string(), U("a new value"));
}

// However many ask at once: one credential issued, one token, no mismatch.
TEST_F(CpprestAgainstEmulator, ServesManyThreadsWithOneBindingAndOneToken) {
  auto client = MakeClient(MakeCredential());
  std::vector<std::thread> threads;
  std::atomic<int> served{0};
  for (int t = 0; t < 16; ++t) {
    threads.emplace_back([&] {
      std::vector<pplx::task<void>> tasks;
      for (int i = 0; i < 13; ++i) {
        tasks.push_back(client.request(methods::GET, SecretPath)
                            .then([](http_response response) { return response.extract_json(); })
                            .then([&](web::json::value const& value) {
                              if (!value.at(U("value")).as_string().empty()) ++served;
                            }));
      }
      for (auto const& task : tasks) task.get();
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(served, 208);
  auto const statistics = emulator_.Get("statistics");
  EXPECT_EQ(statistics.at("credentials_issued"), 1);
  EXPECT_EQ(statistics.at("tokens_issued"), 1);
  EXPECT_EQ(statistics.at("mismatches"), 0);
  // And in the log, request by request.
  int certificates = 0;
  int tokens = 0;
  int secrets = 0;
  for (auto const& entry : emulator_.Get("log")) {
    EXPECT_FALSE(entry.at("mismatch").get<bool>()) << entry;
    if (entry.at("status") != 200) continue;
    auto const path = entry.at("path").get<std::string>();
    certificates += path == "/metadata/identity/issuecredential" ? 1 : 0;
    tokens += entry.at("service") == "sts" && path.find("/oauth2/v2.0/token") != std::string::npos ? 1 : 0;
    if (entry.at("service") != "vault") continue;
    ++secrets;
    EXPECT_EQ(entry.at("x5t_s256"), entry.at("token_x5t_s256")) << entry;
  }
  EXPECT_EQ(certificates, 1);
  EXPECT_EQ(tokens, 1);
  EXPECT_EQ(secrets, 208);
}

TEST_F(CpprestAgainstEmulator, SendsALongBodyThroughTheRenegotiation) {
  auto client = cpprest::MakeClient(BlobUrl(), MakeCredential(), {}, [&] {
    auto options = Options();
    options.Scopes = {"https://storage.azure.com/.default"};
    return options;
  }());
  std::size_t const size = 4 * 1024 * 1024;
  concurrency::streams::producer_consumer_buffer<std::uint8_t> pipe;
  http_request request{methods::PUT};
  request.set_request_uri(U("/discard/long"));
  request.set_body(pipe.create_istream());
  auto const answer = client.request(request);
  std::vector<std::uint8_t> const piece(64 * 1024, 'x');
  for (std::size_t sent = 0; sent < size; sent += piece.size()) pipe.putn_nocopy(piece.data(), piece.size()).wait();
  pipe.close(std::ios_base::out).wait();
  auto const response = answer.get();
  EXPECT_EQ(response.status_code(), 201);
  EXPECT_EQ(response.headers().find(U("x-emulator-body-size"))->second, std::to_string(size));
}

/// Neither told as a fault of the network nor tried again.
TEST_F(CpprestAgainstEmulator, HandsTheExceptionOfABodysStreamOnAsItIs) {
  auto options = Options();
  options.Scopes = {"https://storage.azure.com/.default"};
  options.Retry.InitialDelay = options.Retry.MaximumDelay = std::chrono::hours{1};
  auto client = cpprest::MakeClient(BlobUrl(), MakeCredential(), {}, options);
  for (bool const isLengthKnown : {false, true}) {
    concurrency::streams::producer_consumer_buffer<std::uint8_t> pipe;
    http_request request{methods::PUT};
    request.set_request_uri(U("/discard/long"));
    if (isLengthKnown) {
      request.set_body(pipe.create_istream(), 100'000);
    } else {
      request.set_body(pipe.create_istream());
    }
    auto const answer = client.request(request);
    std::vector<std::uint8_t> const piece(32 * 1024, 'x');
    pipe.putn_nocopy(piece.data(), piece.size()).wait();
    pipe.close(std::ios_base::out, std::make_exception_ptr(std::domain_error{"mine"})).wait();
    EXPECT_THROW(answer.get(), std::domain_error) << isLengthKnown;
  }
}

TEST_F(CpprestAgainstEmulator, StreamsALongAnswerIntoTheApplicationsStream) {
  auto options = Options();
  options.Scopes = {"https://storage.azure.com/.default"};
  auto client = cpprest::MakeClient(BlobUrl(), MakeCredential(), {}, options);
  concurrency::streams::container_buffer<std::vector<std::uint8_t>> mine;
  http_request request{methods::GET};
  request.set_request_uri(U("/generated/3000000"));
  request.set_response_stream(mine.create_ostream());
  client.request(request).get().content_ready().get();
  EXPECT_EQ(mine.collection().size(), 3'000'000U);
}

TEST_F(CpprestAgainstEmulator, KeepsTwoIdentitiesApart) {
  auto const user = emulator_.Startup().at("identities").at(1).at("client_id").get<std::string>();
  auto first = MakeClient(MakeCredential());
  auto second = MakeClient(MakeCredential(ManagedIdentityId::FromClientId(user)));
  std::vector<pplx::task<http_response>> tasks;
  for (int i = 0; i < 40; ++i) tasks.push_back((i % 2 == 0 ? first : second).request(methods::GET, SecretPath));
  for (auto const& task : tasks) EXPECT_EQ(task.get().status_code(), 200);
  EXPECT_EQ(Mismatches(), 0);
  std::set<std::string> keys;
  for (auto const& entry : emulator_.Log("vault")) {
    if (!entry.at("token_x5t_s256").is_null()) keys.insert(entry.at("token_x5t_s256").get<std::string>());
  }
  EXPECT_EQ(keys.size(), 2U);
}

TEST_F(CpprestAgainstEmulator, SendsAHeldTokenWithItsOwnCertificateAfterARotation) {
  auto client = MakeClient(std::make_shared<RotatingCredential>(MakeCredential(), emulator_.Transport()));
  std::vector<pplx::task<http_response>> tasks;
  for (int i = 0; i < 4; ++i) tasks.push_back(client.request(methods::GET, SecretPath));
  for (auto const& task : tasks) EXPECT_EQ(task.get().status_code(), 200);
  EXPECT_EQ(Mismatches(), 0);
}

TEST_F(CpprestAgainstEmulator, FinishesAHeldRequestWhoseBindingIsDropped) {
  auto const credential = MakeCredential();
  auto client = MakeClient(credential);
  client.request(methods::GET, SecretPath).get();
  emulator_.ArmFault({{"path", "/secrets/boundsecret"}, {"service", "vault"}, {"fault", {{"hold", true}}}});
  auto const held = client.request(methods::GET, SecretPath);
  emulator_.Get("held?at_least=1&timeout_ms=10000");
  auto const refused = credential->GetToken(VaultRequest(), {});
  credential->ReportRefusal(VaultRequest(), refused, RefusalReason::BindingNoLongerGood);
  auto const renewed = credential->GetToken(VaultRequest(), {});
  emulator_.Transport()->DropConnections(refused.Binding->X5tS256());
  EXPECT_NE(renewed.Binding->X5tS256(), refused.Binding->X5tS256());
  EXPECT_EQ(client.request(methods::GET, SecretPath).get().status_code(), 200);
  emulator_.Control("release", json::object());
  EXPECT_EQ(held.get().status_code(), 200);
  EXPECT_EQ(Mismatches(), 0);
}

TEST_F(CpprestAgainstEmulator, RetriesAFailedBindingCheckStayingBound) {
  emulator_.ArmFault(
      {{"path", "/secrets/boundsecret"},
       {"service", "vault"},
       {"skip", 1},
       {"count", 2},
       {"fault",
        {{"status", 401},
         {"body",
          {{"error", {{"code", "Unauthorized"}, {"message", "[MtlsCnfClaimRequestDataValidationFailed] again"}}}}}}}});
  auto client = MakeClient(MakeCredential());
  EXPECT_EQ(client.request(methods::GET, SecretPath).get().status_code(), 200);
  auto const log = emulator_.Log("vault");
  ASSERT_EQ(log.size(), 4U);
  EXPECT_EQ(log[3].at("token_type"), "mtls_pop");
  EXPECT_EQ(emulator_.Get("statistics").at("tokens_issued"), 1);
}

TEST_F(CpprestAgainstEmulator, AnswersAClaimsChallenge) {
  auto client = MakeClient(MakeCredential());
  EXPECT_EQ(client.request(methods::GET, SecretPath).get().status_code(), 200);
  emulator_.Control("claims-challenge", json::object());
  EXPECT_EQ(client.request(methods::GET, SecretPath).get().status_code(), 200);
  EXPECT_EQ(emulator_.Get("statistics").at("tokens_issued"), 2);
  EXPECT_EQ(emulator_.Get("statistics").at("credentials_issued"), 1);
}

TEST_F(CpprestAgainstEmulator, ReplacesABindingThatTheHandshakeRefuses) {
  auto options = Options();
  options.Scopes = VaultRequest().Scopes;
  auto client = cpprest::MakeClient(VaultUrl(), MakeCredential(), {}, options);
  emulator_.ArmFault({{"service", "vault"}, {"fault", {{"reject_handshake", true}}}});
  EXPECT_EQ(client.request(methods::GET, SecretPath).get().status_code(), 200);
  EXPECT_EQ(emulator_.Get("statistics").at("credentials_issued"), 2);
}

TEST_F(CpprestAgainstEmulator, LeavesARefusalToTheApplication) {
  auto const identities = emulator_.Startup().at("identities");
  auto const none = identities.back().at("client_id").get<std::string>();
  auto client = MakeClient(MakeCredential(ManagedIdentityId::FromClientId(none)));
  EXPECT_EQ(client.request(methods::GET, SecretPath).get().status_code(), 403);
}

TEST_F(CpprestAgainstEmulator, IsCancelledWhileTheServerHoldsTheAnswer) {
  auto client = MakeClient(MakeCredential());
  client.request(methods::GET, SecretPath).get();
  emulator_.ArmFault({{"path", "/secrets/boundsecret"}, {"service", "vault"}, {"fault", {{"hold", true}}}});
  pplx::cancellation_token_source cancellation;
  auto const held = client.request(methods::GET, SecretPath, cancellation.get_token());
  emulator_.Get("held?at_least=1&timeout_ms=10000");
  cancellation.cancel();
  EXPECT_EQ(FailureOf(held), std::errc::operation_canceled);
  emulator_.Control("release", json::object());
}

TEST_F(CpprestAgainstEmulator, TimesOutAsTheClientSays) {
  auto const credential = MakeCredential();
  MakeClient(credential).request(methods::GET, SecretPath).get();
  http_client_config config;
  config.set_timeout(200ms);
  auto client = MakeClient(credential, config);
  emulator_.ArmFault({{"path", "/secrets/boundsecret"}, {"service", "vault"}, {"fault", {{"hold", true}}}});
  EXPECT_EQ(FailureOf(client.request(methods::GET, SecretPath)), std::errc::timed_out);
  emulator_.Control("release", json::object());
}

TEST_F(CpprestAgainstEmulator, OutlivesTheClientThatAsked) {
  emulator_.ArmFault({{"path", "/secrets/boundsecret"}, {"service", "vault"}, {"fault", {{"delay_ms", 50}}}});
  pplx::task<http_response> task;
  {
    auto client = MakeClient(MakeCredential());
    task = client.request(methods::GET, SecretPath);
  }
  EXPECT_EQ(task.get().status_code(), 200);
}

TEST_F(CpprestAgainstEmulator, HasFiveHundredRequestsInFlight) {
  auto client = MakeClient(MakeCredential());
  std::vector<pplx::task<int>> tasks;
  for (int i = 0; i < 500; ++i) {
    tasks.push_back(client.request(methods::GET, SecretPath).then([&client](http_response) {
      return client.request(methods::GET, SecretPath)
          .then([](http_response response) { return static_cast<int>(response.status_code()); })
          .get();
    }));
  }
  for (auto const& task : tasks) EXPECT_EQ(task.get(), 200);
  EXPECT_EQ(Mismatches(), 0);
}

TEST_F(CpprestAgainstEmulator, GoesThroughTheProxyOfTheClientWithItsCredentials) {
  TestCertificateAuthority authority;
  SquidProxy const squid{SquidAuthentication::Basic, authority.IssueForLoopback()};
  ScopedEnvironment const environment{
      {{"MTLSPOP_CA_FILE", emulator_.Startup().at("ca_file").get<std::string>()},
       {"NO_PROXY", std::nullopt},
       {"no_proxy", std::nullopt}}};
  web::web_proxy proxy{squid.PlainUrl()};
  proxy.set_credentials({SquidProxy::UserName, SquidProxy::Password});
  http_client_config config;
  config.set_proxy(proxy);
  auto options = Options();
  options.Transport = nullptr;
  options.Scopes = VaultRequest().Scopes;
  {
    // By its address: what is overridden goes past every proxy.
    auto const url = emulator_.Startup().at("vault").get<std::string>();
    http_client client{url, config};
    cpprest::AddHandler(client, MakeCredential(), options);
    EXPECT_EQ(client.request(methods::GET, SecretPath).get().status_code(), 200);
  }
  EXPECT_TRUE(Eventually([&] {
    auto const log = squid.AccessLog();
    return log.find("CONNECT") != std::string::npos && log.find(SquidProxy::UserName) != std::string::npos;
  })) << squid.AccessLog();
}

TEST_F(CpprestAgainstEmulator, GoesPastTheEnvironmentsProxyWhereTheClientSwitchesProxiesOff) {
  ScopedEnvironment const environment{
      {{"MTLSPOP_CA_FILE", emulator_.Startup().at("ca_file").get<std::string>()},
       {"HTTPS_PROXY", "http://127.0.0.1:" + std::to_string(ReserveLoopbackPort())},
       {"https_proxy", std::nullopt},
       {"NO_PROXY", std::nullopt},
       {"no_proxy", std::nullopt}}};
  auto options = Options();
  options.Transport = nullptr;
  options.Scopes = VaultRequest().Scopes;
  options.Retry.MaximumRetries = 0;
  auto const credential = MakeCredential();
  // By its address: what is overridden goes past every proxy.
  auto const url = emulator_.Startup().at("vault").get<std::string>();
  http_client_config config;
  config.set_proxy(web::web_proxy{web::web_proxy::disabled});
  http_client direct{url, config};
  cpprest::AddHandler(direct, credential, options);
  EXPECT_EQ(direct.request(methods::GET, SecretPath).get().status_code(), 200);

  options.Transport = MakeHttpTransport(TransportOptionsFromEnvironment());
  http_client proxied{url};
  cpprest::AddHandler(proxied, credential, options);
  EXPECT_EQ(FailureOf(proxied.request(methods::GET, SecretPath)), std::errc::host_unreachable);
}

TEST_F(CpprestAgainstEmulator, RefusesFieldsThatTheConnectionCannotHonour) {
  auto client = MakeClient(MakeCredential());
  for (auto const* const name : {U("TE"), U("Upgrade")}) {
    http_request request{methods::GET};
    request.set_request_uri(SecretPath);
    request.headers().add(name, U("trailers"));
    EXPECT_EQ(FailureOf(client.request(request)), std::errc::invalid_argument) << name;
  }
  EXPECT_TRUE(emulator_.Log("vault").empty());
}

TEST_F(CpprestAgainstEmulator, ReadsFiveHundredAnswersWhoseReadersWaitForOtherAnswers) {
  auto client = MakeClient(MakeCredential());
  auto const read = [](http_response const& response) { return response.extract_json(); };
  std::vector<pplx::task<bool>> tasks;
  for (int i = 0; i < 500; ++i) {
    tasks.push_back(client.request(methods::GET, SecretPath).then(read).then([&](web::json::value const& outer) {
      return client.request(methods::GET, SecretPath).get().extract_json().get() == outer;
    }));
  }
  for (auto const& task : tasks) EXPECT_TRUE(task.get());
  EXPECT_EQ(Mismatches(), 0);
}

/// What a plain `http_client` reports for the same trouble.
std::error_code PlainFailure(std::string const& url) {
  try {
    http_client{url}.request(methods::GET).get();
  } catch (http_exception const& error) {
    return error.error_code();
  }
  return {};
}

TEST_F(CpprestAgainstEmulator, FailsToConnectAsAPlainClientDoes) {
  auto const url = "https://127.0.0.1:" + std::to_string(ReserveLoopbackPort());
  auto options = Options();
  options.Scopes = {"https://vault.azure.net/.default"};
  options.Retry.MaximumRetries = 0;
  auto client = cpprest::MakeClient(url, MakeCredential(), {}, options);
  auto const ours = FailureOf(client.request(methods::GET));
  EXPECT_EQ(ours, PlainFailure(url).default_error_condition());
  EXPECT_EQ(ours, std::errc::host_unreachable);
}

}  // namespace
}  // namespace mtlspop::test
