// Contract, sections 2 and 4, from the server's side.
#include <gtest/gtest.h>

#include "emulated_app.hpp"

namespace emulator_test {
namespace {

using nlohmann::json;
using Headers = std::vector<std::pair<std::string, std::string>>;

constexpr char const MetadataTarget[] = "/metadata/identity/getplatformmetadata?cred-api-version=2.0";

CallAnswer Get(EmulatorProcess const& emulator, std::string const& target, Headers headers = {{"Metadata", "true"}}) {
  TestConnection connection(emulator.Authority("imds"));
  return connection.Call({"GET", target, std::move(headers), {}});
}

TEST(Imds, PlatformMetadataHasAllFields) {
  EmulatorProcess const emulator;
  auto const answer = Get(emulator, MetadataTarget);
  ASSERT_EQ(answer.Status, 200U);
  EXPECT_EQ(answer.Header("Server"), "IMDS/150.870.65.1854");
  auto const body = json::parse(answer.Body);
  auto const identity = emulator.Identity("emulated-vm");
  EXPECT_EQ(body.at("clientId"), identity.at("client_id"));
  EXPECT_EQ(body.at("tenantId"), identity.at("tenant_id"));
  EXPECT_TRUE(body.at("cuId").contains("vmId"));
  EXPECT_TRUE(body.at("cuId").contains("vmssId"));
  EXPECT_EQ(body.at("attestationEndpoint"), emulator.Startup().at("attestation"));
}

TEST(Imds, RequestsThatAProxyOrAPageCouldMakeAreRefused) {
  EmulatorProcess const emulator;
  EXPECT_EQ(Get(emulator, MetadataTarget, {}).Status, 400U);
  EXPECT_EQ(Get(emulator, MetadataTarget, {{"Metadata", "yes"}}).Status, 400U);
  EXPECT_EQ(Get(emulator, MetadataTarget, {{"Metadata", "true"}, {"X-Forwarded-For", "10.0.0.1"}}).Status, 400U);
}

TEST(Imds, VersionMethodAndPathAreChecked) {
  EmulatorProcess const emulator;
  EXPECT_EQ(Get(emulator, "/metadata/identity/getplatformmetadata").Status, 400U);
  EXPECT_EQ(Get(emulator, "/metadata/identity/getplatformmetadata?cred-api-version=1.0").Status, 400U);
  EXPECT_EQ(Get(emulator, "/metadata/identity/issuecredential?cred-api-version=2.0").Status, 405U);
  EXPECT_EQ(Get(emulator, "/metadata/instance?api-version=2021-02-01").Status, 404U);
}

TEST(Imds, IdentitySelectors) {
  EmulatorProcess const emulator;
  auto const user = emulator.Identity("user-2");
  for (std::string const selector : {"client_id", "object_id", "mi_res_id"}) {
    auto const value = user.at(selector == "mi_res_id" ? "msi_res_id" : selector).get<std::string>();
    auto const answer = Get(emulator, std::string(MetadataTarget) + "&" + selector + "=" + value);
    EXPECT_EQ(json::parse(answer.Body).at("clientId"), user.at("client_id")) << selector;
  }
  auto const clientId = user.at("client_id").get<std::string>();
  auto const unknown = Get(emulator, std::string(MetadataTarget) + "&client_id=unknown");
  EXPECT_EQ(unknown.Status, 400U);
  EXPECT_EQ(ErrorText(unknown), "Identity not found");
  EXPECT_EQ(Get(emulator, std::string(MetadataTarget) + "&client_id=" + clientId + "&object_id=x").Status, 400U);
}

TEST(Imds, ResourceIdHasAnotherNameInEachVersion) {
  EmulatorProcess const emulator;
  auto const id = emulator.Identity("user-2").at("msi_res_id").get<std::string>();
  auto const refused = Get(emulator, std::string(MetadataTarget) + "&msi_res_id=" + id);
  EXPECT_EQ(refused.Status, 400U);
  EXPECT_NE(ErrorText(refused).find("Unsupported query variables"), std::string::npos);
  std::string const v1 = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net";
  EXPECT_EQ(Get(emulator, v1 + "&msi_res_id=" + id).Status, 200U);
  EXPECT_EQ(Get(emulator, v1 + "&mi_res_id=" + id).Status, 400U);
}

TEST(Imds, ResourceIdOfVersion2CanHaveItsOldName) {
  EmulatorProcess const emulator({"--resource-id-name", "msi_res_id"});
  auto const id = emulator.Identity("user-2").at("msi_res_id").get<std::string>();
  EXPECT_EQ(Get(emulator, std::string(MetadataTarget) + "&msi_res_id=" + id).Status, 200U);
  EXPECT_EQ(Get(emulator, std::string(MetadataTarget) + "&mi_res_id=" + id).Status, 400U);
}

TEST(Imds, ComputeMetadataSaysTheRegion) {
  EmulatorProcess const emulator({"--region", "eastus2"});
  auto const answer = Get(emulator, "/metadata/instance/compute?api-version=2021-02-01");
  ASSERT_EQ(answer.Status, 200U);
  EXPECT_EQ(json::parse(answer.Body).at("location"), "eastus2");
  EXPECT_EQ(Get(emulator, "/metadata/instance/compute").Status, 400U);
}

TEST(Imds, V1HasNoBindingEndpoints) {
  EmulatorProcess const emulator({"--imds", "v1"});
  EXPECT_EQ(Get(emulator, MetadataTarget).Status, 404U);
  auto const answer =
      Get(emulator, "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net");
  ASSERT_EQ(answer.Status, 200U);
  auto const body = json::parse(answer.Body);
  EXPECT_EQ(body.at("token_type"), "Bearer");
  EXPECT_FALSE(ClaimsOf(body.at("access_token")).contains("cnf"));
  EXPECT_EQ(ClaimsOf(body.at("access_token")).at("aud"), "https://vault.azure.net");
}

TEST(Imds, ThrottleCountsRefusedRequestsToo) {
  EmulatorProcess const emulator({"--throttle", "2/3600"});
  EXPECT_EQ(Get(emulator, MetadataTarget).Status, 200U);
  EXPECT_EQ(Get(emulator, MetadataTarget).Status, 200U);
  EXPECT_EQ(Get(emulator, MetadataTarget).Status, 429U);
  EXPECT_EQ(Get(emulator, MetadataTarget).Status, 429U);
}

TEST(Imds, CuIdMembersCanBeLeftOut) {
  for (char const* const member : {"vmId", "vmssId"}) {
    EmulatorProcess emulator({"--cu-id", member});
    EmulatedApp app(emulator);
    EXPECT_EQ(json::parse(app.Metadata().Body).at("cuId").size(), 1U);
    EXPECT_NE(app.Bind().Certificate, nullptr);
  }
}

TEST(Imds, CertificateLifetimeIsAnOption) {
  EmulatorProcess emulator({"--certificate-lifetime", "8s"});
  EmulatedApp app(emulator);
  auto const* const certificate = app.Bind().Certificate.get();
  int days = 0;
  int seconds = 0;
  ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(certificate), X509_get0_notAfter(certificate));
  EXPECT_EQ(days, 0);
  EXPECT_EQ(seconds, 8);
}

TEST(Imds, EndpointNameIsAnOption) {
  EmulatorProcess emulator({"--sts-endpoint-name", "westeurope.mtlsauth.microsoft.com"});
  EmulatedApp app(emulator);
  auto const key = MakeRsaKey();
  auto const answer = app.IssueCredential(MakeRequest(key.get(), app.GoodRequest()));
  EXPECT_EQ(json::parse(answer.Body).at("mtls_authentication_endpoint"), "https://westeurope.mtlsauth.microsoft.com");
}

std::string AttestAs(std::string const& strength, EmulatorProcess& emulator, EmulatedApp& app, EVP_PKEY* key) {
  TestConnection connection(emulator.Authority("attestation"), app.Tls(nullptr));
  CallRequest request{"POST", "/attest/" + strength, {{"Content-Type", "application/json"}}, {}};
  request.Body = json({{"public_key", PublicKeyBase64(key)}, {"client_id", app.ClientId()}}).dump();
  return json::parse(connection.Call(request).Body).at("token");
}

class Attestation : public testing::Test {
 protected:
  std::string Attest(EVP_PKEY* key) { return AttestAs("keyguard", _emulator, _app, key); }

