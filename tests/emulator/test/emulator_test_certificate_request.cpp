// Contract, section 3: the certificate request, wrong in one way at a time.
#include <gtest/gtest.h>

#include <functional>

#include "emulated_app.hpp"

namespace emulator_test {
namespace {

using nlohmann::json;

struct WrongRequest {
  char const* What;
  std::function<void(RequestShape&)> Spoil;
  char const* Complaint;
};

void WriteAsJava(RequestShape& shape) {
  shape.DomainFirst = false;
  shape.CommonNameType = V_ASN1_UTF8STRING;
  shape.NullParameters = true;
}

std::vector<WrongRequest> const wrongRequests = {
    {"version", [](RequestShape& s) { s.Version = 1; }, "version:"},
    {"client id", [](RequestShape& s) { s.CommonName = "someone"; }, "subject: CN is"},
    {"tenant", [](RequestShape& s) { s.DomainComponent = "elsewhere"; }, "subject: DC is"},
    {"a mixture of both forms", [](RequestShape& s) { s.DomainFirst = false; }, "signature: the parameter of SHA-256"},
    {"the other mixture", [](RequestShape& s) { s.NullParameters = true; }, "signature: the parameter of SHA-256"},
    {"type of CN", [](RequestShape& s) { s.CommonNameType = V_ASN1_UTF8STRING; }, "subject: CN is of string type"},
    {"type of DC", [](RequestShape& s) { s.DomainComponentType = V_ASN1_UTF8STRING; }, "subject: DC is of string type"},
    {"further subject part", [](RequestShape& s) { s.ExtraName = "Contoso"; }, "subject: has 3 parts"},
    {"PKCS#1 signature", [](RequestShape& s) { s.Pss = false; }, "signature: algorithm"},
    {"hash", [](RequestShape& s) { s.Digest = "SHA384"; }, "signature: the hash"},
    {"mask",
     [](RequestShape& s) {
       WriteAsJava(s);
       s.MaskDigest = "SHA384";
     },
     "signature: MGF1"},
    {"salt", [](RequestShape& s) { s.Salt = 20; }, "signature: the salt length"},
    {"spoilt signature", [](RequestShape& s) { s.SpoilSignature = true; }, "signature: does not verify"},
    {"no attribute", [](RequestShape& s) { s.Attributes = 0; }, "attributes: there are 0"},
    {"two attributes", [](RequestShape& s) { s.Attributes = 2; }, "attributes: there are 2"},
    {"OID", [](RequestShape& s) { s.AttributeOid = "1.3.6.1.4.1.311.90.2.11"; }, "attributes: the only one"},
    {"string type", [](RequestShape& s) { s.AttributeType = V_ASN1_IA5STRING; }, "attribute: its value is no UTF8"},
    {"cuId of another machine", [](RequestShape& s) { s.CuId[10] = 'x'; }, "attribute: its value is"},
    {"cuId not compact", [](RequestShape& s) { s.CuId.insert(1, " "); }, "attribute: its value is"},
};

class CertificateRequest : public testing::Test {
 protected:
  void ExpectRefused(std::string const& csr, std::string const& complaint, std::string const& what) {
    auto const answer = _app.IssueCredential(csr);
    EXPECT_EQ(answer.Status, 400U) << what;
    EXPECT_EQ(ErrorText(answer).compare(0, complaint.size(), complaint), 0) << what << ": " << ErrorText(answer);
  }

