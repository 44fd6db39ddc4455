#include "mtlspop/azure/token_binding.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <azure/core/http/policies/policy.hpp>
#include <azure/core/internal/http/pipeline.hpp>
#include <azure/core/io/body_stream.hpp>

#include "fakes.hpp"
#include "mtlspop/azure/http_transport.hpp"
#include "support/error_code_of.hpp"

namespace mtlspop::azure {
namespace {

using namespace mtlspop::test;
using Azure::Core::Credentials::AuthenticationException;
using Azure::Core::Credentials::TokenRequestContext;
using Azure::Core::Http::HttpMethod;
using Azure::Core::Http::HttpStatusCode;
using Azure::Core::Http::RawResponse;
using Azure::Core::Http::TransportException;
using Azure::Core::Http::_internal::HttpPipeline;
using Azure::Core::Http::Policies::HttpPolicy;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

/// An Azure transport that is none of ours.
class ForeignTransport final : public Azure::Core::Http::HttpTransport {
 public:
  std::unique_ptr<RawResponse> Send(Azure::Core::Http::Request& request, Azure::Core::Context const&) override {
    for (auto const& [name, value] : request.GetHeaders()) Seen += name + ": " + value + "\n";
    auto response = std::make_unique<RawResponse>(1, 1, HttpStatusCode::Ok, "OK");
    response->SetBodyStream(std::make_unique<Azure::Core::IO::MemoryBodyStream>(nothing_));
    return response;
  }
  std::string Seen;

 private:
  std::vector<std::uint8_t> nothing_;
};

class TokenBindingTest : public testing::Test {
 protected:
  TokenBindingTest() {
    BoundTokenCredentialOptions options;
    options.Credential = inner_;
    options.Transport = transport_;
    options.Log = {};
    credential_ = std::make_shared<BoundTokenCredential>(options);
    clientOptions_.Retry.RetryDelay = std::chrono::milliseconds{0};
    inner_->Answer = [this](TokenRequest const&) { return Expiring(MakeBoundToken("bound-token", binding_)); };
  }

  static AccessToken Expiring(AccessToken token) {
    token.ExpiresOn = std::chrono::system_clock::now() + std::chrono::hours{1};
    return token;
  }

  /// As a service client builds its own, with Azure's own authentication policy.
  HttpPipeline MakePipeline(std::shared_ptr<Azure::Core::Credentials::TokenCredential const> credential) const {
    TokenRequestContext context;
    context.Scopes = {"https://vault.azure.net/.default"};
    std::vector<std::unique_ptr<HttpPolicy>> perRetry;
    perRetry.push_back(
        std::make_unique<Azure::Core::Http::Policies::_internal::BearerTokenAuthenticationPolicy>(credential, context));
    return HttpPipeline{clientOptions_, "test", "1.0", std::move(perRetry), {}};
  }

  std::unique_ptr<RawResponse> Get(HttpPipeline const& pipeline, Azure::Core::Context const& context = {}) const {
    Azure::Core::Http::Request request{HttpMethod::Get, Azure::Core::Url{"https://myvault.vault.azure.net/secrets/a"}};
    return pipeline.Send(request, context);
  }

  std::unique_ptr<RawResponse> GetBound() {
    UseTokenBinding(clientOptions_, credential_);
    return Get(MakePipeline(credential_));
  }

