#include <regex>
#include <set>

#include "mtlspop/azure/errors.hpp"
#include "mtlspop/transport/log.hpp"
#include "token_binding_fixture.hpp"
#include "token_handles.hpp"

namespace mtlspop::azure {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TokenRequest RequestFor(std::string tenant) {
  TokenRequest request;
  request.Scopes = {"scope"};
  request.TenantId = std::move(tenant);
  return request;
}

TEST(TokenHandles, AreTheSameForTheSameRequest) {
  TokenHandles handles;
  auto const a = handles.For(RequestFor("a"));
  EXPECT_EQ(handles.For(RequestFor("a")), a);
  EXPECT_NE(handles.For(RequestFor("b")), a);
  ASSERT_TRUE(handles.Find(a));
  EXPECT_EQ(handles.Find(a)->TenantId, "a");
  EXPECT_EQ(handles.Find(a)->Scopes.front(), "scope");
  EXPECT_FALSE(handles.Find(a + "0"));
}

TEST(TokenHandles, CannotBeGuessed) {
  std::set<std::string> all;
  // GoogleTest's own have fewer operators on Windows.
  std::regex const form{"mtlspop-handle-[0-9A-F]{64}"};
  for (int i = 0; i < 100; ++i) {
    auto const handle = TokenHandles{}.For(RequestFor("a"));
    EXPECT_TRUE(std::regex_match(handle, form)) << handle;
    EXPECT_TRUE(TokenHandles::IsHandle(handle));
    all.insert(handle);
  }
  EXPECT_EQ(all.size(), 100U);
  EXPECT_FALSE(TokenHandles::IsHandle("e30.e30.c2ln"));
}

TEST(TokenHandles, AreBounded) {
  TokenHandles handles;
  auto const first = handles.For(RequestFor("first"));
  auto const second = handles.For(RequestFor("second"));
  for (std::size_t i = 1; i < TokenHandles::MaximumHandles; ++i) handles.For(RequestFor(std::to_string(i)));
  EXPECT_FALSE(handles.Find(first));
  EXPECT_TRUE(handles.Find(second));
  EXPECT_NE(handles.For(RequestFor("first")), first);
}

/// Notes what Azure's own policy has written.
class Noting final : public HttpPolicy {
 public:
  explicit Noting(std::string& seen) : seen_(seen) {}
  std::unique_ptr<RawResponse> Send(
      Azure::Core::Http::Request& request,
      Azure::Core::Http::Policies::NextHttpPolicy next,
      Azure::Core::Context const& context) const override {
    auto before = request.GetHeader("authorization").Value();
    auto response = next.Send(request, context);
    seen_ = before + "; " + request.GetHeader("authorization").Value();
    return response;
  }
  std::unique_ptr<HttpPolicy> Clone() const override { return std::make_unique<Noting>(seen_); }

 private:
  std::string& seen_;
};

TEST_F(TokenBindingTest, KeepsTheTokenOutOfAzuresRequests) {
  UseTokenBinding(clientOptions_, credential_);
  std::string seen;
  TokenRequestContext wanted;
  wanted.Scopes = {"https://vault.azure.net/.default"};
  std::vector<std::unique_ptr<HttpPolicy>> perRetry;
  perRetry.push_back(
      std::make_unique<Azure::Core::Http::Policies::_internal::BearerTokenAuthenticationPolicy>(credential_, wanted));
  perRetry.push_back(std::make_unique<Noting>(seen));
  Get(HttpPipeline{clientOptions_, "test", "1.0", std::move(perRetry), {}});
  EXPECT_THAT(seen, AllOf(HasSubstr("Bearer mtlspop-handle-"), Not(HasSubstr("bound-token"))));
  ExpectBound(transport_->Sent()[0], "bound-token", "key-1");
}

/// What is wrong with a client that has the credential, and that nothing of it is sent.
class NotInUse : public TokenBindingTest {
 protected:
  std::string Refusal(Azure::Core::_internal::ClientOptions options) {
    auto text = RefusalOf([&] {
      clientOptions_ = std::move(options);
      std::string const secret = "the body";
      Azure::Core::IO::MemoryBodyStream body{reinterpret_cast<std::uint8_t const*>(secret.data()), secret.size()};
      Azure::Core::Http::Request request{
          HttpMethod::Put, Azure::Core::Url{"https://myvault.vault.azure.net/secrets/a"}, &body};
      MakePipeline(credential_).Send(request, {});
    });
    EXPECT_THAT(text, HasSubstr(std::string{errors::TokenBindingNotInUse.Name()}));
    EXPECT_THAT(foreign_->Seen, AllOf(Not(HasSubstr("authorization")), Not(HasSubstr("vault.azure.net"))));
    EXPECT_THAT(transport_->Sent(), IsEmpty());
    return text;
  }

