// From a challenge to what is done about it: `BoundCall`, driven by a script in which a hostile resource and an unreliable
// credential say what they like. Two calls share one memory.
//
// The first line of the input sets the options. Each further line is what happens next: its first character chooses what,
// its second how; after an answer's two characters comes a WWW-Authenticate value and, behind a tab, the body.

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "mtlspop/base/plain_scope.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/policies/bound_call.hpp"

namespace {

using namespace mtlspop;

constexpr std::string_view Host = "v.vault.azure.net";
constexpr std::string_view OwnScope = "https://vault.azure.net/.default";
constexpr char const* OwnTenant = "own";
constexpr char const* AllowedTenant = "allowed";

void Require(bool good) {
  if (!good) std::abort();
}

class Key final : public PrivateKeyHandle {};

std::shared_ptr<BindingCertificate const> Binding(unsigned number) {
  static auto const make = [](std::string x5tS256) {
    BindingCertificate::Parts parts;
    parts.X5tS256 = std::move(x5tS256);
    parts.Chain = {{0x30}};
    parts.Key = std::make_shared<Key>();
    parts.Strength = KeyStrength::Software;
    return std::make_shared<BindingCertificate const>(std::move(parts));
  };
  static std::shared_ptr<BindingCertificate const> const bindings[]{make("a"), make("b"), make("c")};
  return bindings[number % 3];
}

class Script final {
 public:
  explicit Script(std::string_view text) : rest_(text) {}
  bool IsOver() const { return rest_.empty(); }
  std::string_view NextLine() {
    auto const end = rest_.find('\n');
    auto const line = rest_.substr(0, end);
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    return line;
  }

 private:
  std::string_view rest_;
};

unsigned At(std::string_view line, std::size_t index) {
  return index < line.size() ? static_cast<unsigned char>(line[index]) : 0;
}

BoundCallOptions ReadOptions(std::string_view line) {
  BoundCallOptions options;
  auto const flags = At(line, 0);
  if ((flags & 1) != 0) options.Scopes = {std::string{OwnScope}};
  if ((flags & 2) != 0) options.TenantId = OwnTenant;
  if ((flags & 4) != 0) options.AdditionallyAllowedTenants = {AllowedTenant};
  options.RetriesFailures = (flags & 8) == 0;
  constexpr std::optional<TokenBinding> bindings[]{
      TokenBinding::Required, TokenBinding::Preferred, TokenBinding::None, std::nullopt};
  options.Binding = bindings[At(line, 1) % 4];
  options.Retry.Random = [] { return 0.5; };
  options.Memory.Random = options.Retry.Random;
  return options;
}

/// One call, and what must hold whatever happens to it.
class Call final {
 public:
  Call(std::shared_ptr<BoundCallSettings const> settings, std::string_view line, Script& script, CallTime& now)
      : settings_(settings),
        script_(script),
        now_(now),
        hasBody_((At(line, 2) & 1) != 0),
        call_(
            std::move(settings),
            {hasBody_ ? "PUT" : "GET", Url::Parse("https://" + std::string{Host} + "/secrets/a"), hasBody_},
            (At(line, 2) & 2) != 0 ? now.Steady + std::chrono::seconds{30} : Context::TimePoint::max()) {}

  void Run() {
    auto step = call_.Start(now_);
    for (int steps = 0; !isOver_ && !script_.IsOver(); ++steps) {
      Require(steps < 200);
      if (call_.NeedsRewind()) Require(hasBody_);
      step = std::visit([this](auto const& what) { return Do(what); }, step);
    }
  }

 private:
  using Step = BoundCall::Step;

  void CheckRequest(TokenRequest const& request) const {
    auto const& options = settings_->Options;
    Require(request.Scopes.size() == 1);
    auto const& scope = request.Scopes.front();
    if (!options.Scopes.empty()) {
      Require(scope == OwnScope);
    } else {
      // No token for another resource, and none that could be read in two ways.
      Require(IsPlainScope(scope));
      auto const domain = Url::Parse(scope).Host();
      Require(Host == domain || (Host.size() > domain.size() && Host.substr(Host.size() - domain.size()) == domain));
    }
    auto const& tenant = request.TenantId;
    if (!options.TenantId.empty() && tenant != OwnTenant) {
      Require(!options.AdditionallyAllowedTenants.empty() && EqualsIgnoreCase(tenant, AllowedTenant));
    }
    if (options.Binding == TokenBinding::Required) Require(request.Binding == TokenBinding::Required);
  }