  EmulatorProcess _emulator;
  EmulatedApp _app{_emulator};
  RequestShape _good = _app.GoodRequest();
  KeyPtr _key = MakeRsaKey();
};

TEST_F(CertificateRequest, RightOneIsAnsweredWithACertificateForItsKey) {
  auto const answer = _app.IssueCredential(MakeRequest(_key.get(), _good));
  ASSERT_EQ(answer.Status, 200U) << answer.Body;
  EXPECT_NE(answer.Header("Server").find("IMDS"), std::string::npos);
  auto const body = json::parse(answer.Body);
  EXPECT_EQ(body.at("client_id"), _app.ClientId());
  EXPECT_EQ(body.at("tenant_id"), _app.TenantId());
  EXPECT_EQ(body.at("identity_type"), "SystemAssigned");
  EXPECT_EQ(body.at("mtls_authentication_endpoint"), _emulator.Startup().at("sts"));
  auto const certificate = ParseCertificate(body.at("certificate"));
  EXPECT_EQ(EVP_PKEY_eq(X509_get0_pubkey(certificate.get()), _key.get()), 1);
}

TEST_F(CertificateRequest, IsTakenInJavasFormToo) {
  auto shape = _good;
  WriteAsJava(shape);
  auto const answer = _app.IssueCredential(MakeRequest(_key.get(), shape));
  EXPECT_EQ(answer.Status, 200U) << answer.Body;
}

TEST_F(CertificateRequest, MayWriteTheTrailerFieldOut) {
  auto shape = _good;
  shape.TrailerField = true;
  auto const answer = _app.IssueCredential(MakeRequest(_key.get(), shape));
  EXPECT_EQ(answer.Status, 200U) << answer.Body;
}

TEST(CertificateRequestOption, StrictTakesNetsFormAlone) {
  EmulatorProcess emulator({"--strict", "net"});
  EmulatedApp app(emulator);
  auto const key = MakeRsaKey();
  auto shape = app.GoodRequest();
  EXPECT_EQ(app.IssueCredential(MakeRequest(key.get(), shape)).Status, 200U);
  shape.TrailerField = true;
  auto answer = app.IssueCredential(MakeRequest(key.get(), shape));
  EXPECT_EQ(answer.Status, 400U);
  EXPECT_NE(ErrorText(answer).find("the trailer field is written out"), std::string::npos) << ErrorText(answer);
  shape.TrailerField = false;
  WriteAsJava(shape);
  answer = app.IssueCredential(MakeRequest(key.get(), shape));
  EXPECT_EQ(answer.Status, 400U);
  EXPECT_NE(ErrorText(answer).find("DC does not come first"), std::string::npos) << ErrorText(answer);
}

TEST_F(CertificateRequest, EachFlawIsRefusedByName) {
  for (auto const& wrong : wrongRequests) {
    auto shape = _good;
    wrong.Spoil(shape);
    ExpectRefused(MakeRequest(_key.get(), shape), wrong.Complaint, wrong.What);
  }
}

TEST_F(CertificateRequest, OtherKeysAreRefused) {
  ExpectRefused(MakeRequest(MakeRsaKey(3072).get(), _good), "public key: RSA of 3072", "3072 bits");
  ExpectRefused(MakeRequest(MakeEcKey().get(), _good), "public key: algorithm", "EC");
  ExpectRefused(MakeRequest(MakePssKey().get(), _good), "public key: algorithm", "id-RSASSA-PSS key");
}

TEST_F(CertificateRequest, EncodingIsStrict) {
  auto const csr = MakeRequest(_key.get(), _good);
  ExpectRefused(csr.substr(0, 64) + "\n" + csr.substr(64), "csr: is not base64", "line break");
  ExpectRefused("-----BEGIN CERTIFICATE REQUEST-----" + csr, "csr: is not base64", "PEM");
  ExpectRefused(ToBase64(FromBase64(csr) + std::string(1, '\0')), "csr: bytes follow", "trailing byte");
  ExpectRefused(ToBase64("nonsense"), "csr: is not a PKCS#10", "nonsense");
  ExpectRefused("", "csr: is not a PKCS#10", "empty");
}

TEST_F(CertificateRequest, OfAnotherIdentityIsRefused) {
  EmulatedApp other(_emulator, "user-1");
  auto const answer = other.IssueCredential(MakeRequest(_key.get(), _good));
  EXPECT_EQ(answer.Status, 400U);
  EXPECT_NE(ErrorText(answer).find("subject: CN"), std::string::npos);
}

}  // namespace
}  // namespace emulator_test
