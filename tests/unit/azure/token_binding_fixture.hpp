#pragma once

/// @file
/// A pipeline of the Azure SDK over a scripted transport and a credential of made-up tokens.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <azure/core/http/policies/policy.hpp>
#include <azure/core/internal/http/pipeline.hpp>
#include <azure/core/io/body_stream.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fakes.hpp"
#include "mtlspop/azure/http_transport.hpp"
#include "mtlspop/azure/token_binding.hpp"
#include "support/manual_clock.hpp"

namespace mtlspop::azure {

using namespace mtlspop::test;
using Azure::Core::Credentials::AuthenticationException;
using Azure::Core::Credentials::TokenRequestContext;
using Azure::Core::Http::HttpMethod;
using Azure::Core::Http::HttpStatusCode;
using Azure::Core::Http::RawResponse;
using Azure::Core::Http::TransportException;
using Azure::Core::Http::_internal::HttpPipeline;
using Azure::Core::Http::Policies::HttpPolicy;

/// A bound token as they look: a JWT with a cnf claim, told apart by its signature.
inline std::string Jwt(std::string const& name) {
  // {"cnf":{"x5t#S256":"abc"}}
  return "e30.eyJjbmYiOnsieDV0I1MyNTYiOiJhYmMifX0." + name;
}

/// An Azure transport that is none of ours.
class ForeignTransport final : public Azure::Core::Http::HttpTransport {
 public:
  std::unique_ptr<RawResponse> Send(Azure::Core::Http::Request& request, Azure::Core::Context const&) override {
    Seen += request.GetUrl().GetAbsoluteUrl() + "\n";
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
    options.Observer = {};
    options.ManagedIdentity.Time = clock_;
    options.ManagedIdentity.Random = [this] { return random_; };
    credential_ = std::make_shared<BoundTokenCredential>(options);
    clientOptions_.Retry.RetryDelay = std::chrono::milliseconds{0};
    inner_->Answer = [this](TokenRequest const& asked) { return Named(NameFor(asked)); };
  }

  /// As a credential that keeps its tokens and replaces what was refused: another name for each tenant, after claims and
  /// after each refusal.
  std::string NameFor(TokenRequest const& asked) {
    if (!asked.Claims.empty()) ++claims_;
    auto name = std::string{"bound-token"} + (asked.TenantId.empty() ? "" : "-for-" + asked.TenantId);
    if (claims_ != 0) name += "-with-claims-" + std::to_string(claims_);
    auto const refused = inner_->Refusals().size();
    return refused == 0 ? name : name + "-after-" + std::to_string(refused);
  }
  AccessToken Named(std::string const& name) const { return Expiring(MakeBoundToken(Jwt(name), binding_)); }

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

  std::unique_ptr<RawResponse> Get(
      HttpPipeline const& pipeline,
      Azure::Core::Context const& context = {},
      std::string const& url = "https://myvault.vault.azure.net/secrets/a") const {
    Azure::Core::Http::Request request{HttpMethod::Get, Azure::Core::Url{url}};
    return pipeline.Send(request, context);
  }

  std::unique_ptr<RawResponse> GetBound() {
    UseTokenBinding(clientOptions_, credential_);
    return Get(MakePipeline(credential_));
  }

  /// Another credential like it, whose bound token and binding have other names.
  struct Another {
    std::shared_ptr<FakeCredential> Inner = std::make_shared<FakeCredential>();
    std::shared_ptr<BoundTokenCredential> Credential;
  };
  Another MakeAnother() const {
    Another another;
    another.Inner->Answer = [](auto const&) {
      return Expiring(MakeBoundToken(Jwt("other-token"), MakeNamedBinding("other-key")));
    };
    BoundTokenCredentialOptions options;
    options.Credential = another.Inner;
    options.Transport = transport_;
    options.Observer = {};
    another.Credential = std::make_shared<BoundTokenCredential>(options);
    return another;
  }

  static void ExpectBound(SentRequest const& sent, std::string const& token, std::string const& key) {
    EXPECT_EQ(sent.Fields.Get("authorization"), "mtls_pop " + Jwt(token));
    EXPECT_EQ(sent.Fields.Get("x-ms-tokenboundauth"), "true");
    ASSERT_TRUE(sent.Binding);
    EXPECT_EQ(sent.Binding->X5tS256(), key);
  }

  std::vector<std::string> ClaimsAskedFor() const {
    std::vector<std::string> claims;
    for (auto const& asked : inner_->Asked()) {
      if (!asked.Claims.empty()) claims.push_back(asked.Claims);
    }
    return claims;
  }

  /// The text of the AuthenticationException that `call` throws.
  template <typename Call>
  static std::string RefusalOf(Call&& call) {
    try {
      call();
    } catch (AuthenticationException const& error) {
      return error.what();
    }
    return "no AuthenticationException";
  }

  double random_ = 0;
  std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>();
  std::shared_ptr<ScriptedTransport> transport_ = std::make_shared<ScriptedTransport>();
  std::shared_ptr<FakeCredential> inner_ = std::make_shared<FakeCredential>();
  std::shared_ptr<BindingCertificate const> binding_ = MakeNamedBinding("key-1");
  std::shared_ptr<BoundTokenCredential> credential_;
  Azure::Core::_internal::ClientOptions clientOptions_;
  int claims_ = 0;
};

}  // namespace mtlspop::azure
