// Where the key of an identity can be, as options say it: PKCS#12, a TPM, a PKCS#11 token.
#include <gmock/gmock.h>

#include <cstdlib>

#include "command_process.hpp"
#include "credential/own_app.hpp"
#include "keys/signing.hpp"
#include "keys/software_token.hpp"
#include "keys/software_tpm.hpp"
#include "mtlspop/pkcs11/pkcs11_key.hpp"
#include "mtlspop/tpm/tpm_key.hpp"
#include "support/temporary_directory.hpp"

namespace mtlspop::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::IsEmpty;

class KeyOptionsTest : public CommandTest {
 protected:
  static constexpr char const* App = "11111111-2222-3333-4444-555555555555";
  static constexpr char const* Tenant = "72f988bf-86f1-41af-91ab-2d7cd011db47";

  /// Makes an application's certificate known.
  void Register(std::string const& certificate) const {
    emulator_.Control(
        "apps", {{"client_id", App}, {"tenant_id", Tenant}, {"certificate_pem", certificate}, {"vault_access", true}});
  }
  /// Reads a secret with these options, and shows no other.
  CommandResult Read(std::vector<std::string> options, std::vector<std::string> const& more = {}) const {
    options.insert(options.begin(), {"get", "-f", "-v", VaultUrl()});
    auto environment = Environment();
    environment.insert(environment.end(), more.begin(), more.end());
    auto result = RunCommand({std::move(options), std::move(environment), {}});
    EXPECT_THAT(SecretsIn(result.Error), IsEmpty());
    return result;
  }
  CommandResult ReadAsApp(std::vector<std::string> options, std::vector<std::string> const& more = {}) const {
    options.insert(options.end(), {"--tenant", Tenant, "--client-id", App});
    return Read(std::move(options), more);
  }
};

class TpmOptionsTest : public KeyOptionsTest {};
class Pkcs11OptionsTest : public KeyOptionsTest {};
class Pkcs12OptionsTest : public KeyOptionsTest {};

TEST_F(Pkcs12OptionsTest, CertificateInAFile) {
  TestCertificateAuthority authority;
  auto const certificate = authority.IssueForClient("app", KeyKind::Rsa2048);
  Register(certificate.CertificatePem);
  TemporaryDirectory const folder;
  auto const file = folder.PathOf("app.p12");
  RunProgram(
      {"/usr/bin/openssl", "pkcs12", "-export", "-in", certificate.CombinedPath, "-out", file, "-passout",
       "pass:sesame"},
      {});
  auto const password = folder.WriteFile("password", "sesame\n");
  auto const result = ReadAsApp({"--cert", file, "--cert-password-file", password});
  EXPECT_EQ(result.Status, 0) << result.Error;
  auto const wrong = ReadAsApp({"--cert", file, "--cert-password-file", folder.WriteFile("wrong", "open\n")});
  EXPECT_EQ(wrong.Status, 58) << wrong.Error;
  EXPECT_THAT(wrong.Error, HasSubstr("client_certificate_unusable"));
}

TEST_F(TpmOptionsTest, CertificateWithItsKey) {
  SoftwareTpm const tpm;
  TpmKeyProviderOptions options;
  options.Tcti = tpm.Tcti();
  options.PersistentHandle = 0x81010007;
  MakeTpmKeyProvider(options)->GetOrCreateKey({}, {});
  TemporaryDirectory const folder;
  auto certificate = IssueFor(OpenTpmKey(options, "0x81010007").get().get());
  Register(certificate);
  auto const chain = folder.WriteFile("app.pem", certificate);
  auto const tcti = "TPM2TOOLS_TCTI=" + tpm.Tcti();
  auto const result = ReadAsApp({"--cert", "tpm:0x81010007", "--cert-chain", chain}, {tcti});
  EXPECT_EQ(result.Status, 0) << result.Error;
  EXPECT_EQ(ReadAsApp({"--cert", "tpm:0x81010008", "--cert-chain", chain}, {tcti}).Status, 58);

  options.PersistentHandle = 0;
  auto const key = MakeTpmKeyProvider(options)->GetOrCreateKey({}, {})->Reference();
  certificate = IssueFor(OpenTpmKey(options, key).get().get());
  Register(certificate);
  auto const inFile = ReadAsApp(
      {"--cert", "tpm:" + folder.WriteFile("key.tss", key), "--cert-chain", folder.WriteFile("other.pem", certificate)},
      {tcti});
  EXPECT_EQ(inFile.Status, 0) << inFile.Error;
}

TEST_F(TpmOptionsTest, ManagedIdentityWithItsKey) {
  SoftwareTpm const tpm;
  auto const tcti = "TPM2TOOLS_TCTI=" + tpm.Tcti();
  EXPECT_EQ(Read({"--key", "tpm"}, {tcti}).Status, 0);
  EXPECT_EQ(Read({"--key", "tpm:0x81010042", "--min-strength", "hardware"}, {tcti}).Status, 0);
  EXPECT_EQ(Read({"--key", "software", "--min-strength", "hardware"}).Status, 103);
}

TEST_F(Pkcs11OptionsTest, CertificateAndKeys) {
  SoftwareToken const token{"command"};
  std::string const configuration = std::string{"SOFTHSM2_CONF="} + std::getenv("SOFTHSM2_CONF");
  token.Tool({"--keypairgen", "--key-type", "rsa:2048", "--label", "app", "--id", "0a0b", "--usage-sign"});
  auto const managed = Read({"--key", token.Uri("app")}, {configuration});
  EXPECT_EQ(managed.Status, 0) << managed.Error;
  EXPECT_EQ(Read({"--key", token.Uri("missing")}, {configuration}).Status, 58);

  Pkcs11Options options;
  options.Uri = token.Uri("app");
  auto const certificate = IssueFor(OpenPkcs11Key(options).get().get());
  Register(certificate);
  RunProgram(
      {"/usr/bin/openssl", "x509", "-in", token.Folder().WriteFile("app.pem", certificate), "-outform", "DER", "-out",
       token.PathOf("app.der")},
      {});
  token.Tool({"--write-object", token.PathOf("app.der"), "--type", "cert", "--label", "app", "--id", "0a0b"});
  auto uri = token.Uri("app");
  EXPECT_EQ(ReadAsApp({"--cert", uri}, {configuration}).Status, 0);
  // The PIN in a file of its own, and not in the URI.
  uri.erase(uri.find("&pin-source"));
  auto const pin = token.Folder().WriteFile("own-pin", std::string{SoftwareToken::Pin} + "\n");
  auto const opened = ReadAsApp({"--cert", uri, "--cert-password-file", pin}, {configuration});
  EXPECT_EQ(opened.Status, 0) << opened.Error;

  auto environment = Environment();
  environment.push_back(configuration);
  auto const report = json::parse(RunCommand({{"doctor", "--json", "--key", token.Uri("app")}, environment, {}}).Out);
  for (auto const& step : report.at("steps")) {
    if (step.at("step") == "key_pkcs11") {
      EXPECT_EQ(step.at("facts").at("strength"), "hardware") << step;
    }
  }
}

}  // namespace
}  // namespace mtlspop::test