  CallAnswer Issue(std::string const& attestation) {
    return _app.IssueCredential(MakeRequest(_key.get(), _app.GoodRequest()), attestation);
  }

  EmulatorProcess _emulator{{"--require-attestation", "--attestation-lifetime", "1h"}};
  EmulatedApp _app{_emulator};
  KeyPtr _key = MakeRsaKey();
};

TEST_F(Attestation, GoodOneIsAccepted) { EXPECT_EQ(Issue(Attest(_key.get())).Status, 200U); }

TEST_F(Attestation, MissingOneIsRefused) {
  auto const answer = Issue({});
  EXPECT_EQ(answer.Status, 400U);
  EXPECT_EQ(ErrorText(answer), "attestation_token: is required");
}

TEST_F(Attestation, OneForAnotherKeyIsRefused) {
  auto const answer = Issue(Attest(MakeRsaKey().get()));
  EXPECT_EQ(answer.Status, 400U);
  EXPECT_NE(ErrorText(answer).find("another key"), std::string::npos);
}

TEST_F(Attestation, ExpiredOneIsRefused) {
  auto const token = Attest(_key.get());
  _emulator.Control("POST", "/emulator/clock", {{"advance_seconds", 3600}});
  auto const answer = Issue(token);
  EXPECT_EQ(answer.Status, 400U);
  EXPECT_NE(ErrorText(answer).find("expired"), std::string::npos);
}

TEST_F(Attestation, ForgedOneIsRefused) {
  EXPECT_EQ(Issue("a.b.c").Status, 400U);
  auto token = Attest(_key.get());
  token[token.size() - 20] = token[token.size() - 20] == 'A' ? 'B' : 'A';
  EXPECT_EQ(Issue(token).Status, 400U);
}

TEST(AttestationOption, AcceptsByStrength) {
  for (std::string const accepted : {"software", "hardware", "keyguard"}) {
    EmulatorProcess emulator({"--accept", accepted});
    EmulatedApp app(emulator);
    auto const key = MakeRsaKey();
    auto const issue = [&](std::string const& attestation) {
      return app.IssueCredential(MakeRequest(key.get(), app.GoodRequest()), attestation).Status;
    };
    EXPECT_EQ(issue({}), accepted == "software" ? 200U : 400U);
    EXPECT_EQ(issue(AttestAs("hardware", emulator, app, key.get())), accepted == "keyguard" ? 400U : 200U);
    EXPECT_EQ(issue(AttestAs("keyguard", emulator, app, key.get())), 200U);
  }
}

TEST(AttestationOption, SoftwareKeysCanBeRefused) {
  EmulatorProcess emulator({"--accept", "keyguard"});
  EmulatedApp app(emulator);
  auto const key = MakeRsaKey();
  auto const answer = app.IssueCredential(MakeRequest(key.get(), app.GoodRequest()));
  EXPECT_EQ(answer.Status, 400U);
  EXPECT_NE(ErrorText(answer).find("KeyGuard"), std::string::npos);
}

}  // namespace
}  // namespace emulator_test
