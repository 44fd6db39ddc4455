#include "fake_cloud.hpp"

#include <atomic>
#include <stdexcept>

namespace mtlspop::test {
namespace {

using nlohmann::json;
using std::chrono::system_clock;

std::string PercentDecode(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    decoded += static_cast<char>(std::stoi(std::string{text.substr(i + 1, 2)}, nullptr, 16));
    i += 2;
  }
  return decoded;
}

std::map<std::string, std::string> ReadForm(std::string_view body) {
  std::map<std::string, std::string> form;
  while (!body.empty()) {
    auto const field = body.substr(0, body.find('&'));
    body.remove_prefix(std::min(body.size(), field.size() + 1));
    auto const equals = field.find('=');
    if (equals == std::string_view::npos) continue;
    form[PercentDecode(field.substr(0, equals))] = PercentDecode(field.substr(equals + 1));
  }
  return form;
}

bool EndsWith(std::string const& text, std::string const& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

}  // namespace

std::string ToBase64Url(std::string const& data) {
  auto text = ToBase64({data.begin(), data.end()});
  while (!text.empty() && text.back() == '=') text.pop_back();
  for (auto& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return text;
}

std::string MakeJwt(json const& claims) {
  static std::atomic<int> number{1};
  return ToBase64Url(R"({"alg":"RS256","typ":"JWT"})") + "." + ToBase64Url(claims.dump()) + "." +
         ToBase64Url("signature of a token that is kept secret, number " + std::to_string(number++));
}

Answer JsonAnswer(json const& body, int status) {
  return {status, body.dump(), {{"Content-Type", "application/json"}, {"Server", "IMDS/150.870.65.1854"}}};
}

Answer TokenError(std::string const& error, std::string const& description, int status) {
  return JsonAnswer({{"error", error}, {"error_description", description}}, status);
}

std::unique_ptr<Response> FakeCloud::Send(
    Request& request, std::shared_ptr<BindingCertificate const> const& binding, Context const& context) {
  context.ThrowIfEnded("Sending the request");
  auto const& target = request.Target;
  Arrived arrived{
      request.Method,
      target.GetOrigin().Scheme,
      target.Host(),
      std::string{target.Path()},
      std::string{target.Query()},
      {},
      request.Fields,
      binding ? binding->X5tS256() : "",
      request.NeverProxied,
      {}};
  if (request.Body) arrived.Body = ReadToEnd(*request.Body, DefaultBufferedBodyBytes, context);
  arrived.Form = ReadForm(arrived.Body);
  if (arrived.Query.find("_id=") != std::string::npos) asksForUsers_ = true;
  if (IsProbe(arrived)) {
    ++probes_;
  } else {
    std::lock_guard<std::mutex> const lock{mutex_};
    ++totals_[arrived.Path];
    if (!Forgets) arrived_.push_back(arrived);
  }
  auto intercepted = Intercept(arrived);
  auto answer = intercepted ? std::move(*intercepted) : DefaultAnswer(arrived);
  auto response = std::make_unique<Response>();
  response->StatusCode = answer.Status;
  for (auto& [name, value] : answer.Fields) response->Fields.Add(name, value);
  response->Body = std::make_unique<MemoryBody>(std::move(answer.Body));
  return response;
}

void FakeCloud::DropConnections(std::string_view x5tS256) noexcept {
  std::lock_guard<std::mutex> const lock{mutex_};
  if (!Forgets) dropped_.emplace_back(x5tS256);
}

int FakeCloud::Total(std::string const& pathEnd) const {
  std::lock_guard<std::mutex> const lock{mutex_};
  int total = 0;
  for (auto const& [path, count] : totals_) total += EndsWith(path, pathEnd) ? count : 0;
  return total;
}

std::vector<Arrived> FakeCloud::All(std::string const& pathEnd) const {
  std::lock_guard<std::mutex> const lock{mutex_};
  std::vector<Arrived> found;
  for (auto const& arrived : arrived_) {
    if (EndsWith(arrived.Path, pathEnd)) found.push_back(arrived);
  }
  return found;
}

std::vector<std::string> FakeCloud::Dropped() const {
  std::lock_guard<std::mutex> const lock{mutex_};
  return dropped_;
}

bool IsProbe(Arrived const& arrived) {
  return EndsWith(arrived.Path, "/getplatformmetadata") && !arrived.Fields.Contains("Metadata");
}

Answer FakeCloud::DefaultAnswer(Arrived const& arrived) const {
  if (IsProbe(arrived)) return TokenError("invalid_request", "Required metadata header not specified");
  if (EndsWith(arrived.Path, "/getplatformmetadata")) return JsonAnswer(MetadataAnswer());
  if (EndsWith(arrived.Path, "/issuecredential")) return JsonAnswer(IssueAnswer(arrived.Body));
  if (EndsWith(arrived.Path, "/oauth2/v2.0/token")) return JsonAnswer(TokenAnswer(arrived));
  if (EndsWith(arrived.Path, "/metadata/identity/oauth2/token")) {
    return JsonAnswer(
        {{"access_token", MakeJwt({{"kind", "v1"}})},
         {"expires_in", std::to_string(TokenLife.count())},
         {"token_type", "Bearer"},
         {"resource", "https://vault.azure.net"}});
  }
  return JsonAnswer(json::object(), 404);
}

json FakeCloud::MetadataAnswer() const {
  return {
      {"clientId", ClientId},
      {"tenantId", TenantId},
      {"cuId", {{"vmssId", "vmss-1"}, {"vmId", "vm-1"}}},
      {"attestationEndpoint", "https://Attestation.example/"}};
}

json FakeCloud::IssueAnswer(std::string const& requestBody) const {
  auto const request = FromBase64(json::parse(requestBody).at("csr"));
  auto const now = clock_->Now();
  auto const certificate =
      IssueCertificate(PublicKeyOfRequest(request), now - Certificates.Backdate, now + Certificates.Life, Certificates);
  return {
      {"certificate", ToBase64(certificate)},
      {"client_id", ClientId},
      {"tenant_id", TenantId},
      {"identity_type", !IdentityType.empty() ? IdentityType
                        : asksForUsers_       ? "UserAssigned"
                                              : "SystemAssigned"},
      {"mtls_authentication_endpoint", TokenHost + "/"}};
}

json FakeCloud::TokenAnswer(Arrived const& arrived) const {
  json claims{{"aud", arrived.Form.count("scope") != 0 ? arrived.Form.at("scope") : ""}};
  bool const isBound = arrived.Form.count("token_type") != 0 && arrived.Form.at("token_type") == "mtls_pop";
  if (isBound) claims["cnf"] = {{"x5t#S256", arrived.X5tS256}};
  return {
      {"access_token", MakeJwt(claims)},
      {"token_type", isBound ? "mtls_pop" : "Bearer"},
      {"expires_in", TokenLife.count()}};
}

gsl::not_null<std::shared_ptr<BindingKey const>> ReadyKeys::GetOrCreateKey(KeyRequest const& request, Context const&) {
  if (Remembers) Requests.push_back(request);
  return ReadyKey(made_++, strength_);
}

}  // namespace mtlspop::test
