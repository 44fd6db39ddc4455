#include "fake_cloud.hpp"

#include <atomic>
#include <stdexcept>

#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "mtlspop/credential/openssl.hpp"

namespace mtlspop::test {
namespace {

using nlohmann::json;
using std::chrono::system_clock;

std::shared_ptr<EVP_PKEY> Own(EVP_PKEY* key) {
  if (key == nullptr) throw std::runtime_error("no key");
  return {key, EVP_PKEY_free};
}

EVP_PKEY* AuthorityKey() {
  static auto const key = Own(EVP_EC_gen("P-256"));
  return key.get();
}

EVP_PKEY* ReadyKey(int number) {
  static std::vector<std::shared_ptr<EVP_PKEY>> const keys{
      Own(EVP_RSA_gen(2048)), Own(EVP_RSA_gen(2048)), Own(EVP_RSA_gen(2048))};
  return keys[static_cast<std::size_t>(number) % keys.size()].get();
}

void AddExtension(X509* certificate, int nid, std::string const& value) {
  if (value.empty()) return;
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
  if (extension == nullptr) throw std::runtime_error("no such extension: " + value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

std::string ToBase64(std::vector<std::uint8_t> const& data) {
  std::string text(4 * ((data.size() + 2) / 3) + 1, '\0');
  int const length =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), data.data(), static_cast<int>(data.size()));
  text.resize(static_cast<std::size_t>(length));
  return text;
}

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

std::vector<std::uint8_t> IssueCertificate(
    EVP_PKEY* key, system_clock::time_point from, system_clock::time_point to, CertificateTerms const& terms) {
  static std::atomic<long> serial{1};
  std::shared_ptr<X509> const certificate{X509_new(), X509_free};
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial++);
  X509_NAME* const name = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, reinterpret_cast<unsigned char const*>("fake"), -1, -1, 0);
  X509_set_issuer_name(certificate.get(), name);
  ASN1_TIME_set(X509_getm_notBefore(certificate.get()), system_clock::to_time_t(from));
  ASN1_TIME_set(X509_getm_notAfter(certificate.get()), system_clock::to_time_t(to));
  X509_set_pubkey(certificate.get(), key);
  AddExtension(certificate.get(), NID_key_usage, terms.KeyUsage);
  AddExtension(certificate.get(), NID_ext_key_usage, terms.ExtendedKeyUsage);
  X509_sign(certificate.get(), AuthorityKey(), EVP_sha256());
  std::vector<std::uint8_t> der(static_cast<std::size_t>(i2d_X509(certificate.get(), nullptr)));
  auto* out = der.data();
  i2d_X509(certificate.get(), &out);
  return der;
}

std::vector<std::uint8_t> FromBase64(std::string text) {
  std::size_t const padding = text.size() - text.find_last_not_of('=') - 1;
  std::vector<std::uint8_t> data(text.size() / 4 * 3);
  EVP_DecodeBlock(data.data(), reinterpret_cast<unsigned char const*>(text.data()), static_cast<int>(text.size()));
  data.resize(data.size() - padding);
  return data;
}

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
      binding ? binding->KeyId() : "",
      request.NeverProxied,
      {}};
  if (request.Body) arrived.Body = ReadToEnd(*request.Body, DefaultBufferedBodyBytes, context);
  arrived.Form = ReadForm(arrived.Body);
  {
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

void FakeCloud::RetireBinding(std::string_view keyId) {
  std::lock_guard<std::mutex> const lock{mutex_};
  if (!Forgets) retired_.emplace_back(keyId);
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

std::vector<std::string> FakeCloud::Retired() const {
  std::lock_guard<std::mutex> const lock{mutex_};
  return retired_;
}

Answer FakeCloud::DefaultAnswer(Arrived const& arrived) const {
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
  auto const csr = FromBase64(json::parse(requestBody).at("csr"));
  auto const* position = csr.data();
  std::shared_ptr<X509_REQ> const request{
      d2i_X509_REQ(nullptr, &position, static_cast<long>(csr.size())), X509_REQ_free};
  if (!request) throw std::runtime_error("the certificate request cannot be read");
  auto const now = clock_->Now();
  auto const certificate = IssueCertificate(
      X509_REQ_get0_pubkey(request.get()), now - Certificates.Backdate, now + Certificates.Life, Certificates);
  return {
      {"certificate", ToBase64(certificate)},
      {"client_id", ClientId},
      {"tenant_id", TenantId},
      {"identity_type", "SystemAssigned"},
      {"mtls_authentication_endpoint", TokenHost + "/"}};
}

json FakeCloud::TokenAnswer(Arrived const& arrived) const {
  json claims{{"aud", arrived.Form.count("scope") != 0 ? arrived.Form.at("scope") : ""}};
  bool const isBound = arrived.Form.count("token_type") != 0;
  if (isBound) claims["cnf"] = {{"x5t#S256", arrived.KeyId}};
  return {
      {"access_token", MakeJwt(claims)},
      {"token_type", isBound ? "mtls_pop" : "Bearer"},
      {"expires_in", TokenLife.count()}};
}

gsl::not_null<std::shared_ptr<BindingKey const>> ReadyKeys::GetOrCreateKey(KeyRequest const& request, Context const&) {
  if (Remembers) Requests.push_back(request);
  return openssl::WrapBindingKey(gsl::make_not_null(ReadyKey(made_++)), strength_);
}

}  // namespace mtlspop::test