  std::shared_ptr<ForeignTransport> foreign_ = std::make_shared<ForeignTransport>();
};

TEST_F(NotInUse, IsAClientWithoutUseTokenBinding) {
  Azure::Core::_internal::ClientOptions options;
  options.Transport.Transport = foreign_;
  EXPECT_THAT(Refusal(options), HasSubstr("without UseTokenBinding"));
}

TEST_F(NotInUse, IsAClientWithAnotherCopyOfTheOptions) {
  clientOptions_.Transport.Transport = nullptr;
  Azure::Core::_internal::ClientOptions copy{clientOptions_};
  UseTokenBinding(clientOptions_, credential_);
  copy.Transport.Transport = foreign_;
  EXPECT_THAT(Refusal(copy), HasSubstr("with other options than those that went through UseTokenBinding"));
}

TEST_F(NotInUse, IsAClientOfAnotherCredential) {
  auto const another = MakeAnother();
  Azure::Core::_internal::ClientOptions options;
  UseTokenBinding(options, another.Credential);
  EXPECT_THAT(Refusal(options), HasSubstr("with another credential"));
}

TEST_F(NotInUse, IsAClientWhoseTransportWasSetAfterwards) {
  Azure::Core::_internal::ClientOptions options;
  UseTokenBinding(options, credential_);
  options.Transport.Transport = foreign_;
  EXPECT_THAT(Refusal(options), HasSubstr("Set no transport in the options after UseTokenBinding"));
}

TEST_F(NotInUse, IsSaidInTheLogTooSinceAChainDropsIt) {
  std::string lines;
  BoundTokenCredentialOptions options;
  options.Credential = inner_;
  options.Observer = MakeLog([&](Severity, std::string_view line) { lines += line; }, Severity::Warning);
  credential_ = std::make_shared<BoundTokenCredential>(options);
  Azure::Core::_internal::ClientOptions plain;
  plain.Transport.Transport = foreign_;
  Refusal(plain);
  EXPECT_THAT(lines, HasSubstr("token_binding_not_in_use"));
}

/// A pipeline keeps a handle that its credential has forgotten.
TEST_F(TokenBindingTest, SendsNothingForAHandleThatNobodyKnows) {
  UseTokenBinding(clientOptions_, credential_);
  std::vector<std::unique_ptr<HttpPolicy>> none;
  HttpPipeline const pipeline{clientOptions_, "test", "1.0", std::move(none), {}};
  Azure::Core::Http::Request request{HttpMethod::Get, Azure::Core::Url{"https://myvault.vault.azure.net/a"}};
  request.SetHeader("authorization", "Bearer " + TokenHandles{}.For(RequestFor("a")));
  EXPECT_THAT(
      RefusalOf([&] { pipeline.Send(request, {}); }), HasSubstr(std::string{errors::TokenBindingNotInUse.Name()}));
  EXPECT_THAT(transport_->Sent(), IsEmpty());
}

TEST_F(TokenBindingTest, LetsTheTokensOfOthersPass) {
  UseTokenBinding(clientOptions_, credential_);
  std::vector<std::unique_ptr<HttpPolicy>> none;
  HttpPipeline const pipeline{clientOptions_, "test", "1.0", std::move(none), {}};
  Azure::Core::Http::Request request{HttpMethod::Get, Azure::Core::Url{"https://myvault.vault.azure.net/a"}};
  request.SetHeader("authorization", "Bearer somebody's");
  pipeline.Send(request, {});
  EXPECT_EQ(transport_->Sent()[0].Fields.Get("authorization"), "Bearer somebody's");
  EXPECT_FALSE(transport_->Sent()[0].Binding);
}

/// A client that was constructed with Azure's own credential although its options were prepared: told once, or refused.
TEST_F(TokenBindingTest, TellsOfTheTokensOfOthersOrRefusesThem) {
  for (bool const isStrict : {false, true}) {
    std::string lines;
    BoundTokenCredentialOptions options;
    options.Credential = inner_;
    options.Transport = transport_;
    options.RefusesOtherTokens = isStrict;
    options.Observer = MakeLog([&](Severity, std::string_view line) { lines += line; }, Severity::Warning);
    Azure::Core::_internal::ClientOptions clientOptions;
    UseTokenBinding(clientOptions, std::make_shared<BoundTokenCredential>(options));
    std::vector<std::unique_ptr<HttpPolicy>> none;
    HttpPipeline const pipeline{clientOptions, "test", "1.0", std::move(none), {}};
    Azure::Core::Http::Request request{HttpMethod::Get, Azure::Core::Url{"https://myvault.vault.azure.net/a"}};
    request.SetHeader("authorization", "Bearer somebody's");
    auto const before = transport_->Sent().size();
    if (isStrict) {
      EXPECT_THAT(
          RefusalOf([&] { pipeline.Send(request, {}); }), HasSubstr(std::string{errors::TokenBindingNotInUse.Name()}));
      EXPECT_EQ(transport_->Sent().size(), before);
    } else {
      pipeline.Send(request, {});
      pipeline.Send(request, {});
      EXPECT_EQ(transport_->Sent().size(), before + 2);
      auto const told = lines.find("client.token_not_bound host=myvault.vault.azure.net");
      EXPECT_NE(told, std::string::npos);
      EXPECT_EQ(lines.find("client.token_not_bound", told + 1), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace mtlspop::azure
