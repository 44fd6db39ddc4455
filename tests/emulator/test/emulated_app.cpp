#include "emulated_app.hpp"

#include <gtest/gtest.h>

namespace emulator_test {

using nlohmann::json;

EmulatedApp::EmulatedApp(EmulatorProcess& emulator, std::string const& identity)
    : _emulator(emulator), _identity(emulator.Identity(identity)) {}

std::string EmulatedApp::Query() const {
  bool const system = _identity.at("type") == "SystemAssigned";
  return "?cred-api-version=2.0" + (system ? std::string() : "&client_id=" + ClientId());
}

CallAnswer EmulatedApp::Metadata() {
  TestConnection connection(_emulator.Authority("imds"));
  return connection.Call({"GET", "/metadata/identity/getplatformmetadata" + Query(), {{"Metadata", "true"}}, {}});
}

CallAnswer EmulatedApp::IssueCredential(std::string const& csr, std::string const& attestationToken) {
  json body = {{"csr", csr}};
  if (!attestationToken.empty()) {
    body["attestation_token"] = attestationToken;
  }
  TestConnection connection(_emulator.Authority("imds"));
  return connection.Call(
      {"POST",
       "/metadata/identity/issuecredential" + Query(),
       {{"Metadata", "true"}, {"Content-Type", "application/json"}},
       body.dump()});
}

RequestShape EmulatedApp::GoodRequest() {
  auto const metadata = json::parse(Metadata().Body);
  RequestShape shape;
  shape.CommonName = metadata.at("clientId");
  shape.DomainComponent = metadata.at("tenantId");
  shape.CuId = metadata.at("cuId").dump();
  return shape;
}

Credentials const& EmulatedApp::Bind() {
  auto key = MakeRsaKey();
  auto const answer = IssueCredential(MakeRequest(key.get(), GoodRequest()));
  EXPECT_EQ(answer.Status, 200U) << answer.Body;
  _binding.Certificate = ParseCertificate(json::parse(answer.Body).at("certificate"));
  _binding.Key = std::move(key);
  return _binding;
}

std::string EmulatedApp::TokenForm(std::string const& scope, std::string const& extra) const {
  return "grant_type=client_credentials&client_id=" + ClientId() + "&scope=" + scope + extra;
}

CallAnswer EmulatedApp::RequestToken(std::string const& form) {
  TestConnection connection(_emulator.Authority("sts"), Tls(&_binding));
  return connection.Call(FormCall(TokenTarget(), form));
}

std::string EmulatedApp::Token(std::string const& scope) {
  auto const answer = RequestToken(TokenForm(scope));
  EXPECT_EQ(answer.Status, 200U) << answer.Body;
  return json::parse(answer.Body).at("access_token");
}

TlsSettings EmulatedApp::Tls(Credentials const* certificate) const {
  TlsSettings settings;
  settings.CaFile = _emulator.Startup().at("ca_file");
  settings.Certificate = certificate;
  return settings;
}

CallRequest BoundCall(std::string const& method, std::string const& target, std::string const& token) {
  return {method, target, {{"Authorization", "mtls_pop " + token}, {"x-ms-tokenboundauth", "true"}}, {}};
}

CallRequest FormCall(std::string const& target, std::string const& form) {
  return {"POST", target, {{"Content-Type", "application/x-www-form-urlencoded"}}, form};
}

std::string ErrorText(CallAnswer const& answer) {
  auto const body = json::parse(answer.Body, nullptr, false);
  if (body.is_object() && body.contains("error_description")) {
    return body["error_description"];
  }
  if (body.is_object() && body.contains("error") && body["error"].is_object()) {
    return body["error"].value("message", "");
  }
  return answer.Body;
}

json ClaimsOf(std::string const& token) {
  auto const first = token.find('.');
  auto const second = token.find('.', first + 1);
  return json::parse(FromBase64Url(token.substr(first + 1, second - first - 1)));
}

}  // namespace emulator_test
