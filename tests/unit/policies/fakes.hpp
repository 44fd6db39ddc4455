#pragma once

/// @file
/// A transport that answers from a script and a credential that hands out made-up tokens.

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "mtlspop/credential/token_credential.hpp"
#include "mtlspop/policies/http_pipeline.hpp"
#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/http_transport.hpp"

namespace mtlspop::test {

/// A certificate in name only.
class NamedKey final : public PrivateKeyHandle {};

inline std::shared_ptr<BindingCertificate const> MakeNamedBinding(std::string x5tS256) {
  BindingCertificate::Parts parts;
  parts.X5tS256 = std::move(x5tS256);
  parts.Chain = {{0x30}};
  parts.Key = std::make_shared<NamedKey>();
  parts.Strength = KeyStrength::Software;
  return std::make_shared<BindingCertificate const>(std::move(parts));
}

inline AccessToken MakeBoundToken(std::string token, std::shared_ptr<BindingCertificate const> binding) {
  AccessToken made;
  made.Token = Secret{std::move(token)};
  made.Type = TokenType::MtlsPop;
  made.Binding = std::move(binding);
  return made;
}

inline AccessToken MakeBearerToken(std::string token) {
  AccessToken made;
  made.Token = Secret{std::move(token)};
  return made;
}

inline std::unique_ptr<Response> MakeResponse(int status, std::string body = {}, Headers fields = {}) {
  auto response = std::make_unique<Response>();
  response->StatusCode = status;
  response->Fields = std::move(fields);
  response->Body = std::make_unique<MemoryBody>(std::move(body));
  return response;
}

inline std::unique_ptr<Response> MakeResponse(int status, std::string name, std::string value, std::string body) {
  Headers fields;
  fields.Add(std::move(name), std::move(value));
  return MakeResponse(status, std::move(body), std::move(fields));
}

/// What came to the transport.
struct SentRequest {
  std::string Method;
  std::string Url;
  Headers Fields;
  std::string Body;
  std::shared_ptr<BindingCertificate const> Binding;
};

/// Thread safety: all members may be called from any thread.
class ScriptedTransport final : public HttpTransport {
 public:
  using Step = std::function<std::unique_ptr<Response>(SentRequest const&)>;

  void Then(Step step) { steps_.push_back(std::move(step)); }
  void ThenAnswer(int status, std::string body = {}) {
    Then([status, body](auto const&) { return MakeResponse(status, body); });
  }
  void ThenAnswer(int status, std::string name, std::string value, std::string body) {
    Then([=](auto const&) { return MakeResponse(status, name, value, body); });
  }
  void ThenThrow(Error error) {
    Then([error](auto const&) -> std::unique_ptr<Response> { throw error; });
  }

  std::unique_ptr<Response> Send(
      Request& request, std::shared_ptr<BindingCertificate const> const& binding, Context const& context) override {
    SentRequest sent{request.Method, request.Target.ToString(), request.Fields, {}, binding};
    if (request.Body) sent.Body = ReadToEnd(*request.Body, DefaultBufferedBodyBytes, context);
    Step step;
    {
      std::lock_guard<std::mutex> const lock{mutex_};
      sent_.push_back(sent);
      if (!steps_.empty()) {
        step = std::move(steps_.front());
        steps_.pop_front();
      }
    }
    return step ? step(sent) : MakeResponse(200);
  }

  std::vector<SentRequest> Sent() const {
    std::lock_guard<std::mutex> const lock{mutex_};
    return sent_;
  }

 private:
  mutable std::mutex mutex_;
  std::deque<Step> steps_;
  std::vector<SentRequest> sent_;
};

/// Hands out what `Answer` says; where it says nothing, the same bound token for the same tenant, and another one for claims.
class FakeCredential final : public TokenCredential {
 public:
  std::function<AccessToken(TokenRequest const&)> Answer;

  AccessToken GetToken(TokenRequest const& request, Context const&) override {
    {
      std::lock_guard<std::mutex> const lock{mutex_};
      asked_.push_back(request);
    }
    if (Answer) return Answer(request);
    auto const tenant = request.TenantId.empty() ? std::string{} : "-for-" + request.TenantId;
    return MakeBoundToken("bound-token" + tenant + (request.Claims.empty() ? "" : "-with-claims"), binding_);
  }

  void ReportRefusal(TokenRequest const&, AccessToken const& refused, RefusalReason reason) noexcept override {
    std::lock_guard<std::mutex> const lock{mutex_};
    refusals_.emplace_back(refused, reason);
  }

  std::string_view Name() const noexcept override { return "FakeCredential"; }

  std::vector<TokenRequest> Asked() const {
    std::lock_guard<std::mutex> const lock{mutex_};
    return asked_;
  }
  /// What it was told was refused, and why.
  std::vector<std::pair<AccessToken, RefusalReason>> Refusals() const {
    std::lock_guard<std::mutex> const lock{mutex_};
    return refusals_;
  }

 private:
  std::shared_ptr<BindingCertificate const> binding_ = MakeNamedBinding("key-1");
  mutable std::mutex mutex_;
  std::vector<TokenRequest> asked_;
  std::vector<std::pair<AccessToken, RefusalReason>> refusals_;
};

}  // namespace mtlspop::test
