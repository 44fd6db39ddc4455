// What crosses the boundary between a program and the DLL: exceptions and their types, classes that the one declares and the
// other derives from, what one makes and the other frees, members that headers define.

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <typeinfo>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "container_keys.hpp"
#include "mtlspop/credential/managed_identity_credential.hpp"
#include "mtlspop/policies/client.hpp"
#include "mtlspop/policies/http_pipeline.hpp"
#include "mtlspop/policies/resource_memory.hpp"
#include "mtlspop/transport/http_transport.hpp"

namespace mtlspop::windows_tests {
namespace {

using testing::HasSubstr;

/// An exception that the DLL knows nothing of.
struct OwnFailure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class FailingBody final : public BodyStream {
 public:
  std::size_t Read(gsl::span<std::uint8_t>, Context const&) override { throw OwnFailure{"of the program"}; }
};

/// Answers with the request's authorization.
class EchoTransport final : public HttpTransport {
 public:
  std::unique_ptr<Response> Send(
      Request& request, std::shared_ptr<BindingCertificate const> const&, Context const&) override {
    auto response = std::make_unique<Response>();
    response->StatusCode = 200;
    response->Body = std::make_unique<MemoryBody>(std::string{request.Fields.Get("Authorization")});
    return response;
  }
};

class OwnCredential final : public TokenCredential {
 public:
  AccessToken GetToken(TokenRequest const&, Context const&) override {
    AccessToken token;
    token.Token = Secret{std::string_view{"own-token"}};
    token.ExpiresOn = std::chrono::system_clock::now() + std::chrono::hours{1};
    token.RefreshOn = token.ExpiresOn;
    return token;
  }
  std::string_view Name() const noexcept override { return "OwnCredential"; }
};

class OwnPolicy final : public HttpPolicy {
 public:
  std::unique_ptr<Response> Send(PipelineRequest& request, NextHttpPolicy next, Context const& context) const override {
    request.Message.Fields.Set("Authorization", "by a policy");
    return next.Send(request, context);
  }
  std::unique_ptr<HttpPolicy> Clone() const override { return std::make_unique<OwnPolicy>(); }
};

class OwnObserver final : public Observer {
 public:
  void OnEvent(Event const& event) override { Sum += static_cast<int>(event.Number("number")); }
  std::atomic<int> Sum{0};
};

Client MakeEchoClient() {
  ClientOptions options;
  options.Transport = std::make_shared<EchoTransport>();
  options.Scopes = {"https://vault.azure.net/.default"};
  options.Binding = TokenBinding::None;
  return Client{std::make_shared<OwnCredential>(), options};
}

TEST(DllTest, AnErrorThrownInItIsCaughtByItsType) {
  try {
    Url::Parse("no url");
    FAIL() << "nothing was thrown";
  } catch (Error const& error) {
    EXPECT_EQ(error.Code(), errors::InvalidArgument);
    EXPECT_FALSE(error.Details().Action.empty());
    EXPECT_EQ(typeid(error), typeid(Error));
  }
  EXPECT_EQ(std::uncaught_exceptions(), 0);
}

TEST(DllTest, AnErrorThrownInItIsCaughtAsTheStandardsToo) {
  EXPECT_THROW(Url::Parse("no url"), std::runtime_error);
  BoundCall::Fail const failure{Error{{errors::InvalidArgument, "what", "action"}}, nullptr};
  EXPECT_THROW(failure.Throw(), std::exception);
}

TEST(DllTest, AnExceptionOfTheProgramPassesThroughIt) {
  FailingBody body;
  EXPECT_THROW(ReadToEnd(body, 100, {}), OwnFailure);
  EXPECT_EQ(std::uncaught_exceptions(), 0);
}

TEST(DllTest, AnExceptionOfTheProgramIsKeptInItAndComesBack) {
  std::promise<Outcome<std::string>> promise;
  ReadToEndAsync(std::make_unique<FailingBody>(), 100, {}, [&](Outcome<std::string> outcome) {
    promise.set_value(std::move(outcome));
  });
  EXPECT_THROW(promise.get_future().get().Take(), OwnFailure);
}

TEST(DllTest, TheCauseOfAProgramsExceptionIsFound) {
  try {
    try {
      throw OwnFailure{"of the program"};
    } catch (OwnFailure const&) {
      std::throw_with_nested(Error{{errors::ConnectionLost, "what", "action"}});
    }
  } catch (Error const& error) {
    EXPECT_THAT(DescribeWithCauses(error), HasSubstr("caused by: of the program"));
  }
}

TEST(DllTest, WhatTheProgramDerivesIsCalled) {
  auto const answer = MakeEchoClient().Get("https://host.example/");
  EXPECT_EQ(answer.Status, 200);
  EXPECT_EQ(answer.Text, "Bearer own-token");
}

TEST(DllTest, WhatTheProgramDerivesIsCalledOnItsThreads) {
  auto const client = MakeEchoClient();
  std::promise<Outcome<ClientAnswer>> promise;
  client.GetAsync("https://host.example/", Client::DefaultTimeout, [&](Outcome<ClientAnswer> outcome) {
    promise.set_value(std::move(outcome));
  });
  EXPECT_EQ(promise.get_future().get().Take().Text, "Bearer own-token");
}

TEST(DllTest, APolicyOfTheProgramIsOneAmongOthers) {
  std::vector<std::unique_ptr<HttpPolicy>> policies;
  policies.push_back(std::make_unique<IdentificationPolicy>());
  policies.push_back(std::make_unique<OwnPolicy>());
  HttpPipeline const pipeline{std::move(policies), std::make_shared<EchoTransport>()};
  PipelineRequest request{{"GET", Url::Parse("https://host.example/")}};
  auto const response = pipeline.Send(request, {});
  EXPECT_EQ(ReadToEnd(*response->Body, 100, {}), "by a policy");
}

/// References take the objects themselves, where values would do with what the header says.
TEST(DllTest, MembersThatHeadersDefineAreThere) {
  auto const& timeout = Client::DefaultTimeout;
  auto const& origins = ResourceMemory::MaximumOrigins;
  auto const& bytes = BoundCall::LookedAtBodyBytes;
  EXPECT_EQ(timeout, std::chrono::seconds{100});
  EXPECT_EQ(origins, 256U);
  EXPECT_EQ(bytes, 64U * 1024U);
}

TEST(DllTest, WhatIsOneForTheProcessIsOne) {
  auto const observer = std::make_shared<OwnObserver>();
  SetDefaultObserver(observer);
  EventSink{}.Tell(Severity::Warning, "own.event", {{"number", 7}});
  SetDefaultObserver(nullptr);
  EXPECT_EQ(observer->Sum, 7);
}

/// Keys of the program's own sign for the DLL, which in turn looks for its own class in them.
TEST(DllTest, ABoundTokenReadsTheSecret) {
  char const* const startup = std::getenv("MTLSPOP_EMULATOR");
  ASSERT_NE(startup, nullptr) << "run tests/windows/run.sh";
  auto const emulator = nlohmann::json::parse(startup);
  TransportOptions transport;
  auto const file = emulator.at("ca_file").get<std::string>();
  transport.Tls.Trust.CaFile = (file.front() == '/' ? "Z:" : "") + file;
  for (auto const& [from, to] : emulator.at("connect").items()) {
    transport.ConnectOverrides.push_back({from, to.get<std::string>()});
  }
  transport.Proxy.UseEnvironment = false;

  ClientOptions options;
  options.Transport = MakeHttpTransport(transport).get();
  options.Scopes = {"https://vault.azure.net/.default"};
  ManagedIdentityCredentialOptions identity;
  identity.ImdsEndpoint = emulator.at("imds").get<std::string>();
  identity.Keys = MakeContainerKeyProvider();
  identity.Transport = options.Transport;
  Client const client{std::make_shared<ManagedIdentityCredential>(identity), options};
  auto const answer =
      client.Get("https://" + emulator.at("vault_host").get<std::string>() + "/secrets/boundsecret?api-version=7.4");
  EXPECT_EQ(answer.Status, 200) << answer.Text;
  EXPECT_THAT(answer.Text, HasSubstr("\"bound-"));
}

}  // namespace
}  // namespace mtlspop::windows_tests