  Step Do(BoundCall::GetToken const& ask) {
    Require(++asked_ <= 20);
    CheckRequest(*ask.Request);
    if (ask.Report) Require(ask.Report->Request && !ask.Report->Token.Token.Empty());
    auto const line = script_.NextLine();
    Pass(line);
    auto const kind = At(line, 0) % 4;
    if (kind == 0) return TokenFailed(line);
    AccessToken token;
    token.Token = Secret{std::string(1, static_cast<char>('A' + At(line, 1) % 8))};
    if (kind != 1) {
      token.Type = TokenType::MtlsPop;
      if (kind == 2 || At(line, 1) % 16 != 0) token.Binding = Binding(At(line, 1) >> 3);
    }
    return call_.TokenObtained(std::move(token), now_);
  }

  Step TokenFailed(std::string_view line) {
    ErrorDetails details{errors::TokenServiceUnavailable, "It failed", "Wait"};
    details.Transient = At(line, 1) % 2 != 0;
    if (At(line, 1) % 3 != 0) details.NotBefore = now_.System + std::chrono::seconds{At(line, 1)};
    return call_.TokenFailed(Error{std::move(details)}, now_);
  }

  Step Do(BoundCall::Send const& send) {
    Require(++sent_ <= 20);
    if (send.AsQuestion) Require(!send.Token);
    if (send.Token) {
      auto const isBound = send.Token->Type == TokenType::MtlsPop;
      Require(!isBound || send.Token->Binding);
      Require(isBound || settings_->Options.Binding != TokenBinding::Required);
      Require(!call_.WasRefused(*send.Token));
    } else {
      // Whatever goes without a token changes nothing.
      Require(settings_->Options.Scopes.empty() && (send.AsQuestion || !hasBody_));
    }
    auto const line = script_.NextLine();
    Pass(line);
    return At(line, 0) % 4 == 0 ? SendFailed(line) : Answered(line);
  }

  Step SendFailed(std::string_view line) {
    constexpr ErrorCode codes[]{
        errors::ConnectionLost, errors::BindingCertificateRejected, errors::PrivateKeyUnusable, errors::ConnectFailed};
    ErrorDetails details{codes[At(line, 1) % 4], "It failed", "Look"};
    details.NothingSent = At(line, 1) % 8 < 4;
    details.Transient = true;
    return call_.SendFailed(Error{std::move(details)}, now_);
  }

  Step Answered(std::string_view line) {
    constexpr int statuses[]{200, 401, 401, 401, 403, 408, 429, 500, 503, 302, 401};
    auto const status = statuses[At(line, 1) % 11];
    auto const text = line.substr(std::min<std::size_t>(line.size(), 2));
    auto const tab = text.find('\t');
    Headers fields;
    if (status == 302) fields.Set("Location", "https://elsewhere.example/");
    if (status == 429 || status == 503) {
      fields.Set("Retry-After", std::string{text.substr(0, tab)});
    } else {
      fields.Set("WWW-Authenticate", std::string{text.substr(0, tab)});
    }
    auto const body = tab == std::string_view::npos ? std::string_view{} : text.substr(tab + 1);
    return call_.Answered({status, fields, call_.WantsBody(status) ? body : std::string_view{}, nullptr}, now_);
  }

  Step Do(BoundCall::Wait const& wait) {
    Require(wait.For.count() >= 0);
    now_.System += wait.For;
    now_.Steady += wait.For;
    return call_.Waited(now_);
  }

  Step Do(BoundCall::WaitForAnotherCall const&) {
    // The other call has ended: nobody may be left who asks.
    std::abort();
  }
  Step Do(BoundCall::Deliver const&) {
    isOver_ = true;
    return BoundCall::Deliver{};
  }
  Step Do(BoundCall::Fail const& fail) {
    isOver_ = true;
    Require(!fail.What.Details().What.empty());
    return BoundCall::Deliver{};
  }

  void Pass(std::string_view line) {
    auto const time = std::chrono::seconds{At(line, 0) % 16 == 15 ? 600 : 0};
    now_.System += time;
    now_.Steady += time;
  }

  std::shared_ptr<BoundCallSettings const> settings_;
  Script& script_;
  CallTime& now_;
  bool hasBody_;
  BoundCall call_;
  bool isOver_ = false;
  int asked_ = 0;
  int sent_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  Script script{{reinterpret_cast<char const*>(data), size}};
  auto const first = script.NextLine();
  auto const settings = std::make_shared<BoundCallSettings const>(ReadOptions(first));
  CallTime now{std::chrono::system_clock::time_point{std::chrono::hours{500'000}}, {}};
  now.Steady += std::chrono::hours{1};
  for (int calls = 0; calls < 2; ++calls) Call{settings, first, script, now}.Run();
  return 0;
}
