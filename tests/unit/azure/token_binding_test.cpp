#include "mtlspop/azure/token_binding.hpp"

#include "mtlspop/azure/errors.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/policies/errors.hpp"
#include "mtlspop/transport/log.hpp"
#include "support/error_code_of.hpp"
#include "support/scoped_environment.hpp"
#include "token_binding_fixture.hpp"

namespace mtlspop::azure {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

TEST_F(TokenBindingTest, SendsTheBoundFormWithTheBinding) {
  transport_->ThenAnswer(200, "Content-Type", "text/plain", "the body");
  auto const response = GetBound();
  EXPECT_EQ(response->GetStatusCode(), HttpStatusCode::Ok);
  EXPECT_EQ(std::string(response->GetBody().begin(), response->GetBody().end()), "the body");
  auto const sent = transport_->Sent()[0];
  EXPECT_EQ(sent.Fields.Get("authorization"), "mtls_pop " + Jwt("bound-token"));
  EXPECT_EQ(sent.Fields.Get("x-ms-tokenboundauth"), "true");
  EXPECT_EQ(sent.Binding->X5tS256(), "key-1");
  EXPECT_THAT(inner_->Asked()[0].Scopes, testing::ElementsAre("https://vault.azure.net/.default"));
}

TEST_F(TokenBindingTest, SendsABearerTokenWithoutABinding) {
  inner_->Answer = [](auto const&) { return Expiring(MakeBearerToken("bearer-token")); };
  GetBound();
  auto const sent = transport_->Sent()[0];
  EXPECT_EQ(sent.Fields.Get("authorization"), "Bearer bearer-token");
  EXPECT_FALSE(sent.Fields.Contains("x-ms-tokenboundauth"));
  EXPECT_FALSE(sent.Binding);
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
  transport_->ThenAnswer(401, "WWW-Authenticate", R"(Bearer error="insufficient_claims", claims="eyJhIjoxfQ==")", "");
  UseTokenBinding(clientOptions_, credential_);
  auto const pipeline = MakePipeline(credential_);
  EXPECT_EQ(Get(pipeline)->GetStatusCode(), HttpStatusCode::Ok);
  EXPECT_THAT(ClaimsAskedFor(), testing::ElementsAre(R"({"a":1})"));
  EXPECT_EQ(transport_->Sent()[1].Fields.Get("authorization"), "mtls_pop " + Jwt("bound-token-with-claims-1"));
  Get(pipeline);
  EXPECT_EQ(transport_->Sent()[2].Fields.Get("authorization"), "mtls_pop " + Jwt("bound-token-with-claims-1"));
}

TEST_F(TokenBindingTest, ReplacesABindingThatTheHandshakeRefuses) {
  inner_->Answer = [this](auto const&) {
    return inner_->Refusals().empty() ? Expiring(MakeBoundToken(Jwt("bound-token"), binding_))
                                      : Expiring(MakeBoundToken(Jwt("new-token"), MakeNamedBinding("key-2")));
  };
  transport_->ThenThrow(Error{{errors::BindingCertificateRejected, "refused", "replace it"}});
  EXPECT_EQ(GetBound()->GetStatusCode(), HttpStatusCode::Ok);
  EXPECT_EQ(transport_->Sent()[1].Binding->X5tS256(), "key-2");
  ASSERT_THAT(inner_->Refusals(), SizeIs(1));
  EXPECT_EQ(inner_->Refusals()[0].first.Binding->X5tS256(), "key-1");
  EXPECT_EQ(inner_->Refusals()[0].second, RefusalReason::BindingNoLongerGood);
}

TEST_F(TokenBindingTest, RefusesARedirect) {
  transport_->ThenAnswer(307, "Location", "https://elsewhere.example", "");
  try {
    GetBound();
    FAIL();
  } catch (Azure::Core::RequestFailedException const& error) {
    EXPECT_EQ(error.ErrorCode, errors::RedirectRefused.Name());
    EXPECT_EQ(error.StatusCode, HttpStatusCode::TemporaryRedirect);
  }
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

/// A binding that the credential retires is one whose connections the clients' transport has.
TEST_F(TokenBindingTest, GivesItsTransportAndItsLogToTheCredentialThatItMakes) {
  // Until the credential is gone, which outlives this function.
  auto const lines = std::make_shared<std::string>();
  BoundTokenCredentialOptions options;
  options.ManagedIdentity.ImdsEndpoint = "http://127.0.0.1:1";
  options.ManagedIdentity.Time = clock_;
  options.ManagedIdentity.Environment = [](char const*) { return std::string{}; };
  options.Transport = transport_;
  options.Observer = MakeLog([lines](Severity, std::string_view line) { *lines += line; }, Severity::Debug);
  credential_ = std::make_shared<BoundTokenCredential>(options);
  EXPECT_THROW(GetBound(), AuthenticationException);
  EXPECT_THAT(transport_->Sent(), Not(IsEmpty()));
  EXPECT_THAT(*lines, Not(IsEmpty()));
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

/// Azure's policy asks for another token after any 401; the credential's cache knows nothing of it.
TEST_F(TokenBindingTest, ReplacesATokenThatTheResourceHasRefused) {
  transport_->ThenAnswer(401);
  UseTokenBinding(clientOptions_, credential_);
  auto const pipeline = MakePipeline(credential_);
  EXPECT_EQ(Get(pipeline)->GetStatusCode(), HttpStatusCode::Unauthorized);
  EXPECT_EQ(Get(pipeline)->GetStatusCode(), HttpStatusCode::Ok);
  ASSERT_THAT(inner_->Refusals(), SizeIs(1));
  EXPECT_EQ(inner_->Refusals()[0].second, RefusalReason::TokenRejected);
  ExpectBound(transport_->Sent()[1], "bound-token-after-1", "key-1");
}

TEST_F(TokenBindingTest, ReplacesTokensForAResourceThatRefusesAllOfThemThreeTimesInFiveMinutes) {
  UseTokenBinding(clientOptions_, credential_);
  auto const pipeline = MakePipeline(credential_);
  for (int i = 0; i < 100; ++i) transport_->ThenAnswer(401);
  for (int i = 0; i < 10; ++i) Get(pipeline);
  EXPECT_THAT(inner_->Refusals(), SizeIs(3));
  clock_->Advance(std::chrono::minutes{5});
  for (int i = 0; i < 10; ++i) Get(pipeline);
  EXPECT_THAT(inner_->Refusals(), SizeIs(6));
  // And up to a quarter more, at random, lest a fleet that is refused at one moment ask again at one moment.
  random_ = 0.5;
  clock_->Advance(std::chrono::minutes{5});
  for (int i = 0; i < 10; ++i) Get(pipeline);
  EXPECT_THAT(inner_->Refusals(), SizeIs(9));
  clock_->Advance(std::chrono::seconds{337});
  for (int i = 0; i < 10; ++i) Get(pipeline);
  EXPECT_THAT(inner_->Refusals(), SizeIs(9));
  clock_->Advance(std::chrono::seconds{1});
  for (int i = 0; i < 10; ++i) Get(pipeline);
  EXPECT_THAT(inner_->Refusals(), SizeIs(12));
}

/// The credential's own cache has the last word on what is fresh.
TEST_F(TokenBindingTest, UsesATokenThatLivesLessThanAzureWants) {
  inner_->Answer = [this](auto const&) {
    auto token = MakeBoundToken(Jwt("bound-token"), binding_);
    token.Source = TokenSource::Cache;
    token.ExpiresOn = std::chrono::system_clock::now() + std::chrono::seconds{5};
    return token;
  };
  UseTokenBinding(clientOptions_, credential_);
  auto const pipeline = MakePipeline(credential_);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(Get(pipeline)->GetStatusCode(), HttpStatusCode::Ok);
  EXPECT_THAT(inner_->Refusals(), IsEmpty());
}

/// Azure's policies keep what they were given for an hour.
TEST_F(TokenBindingTest, SendsWhatTheCredentialGivesNowAndNotWhenAzureAsked) {
  UseTokenBinding(clientOptions_, credential_);
  auto const pipeline = MakePipeline(credential_);
  Get(pipeline);
  inner_->Answer = [](auto const&) { return Expiring(MakeBoundToken(Jwt("rotated"), MakeNamedBinding("key-2"))); };
  Get(pipeline);
  ExpectBound(transport_->Sent()[1], "rotated", "key-2");
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
  EXPECT_EQ(refused([](auto& options) { options.Transport.ProxyUserName = "somebody"; }), invalid);
  EXPECT_EQ(refused([](auto& options) { options.Transport.ProxyPassword = "secret"; }), invalid);
  EXPECT_EQ(refused([](auto&) {}), "no error");
}

TEST_F(TokenBindingTest, RefusesCredentialsForAProxyThatIsNotNamed) {
  auto const own = std::make_shared<BoundTokenCredential>(inner_);
  Azure::Core::_internal::ClientOptions options;
  options.Transport.ProxyUserName = "somebody";
  EXPECT_EQ(ErrorCodeOf([&] { UseTokenBinding(options, own); }), errors::InvalidArgument.Name());
}

TEST_F(TokenBindingTest, TakesTheSameOptionsTwice) {
  UseTokenBinding(clientOptions_, credential_);
  UseTokenBinding(clientOptions_, credential_);
  Get(MakePipeline(credential_));
  ASSERT_THAT(transport_->Sent(), SizeIs(1));
  ExpectBound(transport_->Sent()[0], "bound-token", "key-1");
}

/// Azure's assignment adds the policies of the right side to those of the left.
TEST_F(TokenBindingTest, TakesOptionsThatWereAssigned) {
  auto const another = MakeAnother();
  UseTokenBinding(clientOptions_, credential_);
  Azure::Core::_internal::ClientOptions other;
  UseTokenBinding(other, another.Credential);
  clientOptions_ = other;
  Get(MakePipeline(credential_));
  Get(MakePipeline(another.Credential));
  clientOptions_ = other;
  Get(MakePipeline(credential_));
  ASSERT_THAT(transport_->Sent(), SizeIs(3));
  ExpectBound(transport_->Sent()[0], "bound-token", "key-1");
  ExpectBound(transport_->Sent()[1], "other-token", "other-key");
  ExpectBound(transport_->Sent()[2], "bound-token", "key-1");
}

TEST_F(TokenBindingTest, TakesOneOptionsObjectForTwoClients) {
  auto const another = MakeAnother();
  UseTokenBinding(clientOptions_, credential_);
  auto const first = MakePipeline(credential_);
  UseTokenBinding(clientOptions_, another.Credential);
  auto const second = MakePipeline(another.Credential);
  Get(first);
  Get(second);
  ASSERT_THAT(transport_->Sent(), SizeIs(2));
  ExpectBound(transport_->Sent()[0], "bound-token", "key-1");
  ExpectBound(transport_->Sent()[1], "other-token", "other-key");
}

/// A policy per retry that sends the request a second time where it was refused, as Key Vault's own does.
class SendsAgain final : public HttpPolicy {
 public:
  explicit SendsAgain(std::shared_ptr<BoundTokenCredential> credential) : credential_(std::move(credential)) {}
  std::unique_ptr<RawResponse> Send(
      Azure::Core::Http::Request& request,
      Azure::Core::Http::Policies::NextHttpPolicy next,
      Azure::Core::Context const& context) const override {
    TokenRequestContext wanted;
    wanted.Scopes = {"https://vault.azure.net/.default"};
    request.SetHeader("authorization", "Bearer " + credential_->GetToken(wanted, context).Token);
    auto response = next.Send(request, context);
    auto const& fields = response->GetHeaders();
    auto const challenge = fields.find("www-authenticate");
    if (challenge == fields.end() || challenge->second.empty()) return response;
    wanted.MinimumExpiration = (Azure::DateTime::duration::max)();
    wanted.TenantId = TenantId;
    request.SetHeader("authorization", "Bearer " + credential_->GetToken(wanted, context).Token);
    return next.Send(request, context);
  }
  std::unique_ptr<HttpPolicy> Clone() const override { return std::make_unique<SendsAgain>(*this); }
  std::string TenantId;

 private:
  std::shared_ptr<BoundTokenCredential> credential_;
};

class ChallengedTokenBindingTest : public TokenBindingTest {
 protected:
  ChallengedTokenBindingTest() { UseTokenBinding(clientOptions_, credential_); }

  std::unique_ptr<RawResponse> Challenged(std::string const& tenant = {}) {
    auto policy = std::make_unique<SendsAgain>(credential_);
    policy->TenantId = tenant;
    std::vector<std::unique_ptr<HttpPolicy>> perRetry;
    perRetry.push_back(std::move(policy));
    return Get(HttpPipeline{clientOptions_, "test", "1.0", std::move(perRetry), {}});
  }

  static constexpr char const* Challenge = R"(Bearer authorization="https://login.example/t", resource="https://a.b")";
};

TEST_F(ChallengedTokenBindingTest, RetriesAFailedBindingCheckWithinOneLimitForTheWholeCall) {
  std::string const body = R"({"error":{"message":"[MtlsCnfClaimRequestDataValidationFailed] again"}})";
  for (int i = 0; i < 20; ++i) transport_->ThenAnswer(401, "WWW-Authenticate", Challenge, body);
  EXPECT_EQ(Challenged()->GetStatusCode(), HttpStatusCode::Unauthorized);
  EXPECT_THAT(transport_->Sent(), SizeIs(1 + clientOptions_.Retry.MaxRetries));
  EXPECT_THAT(inner_->Refusals(), IsEmpty());
}

TEST_F(ChallengedTokenBindingTest, AnswersAClaimsChallengeOnceForTheWholeCall) {
  auto const challenge = std::string{Challenge} + R"(, error="insufficient_claims", claims="eyJhIjoxfQ==")";
  for (int i = 0; i < 20; ++i) transport_->ThenAnswer(401, "WWW-Authenticate", challenge, "");
  EXPECT_EQ(Challenged()->GetStatusCode(), HttpStatusCode::Unauthorized);
  EXPECT_THAT(transport_->Sent(), SizeIs(2));
  EXPECT_THAT(ClaimsAskedFor(), SizeIs(1));
}

TEST_F(ChallengedTokenBindingTest, ReplacesTheBindingOnceForTheWholeCall) {
  inner_->Answer = [this](auto const&) {
    return inner_->Refusals().empty() ? Expiring(MakeBoundToken(Jwt("bound-token"), binding_))
                                      : Expiring(MakeBoundToken(Jwt("new-token"), MakeNamedBinding("key-2")));
  };
  std::string const body = R"({"error":{"code":"CertificateValidationFailedTlsCertMismatch"}})";
  for (int i = 0; i < 20; ++i) transport_->ThenAnswer(401, "WWW-Authenticate", Challenge, body);
  EXPECT_EQ(Challenged()->GetStatusCode(), HttpStatusCode::Unauthorized);
  ASSERT_THAT(transport_->Sent(), SizeIs(2));
  EXPECT_EQ(transport_->Sent()[1].Binding->X5tS256(), "key-2");
}

TEST_F(ChallengedTokenBindingTest, LeavesAnyOtherChallengeToAzure) {
  transport_->ThenAnswer(401, "WWW-Authenticate", Challenge, "");
  EXPECT_EQ(Challenged()->GetStatusCode(), HttpStatusCode::Ok);
  ASSERT_THAT(transport_->Sent(), SizeIs(2));
  ExpectBound(transport_->Sent()[1], "bound-token-after-1", "key-1");
}

/// A token for another tenant is another token: the cache may have it.
TEST_F(ChallengedTokenBindingTest, DoesNotGoPastTheCacheForAnotherTenant) {
  transport_->ThenAnswer(401, "WWW-Authenticate", Challenge, "");
  EXPECT_EQ(Challenged("another")->GetStatusCode(), HttpStatusCode::Ok);
  ExpectBound(transport_->Sent()[1], "bound-token-for-another", "key-1");
  EXPECT_THAT(inner_->Refusals(), IsEmpty());
}

TEST_F(ChallengedTokenBindingTest, GoesPastTheCacheWhereItHoldsTheTokenThatWasRefused) {
  inner_->Answer = [this](auto const&) { return Named(inner_->Refusals().empty() ? "bound-token" : "new-token"); };
  transport_->ThenAnswer(401, "WWW-Authenticate", Challenge, "");
  EXPECT_EQ(Challenged("another-tenant")->GetStatusCode(), HttpStatusCode::Ok);
  ExpectBound(transport_->Sent()[1], "new-token", "key-1");
}

/// As azure-core's own MultipleTimes: back to a tenant whose token the vault has refused some calls ago.
TEST_F(ChallengedTokenBindingTest, DoesNotAnswerAChallengeWithATokenThatWasRefusedByAnEarlierCall) {
  for (auto const* tenant : {"a", "b", "a"}) {
    transport_->ThenAnswer(401, "WWW-Authenticate", Challenge, "");
    transport_->ThenAnswer(tenant == std::string{"b"} ? 200 : 401);
    Challenged(tenant);
  }
  // The first token for "a" was refused, and so is no answer the second time.
  ExpectBound(transport_->Sent()[1], "bound-token-for-a", "key-1");
  ExpectBound(transport_->Sent()[3], "bound-token-for-b", "key-1");
  ExpectBound(transport_->Sent()[5], "bound-token-for-a-after-1", "key-1");
}

TEST_F(TokenBindingTest, WaitsAsLongAsTheResourceAsks) {
  transport_->Then(
      [](auto const&) { return MakeResponse(401, "Retry-After", "7", "[MtlsCnfClaimRequestDataValidationFailed]"); });
  EXPECT_EQ(GetBound()->GetStatusCode(), HttpStatusCode::Ok);
  EXPECT_THAT(clock_->Slept(), testing::ElementsAre(std::chrono::seconds{7}));
  // Not all at one moment.
  random_ = 0.5;
  transport_->Then(
      [](auto const&) { return MakeResponse(401, "Retry-After", "8", "[MtlsCnfClaimRequestDataValidationFailed]"); });
  EXPECT_EQ(Get(MakePipeline(credential_))->GetStatusCode(), HttpStatusCode::Ok);
  EXPECT_THAT(clock_->Slept(), testing::ElementsAre(std::chrono::seconds{7}, std::chrono::seconds{9}));
  // But not longer than anybody waits.
  transport_->ThenAnswer(401, "Retry-After", "7000", "[MtlsCnfClaimRequestDataValidationFailed]");
  EXPECT_EQ(Get(MakePipeline(credential_))->GetStatusCode(), HttpStatusCode::Unauthorized);
}

TEST_F(TokenBindingTest, WaitsLongerEachTimeAndNotTheSameForEverybody) {
  clientOptions_.Retry.RetryDelay = std::chrono::milliseconds{1000};
  random_ = 0.75;
  for (int i = 0; i < 3; ++i) transport_->ThenAnswer(401, "[MtlsCnfClaimRequestDataValidationFailed]");
  GetBound();
  using std::chrono::milliseconds;
  EXPECT_THAT(clock_->Slept(), testing::ElementsAre(milliseconds{1100}, milliseconds{2200}, milliseconds{4400}));
}

TEST_F(TokenBindingTest, IsCancelledWhileItWaitsForAnotherCheck) {
  Azure::Core::Context context;
  transport_->Then([&](auto const&) {
    context.Cancel();
    return MakeResponse(401, "[MtlsCnfClaimRequestDataValidationFailed]");
  });
  UseTokenBinding(clientOptions_, credential_);
  EXPECT_THROW(Get(MakePipeline(credential_), context), Azure::Core::OperationCancelledException);
  EXPECT_THAT(transport_->Sent(), SizeIs(1));
}

TEST_F(TokenBindingTest, SaysWhereBoundTokensAreNotTaken) {
  transport_->ThenAnswer(401, R"({"error":{"code":"MtlsClientPopTokenNotSupportedByResource"}})");
  EXPECT_THAT(RefusalOf([&] { GetBound(); }), HasSubstr(std::string{errors::ResourceDoesNotSupportBoundTokens.Name()}));
  EXPECT_THAT(transport_->Sent(), SizeIs(1));
}

/// Wire contract, section 5: bearer only where the caller chose "preferred".
TEST_F(TokenBindingTest, FallsBackToBearerWhereTheCredentialGivesOne) {
  inner_->Answer = [this](TokenRequest const& asked) {
    return asked.Binding == TokenBinding::None ? Expiring(MakeBearerToken("bearer-token"))
                                               : Expiring(MakeBoundToken(Jwt("bound-token"), binding_));
  };
  transport_->ThenAnswer(401, R"({"error":{"code":"MtlsClientPopTokenNotSupportedByResource"}})");
  UseTokenBinding(clientOptions_, credential_);
  auto const pipeline = MakePipeline(credential_);
  EXPECT_EQ(Get(pipeline)->GetStatusCode(), HttpStatusCode::Ok);
  Get(pipeline);
  ASSERT_THAT(transport_->Sent(), SizeIs(3));
  for (std::size_t i = 1; i < 3; ++i) {
    auto const sent = transport_->Sent()[i];
    EXPECT_EQ(sent.Fields.Get("authorization"), "Bearer bearer-token");
    EXPECT_FALSE(sent.Fields.Contains("x-ms-tokenboundauth"));
    EXPECT_FALSE(sent.Binding);
  }
  // Another resource may take the same token.
  Get(pipeline, {}, "https://another.vault.azure.net/secrets/a");
  ExpectBound(transport_->Sent()[3], "bound-token", "key-1");
}

TEST_F(TokenBindingTest, SendsTheBearerTokenThatARenewalFallsBackTo) {
  inner_->Answer = [this](auto const&) {
    return inner_->Refusals().empty() ? Expiring(MakeBoundToken(Jwt("bound-token"), binding_))
                                      : Expiring(MakeBearerToken("bearer-token"));
  };
  transport_->ThenThrow(Error{{errors::BindingCertificateRejected, "refused", "replace it"}});
  EXPECT_EQ(GetBound()->GetStatusCode(), HttpStatusCode::Ok);
  auto const sent = transport_->Sent()[1];
  EXPECT_EQ(sent.Fields.Get("authorization"), "Bearer bearer-token");
  EXPECT_FALSE(sent.Fields.Contains("x-ms-tokenboundauth"));
  EXPECT_FALSE(sent.Binding);
}

TEST_F(TokenBindingTest, LeavesAMissingCertificateToTheCallerAndLogsIt) {
  std::string lines;
  BoundTokenCredentialOptions options;
  options.Credential = inner_;
  options.Transport = transport_;
  options.Observer = MakeLog([&](Severity, std::string_view line) { lines += line; }, Severity::Debug);
  credential_ = std::make_shared<BoundTokenCredential>(options);
  transport_->ThenAnswer(401, R"({"error":{"code":"MissingClientCertificate"}})");
  EXPECT_EQ(GetBound()->GetStatusCode(), HttpStatusCode::Unauthorized);
  EXPECT_THAT(transport_->Sent(), SizeIs(1));
  EXPECT_THAT(lines, HasSubstr("request.certificate_did_not_arrive"));
}

TEST_F(TokenBindingTest, SaysThatABindingIsRefusedAgainAndDoesNotRetryIt) {
  inner_->Answer = [this](auto const&) {
    auto const number = std::to_string(inner_->Refusals().size() + 1);
    return Expiring(MakeBoundToken(Jwt("token-" + number), MakeNamedBinding("key-" + number)));
  };
  Error const refused{{errors::BindingCertificateRejected, "refused", "replace it"}};
  for (int i = 0; i < 9; ++i) transport_->ThenThrow(refused);
  EXPECT_THAT(RefusalOf([&] { GetBound(); }), HasSubstr(std::string{errors::BindingCertificateRejected.Name()}));
  EXPECT_THAT(transport_->Sent(), SizeIs(2));
}

TEST_F(TokenBindingTest, SendsABodyAgainFromItsBeginningWithAnotherToken) {
  UseTokenBinding(clientOptions_, credential_);
  transport_->ThenAnswer(401, "WWW-Authenticate", R"(Bearer error="insufficient_claims", claims="eyJhIjoxfQ==")", "");
  transport_->ThenAnswer(401, R"({"error":{"code":"CertificateValidationFailedTlsCertMismatch"}})");
  std::string const text = "the value";
  Azure::Core::IO::MemoryBodyStream body{reinterpret_cast<std::uint8_t const*>(text.data()), text.size()};
  Azure::Core::Http::Request request{
      HttpMethod::Put, Azure::Core::Url{"https://myvault.vault.azure.net/secrets/a"}, &body};
  EXPECT_EQ(MakePipeline(credential_).Send(request, {})->GetStatusCode(), HttpStatusCode::Ok);
  ASSERT_THAT(transport_->Sent(), SizeIs(3));
  for (auto const& sent : transport_->Sent()) EXPECT_EQ(sent.Body, text);
}

/// What a caller's own stream may be: good for one reading.
class OnceStream final : public Azure::Core::IO::BodyStream {
 public:
  std::int64_t Length() const override { return 100; }
  void Rewind() override {
    if (left_ != 100) throw std::runtime_error("read once");
  }

 private:
  std::size_t OnRead(std::uint8_t* buffer, std::size_t count, Azure::Core::Context const&) override {
    count = std::min(count, left_);
    std::fill_n(buffer, count, std::uint8_t{'x'});
    left_ -= count;
    return count;
  }
  std::size_t left_ = 100;
};

TEST_F(TokenBindingTest, GivesBackARefusalWhoseRequestCannotBeSentAgain) {
  UseTokenBinding(clientOptions_, credential_);
  transport_->ThenAnswer(401, R"({"error":{"code":"CertificateValidationFailedTlsCertMismatch"}})");
  OnceStream body;
  Azure::Core::Http::Request request{
      HttpMethod::Put, Azure::Core::Url{"https://myvault.vault.azure.net/secrets/a"}, &body};
  EXPECT_EQ(MakePipeline(credential_).Send(request, {})->GetStatusCode(), HttpStatusCode::Unauthorized);
  EXPECT_THAT(transport_->Sent(), SizeIs(1));
}

TEST_F(TokenBindingTest, ReportsACancellationThatMeetsTheBodyAsSuch) {
  clientOptions_.Retry.MaxRetries = 0;
  Azure::Core::Context context;
  transport_->Then([&](auto const&) -> std::unique_ptr<Response> {
    context.Cancel();
    throw Error{{errors::RequestBodyFailed, "the body could not be read", "look at the cause"}};
  });
  UseTokenBinding(clientOptions_, credential_);
  EXPECT_THROW(Get(MakePipeline(credential_), context), Azure::Core::OperationCancelledException);
}

TEST_F(TokenBindingTest, ReportsADeadlineAsSuchWhicheverClockSeesItFirst) {
  clientOptions_.Retry.MaxRetries = 0;
  UseTokenBinding(clientOptions_, credential_);
  Error const expired{{errors::DeadlineExceeded, "out of time", "allow more"}};
  transport_->ThenThrow(expired);
  auto const soon = std::chrono::system_clock::now() + std::chrono::milliseconds{40};
  EXPECT_THROW(Get(MakePipeline(credential_), Azure::Core::Context{soon}), Azure::Core::OperationCancelledException);
  // A time limit of the transport's own.
  transport_->ThenThrow(expired);
  EXPECT_THROW(Get(MakePipeline(credential_)), TransportException);
}

TEST_F(TokenBindingTest, TakesADeadlineThatTheClocksDoNotReach) {
  UseTokenBinding(clientOptions_, credential_);
  Azure::Core::Context const context{Azure::DateTime{9999, 12, 31}};
  EXPECT_EQ(Get(MakePipeline(credential_), context)->GetStatusCode(), HttpStatusCode::Ok);
  Azure::Core::Context const over{Azure::DateTime{2, 1, 1}};
  EXPECT_THROW(Get(MakePipeline(credential_), over), Azure::Core::OperationCancelledException);
}

TEST_F(TokenBindingTest, JoinsFieldsOfTheSameName) {
  transport_->Then([](auto const&) {
    Headers fields;
    fields.Add("WWW-Authenticate", R"(Basic realm="a")");
    fields.Add("www-authenticate", R"(Bearer error="insufficient_claims", claims="eyJhIjoxfQ==")");
    fields.Add("Vary", "a");
    fields.Add("vary", "b");
    return MakeResponse(401, "", fields);
  });
  transport_->Then([](auto const&) {
    Headers fields;
    fields.Add("Vary", "a");
    fields.Add("vary", "b");
    fields.Add("Set-Cookie", "a=1");
    fields.Add("Set-Cookie", "b=2");
    return MakeResponse(200, "", fields);
  });
  auto const response = GetBound();
  EXPECT_EQ(response->GetHeaders().at("vary"), "a, b");
  EXPECT_EQ(response->GetHeaders().at("set-cookie"), "b=2");
  EXPECT_THAT(ClaimsAskedFor(), testing::ElementsAre(R"({"a":1})"));
}

TEST_F(TokenBindingTest, TakesABoundTokenInAnyForm) {
  inner_->Answer = [this](auto const&) { return Expiring(MakeBoundToken("opaque", binding_)); };
  EXPECT_EQ(GetBound()->GetStatusCode(), HttpStatusCode::Ok);
  EXPECT_EQ(transport_->Sent()[0].Fields.Get("authorization"), "mtls_pop opaque");
}

/// A policy of the application's that keeps the token's own header, or loses the placeholder's context.
class Meddling final : public HttpPolicy {
 public:
  explicit Meddling(std::string authorization) : authorization_(std::move(authorization)) {}
  std::unique_ptr<RawResponse> Send(
      Azure::Core::Http::Request& request,
      Azure::Core::Http::Policies::NextHttpPolicy next,
      Azure::Core::Context const& context) const override {
    if (authorization_.empty()) return next.Send(request, Azure::Core::Context{});
    request.SetHeader("authorization", authorization_);
    return next.Send(request, context);
  }
  std::unique_ptr<HttpPolicy> Clone() const override { return std::make_unique<Meddling>(authorization_); }

 private:
  std::string authorization_;
};

TEST_F(TokenBindingTest, FailsClosedWhereAPolicyLosesTheTokenOnItsWay) {
  using Loss = std::pair<std::string, ErrorCode>;
  for (auto const& [authorization, lost] :
       {Loss{"", errors::TokenBindingNotInUse}, Loss{"Bearer something", errors::BoundTokenWithoutBinding}}) {
    Azure::Core::_internal::ClientOptions options;
    options.Retry = clientOptions_.Retry;
    UseTokenBinding(options, credential_);
    options.PerRetryPolicies.push_back(std::make_unique<Meddling>(authorization));
    TokenRequestContext wanted;
    wanted.Scopes = {"https://vault.azure.net/.default"};
    std::vector<std::unique_ptr<HttpPolicy>> perRetry;
    perRetry.push_back(
        std::make_unique<Azure::Core::Http::Policies::_internal::BearerTokenAuthenticationPolicy>(credential_, wanted));
    HttpPipeline const pipeline{options, "test", "1.0", std::move(perRetry), {}};
    EXPECT_THAT(RefusalOf([&] { Get(pipeline); }), HasSubstr(std::string{lost.Name()}));
  }
  EXPECT_THAT(transport_->Sent(), IsEmpty());
}

/// Keeps what it was asked to send.
class KeepingTransport final : public mtlspop::HttpTransport {
 public:
  std::unique_ptr<Response> Send(
      Request& request, std::shared_ptr<BindingCertificate const> const&, Context const&) override {
    Waits = request.ExpectContinue;
    HasField = request.Fields.Contains("expect");
    return MakeResponse(201);
  }
  mtlspop::PoolStatistics PoolStatistics() const override { return {}; }

  bool Waits = false;
  bool HasField = true;
};

TEST(AzureHttpTransport, WaitsForTheServersWordWhereTheRequestSaysSo) {
  auto const kept = std::make_shared<KeepingTransport>();
  std::string const text = "the value";
  Azure::Core::IO::MemoryBodyStream body{reinterpret_cast<std::uint8_t const*>(text.data()), text.size()};
  Azure::Core::Http::Request request{HttpMethod::Put, Azure::Core::Url{"https://myvault.vault.azure.net/a"}, &body};
  request.SetHeader("Expect", "100-continue");
  azure::HttpTransport{kept}.Send(request, {});
  EXPECT_TRUE(kept->Waits);
  EXPECT_FALSE(kept->HasField);
}

}  // namespace
}  // namespace mtlspop::azure
