#pragma once

/// @file
/// A credential for the table of `BoundCall` (bound_call_table.hpp): what it gives follows from what it was told.

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mtlspop/credential/token_credential.hpp"
#include "mtlspop/transport/clock.hpp"
#include "mtlspop/transport/error.hpp"

namespace mtlspop::test {

/// How a token request fails.
struct TokenFailure {
  char const* Code;
  bool Transient;
  /// `ErrorDetails::NotBefore`, from the failure on.
  std::optional<std::chrono::seconds> NotBefore;
};

struct CredentialScript {
  TokenBinding Binding = TokenBinding::Required;
  /// Goes on with what it is told was refused.
  bool LimitsReplacements = false;
  /// The first requests fail like this.
  std::vector<TokenFailure> Failures{};
};

/// Keeps its tokens until it is told that one was refused, as the credentials of this library do. A token has a name:
/// "tenant/b2.3" is the third one for that tenant and bound to the second certificate, "bearer.1" is bound to nothing.
///
/// Thread safety: all members may be called from any thread.
class TableCredential final : public TokenCredential {
 public:
  using MakeBinding = std::function<std::shared_ptr<BindingCertificate const>(int number)>;

  TableCredential(CredentialScript script, std::shared_ptr<Clock> time, MakeBinding makeBinding)
      : script_(std::move(script)), time_(std::move(time)), makeBinding_(std::move(makeBinding)) {}

  AccessToken GetToken(TokenRequest const& request, Context const&) override {
    std::lock_guard<std::mutex> const lock{mutex_};
    FailAsTold();
    auto& generation = generations_[request.TenantId];
    if (generation == 0 || !request.Claims.empty()) ++generation;
    auto const isBound = EffectiveBinding(script_.Binding, request.Binding) != TokenBinding::None;
    auto const kind = isBound ? "b" + std::to_string(binding_) : std::string{"bearer"};
    auto const tenant = request.TenantId.empty() ? std::string{} : request.TenantId + "/";
    auto& token = tokens_[tenant + kind + "." + std::to_string(generation)];
    if (token.Token.Empty()) {
      ++fetched_;
      token = Make(tenant + kind + "." + std::to_string(generation), isBound);
    }
    return token;
  }

  void ReportRefusal(TokenRequest const& request, AccessToken const& refused, RefusalReason reason) noexcept override {
    std::lock_guard<std::mutex> const lock{mutex_};
    refusals_.emplace_back(ToString(reason));
    if (script_.LimitsReplacements) return;
    if (reason == RefusalReason::TokenRejected) {
      auto const name = NameOf(refused);
      auto const current = "." + std::to_string(generations_[request.TenantId]);
      if (name.size() > current.size() && name.substr(name.size() - current.size()) == current) {
        ++generations_[request.TenantId];
      }
    } else if (refused.Binding == bindings_[binding_]) {
      ++binding_;
    }
  }

  std::string_view Name() const noexcept override { return "TableCredential"; }

  /// Names are read from the text of the token, which is a JWT in form.
  static std::string NameOf(AccessToken const& token) {
    std::string const text{token.Token.Reveal()};
    auto const begin = text.rfind('.') + 1;
    std::string name;
    for (auto at = begin; at + 1 < text.size(); at += 2) {
      name.push_back(static_cast<char>(std::stoi(text.substr(at, 2), nullptr, 16)));
    }
    return name;
  }

  /// How many tokens were fetched or could not be, since the last time this was asked.
  int TakeFetched() {
    std::lock_guard<std::mutex> const lock{mutex_};
    return std::exchange(fetched_, 0);
  }
  /// What it was told, since the last time this was asked.
  std::vector<std::string> TakeRefusals() {
    std::lock_guard<std::mutex> const lock{mutex_};
    return std::exchange(refusals_, {});
  }

 private:
  void FailAsTold() {
    if (script_.Failures.empty()) return;
    auto const failure = script_.Failures.front();
    script_.Failures.erase(script_.Failures.begin());
    ++fetched_;
    ErrorDetails details{ErrorCode{failure.Code}, "No token", "Nothing: it is a test"};
    details.Transient = failure.Transient;
    if (failure.NotBefore) details.NotBefore = time_->Now() + *failure.NotBefore;
    throw Error{std::move(details)};
  }

  AccessToken Make(std::string const& name, bool isBound) {
    AccessToken token;
    token.ExpiresOn = time_->Now() + std::chrono::hours{24};
    token.RefreshOn = token.ExpiresOn;
    std::string text;
    if (isBound) {
      auto& binding = bindings_[binding_];
      if (!binding) binding = makeBinding_(binding_);
      token.Type = TokenType::MtlsPop;
      token.Binding = binding;
      // {"alg":"none"} and {"cnf":{"x5t#S256":"?"}}
      text = "eyJhbGciOiJub25lIn0.eyJjbmYiOnsieDV0I1MyNTYiOiI/In19.";
    } else {
      text = "eyJhbGciOiJub25lIn0.e30.";
    }
    constexpr char const* Digits = "0123456789abcdef";
    for (auto const c : name) {
      text.push_back(Digits[static_cast<unsigned char>(c) >> 4U]);
      text.push_back(Digits[static_cast<unsigned char>(c) & 15U]);
    }
    token.Token = Secret{std::move(text)};
    return token;
  }

  CredentialScript script_;
  std::shared_ptr<Clock> time_;
  MakeBinding makeBinding_;
  mutable std::mutex mutex_;
  int binding_ = 1;
  std::map<int, std::shared_ptr<BindingCertificate const>> bindings_;
  std::map<std::string, int> generations_;
  std::map<std::string, AccessToken> tokens_;
  int fetched_ = 0;
  std::vector<std::string> refusals_;
};

}  // namespace mtlspop::test