  std::shared_ptr<ScriptedTransport> transport_ = std::make_shared<ScriptedTransport>();
  std::shared_ptr<FakeCredential> inner_ = std::make_shared<FakeCredential>();
  std::shared_ptr<BindingCertificate const> binding_ = MakeNamedBinding("key-1");
  std::shared_ptr<BoundTokenCredential> credential_;
  Azure::Core::_internal::ClientOptions clientOptions_;
};

TEST_F(TokenBindingTest, SendsTheBoundFormWithTheBinding) {
  transport_->ThenAnswer(200, "Content-Type", "text/plain", "the body");
  auto const response = GetBound();
  EXPECT_EQ(response->GetStatusCode(), HttpStatusCode::Ok);
  EXPECT_EQ(std::string(response->GetBody().begin(), response->GetBody().end()), "the body");
  auto const sent = transport_->Sent()[0];
  EXPECT_EQ(sent.Fields.Get("authorization"), "mtls_pop bound-token");
  EXPECT_EQ(sent.Fields.Get("x-ms-tokenboundauth"), "true");
  EXPECT_EQ(sent.Binding->KeyId(), "key-1");
  EXPECT_THAT(inner_->Asked()[0].Scopes, testing::ElementsAre("https://vault.azure.net/.default"));
}

TEST_F(TokenBindingTest, LetsABearerTokenPassUntouched) {
  inner_->Answer = [](auto const&) { return Expiring(MakeBearerToken("bearer-token")); };
  GetBound();
  auto const sent = transport_->Sent()[0];
  EXPECT_EQ(sent.Fields.Get("authorization"), "Bearer bearer-token");
  EXPECT_FALSE(sent.Fields.Contains("x-ms-tokenboundauth"));
  EXPECT_FALSE(sent.Binding);
}

TEST_F(TokenBindingTest, NeverHandsTheTokenToAnotherTransport) {
  UseTokenBinding(clientOptions_, credential_);
  auto const foreign = std::make_shared<ForeignTransport>();
  clientOptions_.Transport.Transport = foreign;
  Get(MakePipeline(credential_));
  EXPECT_THAT(foreign->Seen, Not(HasSubstr("bound-token")));
}

TEST_F(TokenBindingTest, FailsClosedWhereTheBindingIsNotKnown) {
  inner_->Answer = [this](auto const&) {
    return Expiring(MakeBoundToken("e30.eyJjbmYiOnsieDV0I1MyNTYiOiJhYmMifX0.c2ln", binding_));
  };
  BoundTokenCredentialOptions options;
  options.Credential = inner_;
  options.Transport = transport_;
  UseTokenBinding(clientOptions_, std::make_shared<BoundTokenCredential>(options));
  EXPECT_THROW(Get(MakePipeline(credential_)), AuthenticationException);
  EXPECT_THAT(transport_->Sent(), IsEmpty());
}

TEST_F(TokenBindingTest, LeavesOtherClientsAlone) {
  auto const plain = std::make_shared<ForeignTransport>();
  Azure::Core::_internal::ClientOptions untouched;
  untouched.Transport.Transport = plain;
  UseTokenBinding(clientOptions_, credential_);
  EXPECT_THAT(untouched.PerRetryPolicies, IsEmpty());
  EXPECT_EQ(untouched.Transport.Transport, plain);
}

TEST_F(TokenBindingTest, RetriesAFailedBindingCheckStayingBoundAndNotForever) {
  std::string const body = R"({"error":{"message":"[MtlsCnfClaimRequestDataValidationFailed] again"}})";
  transport_->ThenAnswer(401, body);
  EXPECT_EQ(GetBound()->GetStatusCode(), HttpStatusCode::Ok);
  ASSERT_THAT(transport_->Sent(), SizeIs(2));
  EXPECT_TRUE(transport_->Sent()[1].Binding);
  for (int i = 0; i < 9; ++i) transport_->ThenAnswer(401, body);
  EXPECT_EQ(Get(MakePipeline(credential_))->GetStatusCode(), HttpStatusCode::Unauthorized);
  EXPECT_THAT(transport_->Sent(), SizeIs(6));
}

TEST_F(TokenBindingTest, AnswersAClaimsChallengeAndRemembersTheAnswer) {
  inner_->Answer = [this](TokenRequest const& asked) {
    return Expiring(MakeBoundToken(asked.Claims.empty() ? "bound-token" : "claims-token", binding_));
  };
  transport_->ThenAnswer(401, "WWW-Authenticate", R"(Bearer error="insufficient_claims", claims="eyJhIjoxfQ==")", "");
  UseTokenBinding(clientOptions_, credential_);
  auto const pipeline = MakePipeline(credential_);
  EXPECT_EQ(Get(pipeline)->GetStatusCode(), HttpStatusCode::Ok);
  EXPECT_EQ(inner_->Asked()[1].Claims, R"({"a":1})");
  EXPECT_EQ(transport_->Sent()[1].Fields.Get("authorization"), "mtls_pop claims-token");
  Get(pipeline);
  EXPECT_EQ(transport_->Sent()[2].Fields.Get("authorization"), "mtls_pop claims-token");
}

TEST_F(TokenBindingTest, ReplacesABindingThatTheHandshakeRefuses) {
  inner_->Answer = [this](TokenRequest const& asked) {
    return asked.RejectedKeyId.empty() ? Expiring(MakeBoundToken("bound-token", binding_))
                                       : Expiring(MakeBoundToken("new-token", MakeNamedBinding("key-2")));
  };
  transport_->ThenThrow(Error{{errors::BindingCertificateRejected, "refused", "replace it"}});
  EXPECT_EQ(GetBound()->GetStatusCode(), HttpStatusCode::Ok);
  EXPECT_EQ(transport_->Sent()[1].Binding->KeyId(), "key-2");
  EXPECT_EQ(inner_->Asked()[1].RejectedKeyId, "key-1");
}

TEST_F(TokenBindingTest, RefusesARedirect) {
  transport_->ThenAnswer(307, "Location", "https://elsewhere.example", "");
  EXPECT_THROW(GetBound(), AuthenticationException);
  EXPECT_THAT(transport_->Sent(), SizeIs(1));
}

TEST_F(TokenBindingTest, LeavesRetriesToAzure) {
  transport_->ThenThrow(Error{{errors::ConnectionLost, "lost", "try again", 0, {}, {}, 1, false, true}});
  transport_->ThenAnswer(503);
  EXPECT_EQ(GetBound()->GetStatusCode(), HttpStatusCode::Ok);
  EXPECT_THAT(transport_->Sent(), SizeIs(3));
}

TEST_F(TokenBindingTest, ThrowsWhatAzureApplicationsExpect) {
  clientOptions_.Retry.MaxRetries = 0;
  transport_->ThenThrow(Error{{errors::ConnectFailed, "no connection", "check the name"}});
  try {
    GetBound();
    FAIL();
  } catch (TransportException const& error) {
    EXPECT_THAT(error.what(), HasSubstr("connect_failed"));
    EXPECT_THAT(error.what(), HasSubstr("check the name"));
  }
  Azure::Core::Context cancelled;
  cancelled.Cancel();
  EXPECT_THROW(Get(MakePipeline(credential_), cancelled), Azure::Core::OperationCancelledException);
}

TEST_F(TokenBindingTest, TranslatesTheCredentialsErrors) {
  inner_->Answer = [](auto const&) -> AccessToken { throw Error{{errors::ConnectFailed, "IMDS is away", "wait"}}; };
  EXPECT_THROW(GetBound(), AuthenticationException);
}

TEST_F(TokenBindingTest, SendsABodyAgainFromItsBeginning) {
  UseTokenBinding(clientOptions_, credential_);
  transport_->ThenAnswer(503);
  std::string const text = "the value";
  Azure::Core::IO::MemoryBodyStream body{reinterpret_cast<std::uint8_t const*>(text.data()), text.size()};
  Azure::Core::Http::Request request{
      HttpMethod::Put, Azure::Core::Url{"https://myvault.vault.azure.net/secrets/a"}, &body};
  EXPECT_EQ(MakePipeline(credential_).Send(request, {})->GetStatusCode(), HttpStatusCode::Ok);
  EXPECT_EQ(transport_->Sent()[0].Body, text);
  EXPECT_EQ(transport_->Sent()[1].Body, text);
}

TEST_F(TokenBindingTest, StreamsAnAnswerThatIsNotToBeBuffered) {
  UseTokenBinding(clientOptions_, credential_);
  transport_->ThenAnswer(200, "Content-Type", "text/plain", "streamed");
  Azure::Core::Http::Request request{HttpMethod::Get, Azure::Core::Url{"https://myvault.vault.azure.net/a"}, false};
  auto const response = MakePipeline(credential_).Send(request, {});
  EXPECT_THAT(response->GetBody(), IsEmpty());
  auto const body = response->ExtractBodyStream();
  ASSERT_TRUE(body);
  EXPECT_EQ(body->Length(), 8);
  EXPECT_THAT(body->ReadToEnd(), SizeIs(8));
}

TEST_F(TokenBindingTest, AsksAnewWhereAzureSaysThatTheTokenWasRefused) {
  TokenRequestContext context;
  context.Scopes = {"scope"};
  context.MinimumExpiration = (Azure::DateTime::duration::max)();
  credential_->GetToken(context, {});
  EXPECT_TRUE(inner_->Asked()[0].ForceRefresh);
}

TEST_F(TokenBindingTest, RefusesOptionsThatItCannotHonour) {
  auto const refused = [this](auto change) {
    Azure::Core::_internal::ClientOptions options;
    change(options);
    return ErrorCodeOf([&] { UseTokenBinding(options, credential_); });
  };
  auto const invalid = errors::InvalidArgument.Name();
  EXPECT_EQ(
      refused([](auto& options) { options.Transport.Transport = std::make_shared<ForeignTransport>(); }), invalid);
  EXPECT_EQ(refused([](auto& options) { options.Transport.DisableTlsCertificateValidation = true; }), invalid);
  EXPECT_EQ(refused([](auto& options) { options.Transport.EnableCertificateRevocationListCheck = true; }), invalid);
  EXPECT_EQ(refused([](auto& options) { options.Transport.HttpProxy = "http://proxy.example"; }), invalid);
  EXPECT_EQ(refused([](auto&) {}), "no error");
}

}  // namespace
}  // namespace mtlspop::azure
