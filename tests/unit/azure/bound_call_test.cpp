#include "mtlspop/policies/bound_call.hpp"

#include <stdexcept>

#include "support/bound_call_table.hpp"
#include "token_binding_fixture.hpp"

namespace mtlspop::azure {
namespace {

using testing::ElementsAreArray;

/// A body that can be read once.
class OnceStream final : public Azure::Core::IO::BodyStream {
 public:
  std::int64_t Length() const override { return 4; }
  void Rewind() override {
    if (isRead_) throw std::runtime_error("read already");
  }

 private:
  std::size_t OnRead(std::uint8_t* buffer, std::size_t, Azure::Core::Context const&) override {
    if (std::exchange(isRead_, true)) return 0;
    std::fill_n(buffer, 4, std::uint8_t{'x'});
    return 4;
  }
  bool isRead_ = false;
};

/// What Azure's pipeline can be asked for: it has scopes always, and repeats lost connections and error statuses by itself.
std::vector<BoundCallRow> AzureRows() {
  std::vector<BoundCallRow> rows;
  for (auto& row : AllBoundCallRows()) {
    if (!row.Needs.Learning && !row.Needs.Retry && !row.Needs.Binding) rows.push_back(std::move(row));
  }
  return rows;
}

/// The table of `BoundCall`, through Azure's policies.
class AzureBoundCall : public testing::TestWithParam<BoundCallRow> {
 protected:
  AzureBoundCall() {
    source_ = std::make_shared<TableCredential>(
        GetParam().Credential, clock_, [](int number) { return MakeNamedBinding("key-" + std::to_string(number)); });
    BoundTokenCredentialOptions options;
    options.Credential = source_;
    options.Transport = transport_;
    options.Memory = GetParam().Options.Memory;
    options.Memory.Random = [] { return 0.5; };
    options.Observer = {};
    options.ManagedIdentity.Time = clock_;
    credential_ = std::make_shared<BoundTokenCredential>(options);
    UseTokenBinding(clientOptions_, credential_);
  }

  void Expect(Came const& came) {
    if (came.What == Came::Kind::CertificateRefused) {
      transport_->ThenThrow(Error{{errors::BindingCertificateRejected, "refused", "get another", 0, {}, {}, 0, true}});
    } else if (came.What == Came::Kind::KeyUnusable) {
      transport_->ThenThrow(Error{{errors::PrivateKeyUnusable, "it does not sign", "get another", 0, {}, {}, 0, true}});
    } else {
      Headers fields;
      if (!came.Field.empty()) fields.Add(came.Field, came.FieldValue);
      transport_->Then([=](auto const&) { return MakeResponse(came.Status, came.Body, fields); });
    }
  }

  /// A status, or the name of an error's code.
  std::string Outcome(TableCall const& call) {
    using Azure::Core::Http::Policies::_internal::BearerTokenAuthenticationPolicy;
    TokenRequestContext wanted;
    wanted.Scopes = GetParam().Options.Scopes;
    std::vector<std::unique_ptr<HttpPolicy>> perRetry;
    perRetry.push_back(std::make_unique<BearerTokenAuthenticationPolicy>(credential_, wanted));
    // A new one for each call, that Azure's policy carries nothing over from one to the next.
    HttpPipeline const pipeline{clientOptions_, "test", "1.0", std::move(perRetry), {}};
    std::vector<std::uint8_t> const text{'t', 'e', 'x', 't'};
    Azure::Core::IO::MemoryBodyStream rewindable{text};
    OnceStream once;
    Azure::Core::IO::BodyStream* body = nullptr;
    if (call.Body == TableBody::Rewindable) body = &rewindable;
    if (call.Body == TableBody::Once) body = &once;
    Azure::Core::Url const url{"https://localhost/a"};
    auto request = body == nullptr ? Azure::Core::Http::Request{HttpMethod{call.Method}, url}
                                   : Azure::Core::Http::Request{HttpMethod{call.Method}, url, body};
    try {
      return std::to_string(static_cast<int>(pipeline.Send(request, {})->GetStatusCode()));
    } catch (Azure::Core::RequestFailedException const& error) {
      return error.ErrorCode;
    } catch (AuthenticationException const& error) {
      std::string const what = error.what();
      return what.substr(0, what.find(':'));
    }
  }

  /// The names of the tokens that were sent since the last time this was asked.
  std::vector<std::string> TakeTokensSent() {
    std::vector<std::string> tokens;
    auto const sent = transport_->Sent();
    for (; seen_ < sent.size(); ++seen_) {
      auto const header = std::string{sent[seen_].Fields.Get("authorization")};
      AccessToken token;
      token.Token = Secret{header.substr(header.find(' ') + 1)};
      EXPECT_EQ(header.rfind("mtls_pop ", 0) == 0, sent[seen_].Binding != nullptr);
      EXPECT_EQ(sent[seen_].Fields.Contains("x-ms-tokenboundauth"), sent[seen_].Binding != nullptr);
      tokens.push_back(TableCredential::NameOf(token));
    }
    return tokens;
  }

  std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>();
  std::shared_ptr<ScriptedTransport> transport_ = std::make_shared<ScriptedTransport>();
  std::shared_ptr<TableCredential> source_;
  std::shared_ptr<BoundTokenCredential> credential_;
  Azure::Core::_internal::ClientOptions clientOptions_;
  std::size_t seen_ = 0;
};

TEST_P(AzureBoundCall, IsFollowed) {
  std::string decisions;
  for (auto const& call : GetParam().Calls) {
    clock_->Advance(call.After);
    for (auto const& came : call.Script) Expect(came);
    if (!call.Decisions.empty()) decisions = call.Decisions;
    EXPECT_EQ(Outcome(call), call.Error.empty() ? std::to_string(call.Status) : call.Error) << decisions;
    EXPECT_THAT(TakeTokensSent(), ElementsAreArray(TokensSentBy(decisions)));
    EXPECT_THAT(source_->TakeRefusals(), ElementsAreArray(call.Refusals));
    EXPECT_EQ(source_->TakeFetched(), call.Fetched);
  }
}

INSTANTIATE_TEST_SUITE_P(, AzureBoundCall, testing::ValuesIn(AzureRows()), [](auto const& tested) {
  return tested.param.Name;
});

}  // namespace
}  // namespace mtlspop::azure
