// What users get wrong and what machines lack: each ends with its own status and a sentence on standard error, and nothing
// on standard output.
#include <gmock/gmock.h>

#include <ostream>

#include "command_process.hpp"
#include "credential/own_app.hpp"
#include "support/temporary_directory.hpp"

namespace mtlspop::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

struct Mistake {
  std::string Name;
  std::vector<std::string> Arguments;
  int Status;
  std::string Says;
};

std::ostream& operator<<(std::ostream& stream, Mistake const& mistake) { return stream << mistake.Name; }

class MistakeTest : public testing::TestWithParam<Mistake> {};

TEST_P(MistakeTest, EndsWithItsStatusAndASentence) {
  // No emulator: nothing of this gets as far as that.
  auto const result = RunCommand({GetParam().Arguments, {"AZURE_POD_IDENTITY_AUTHORITY_HOST=http://127.0.0.1:1"}, {}});
  EXPECT_EQ(result.Status, GetParam().Status) << result.Error;
  EXPECT_THAT(result.Error, HasSubstr(GetParam().Says));
  EXPECT_THAT(result.Error, testing::StartsWith("mtlspop: "));
  EXPECT_THAT(result.Out, IsEmpty());
}

constexpr char const* Vault = "https://contoso.vault.azure.net";

INSTANTIATE_TEST_SUITE_P(
    Table,
    MistakeTest,
    testing::Values(
        Mistake{"NoCommand", {}, 2, "subcommand is required"},
        Mistake{"UnknownCommand", {"fetch", Vault}, 2, "fetch"},
        Mistake{"UnknownOption", {"get", "--insecure", Vault}, 2, "--insecure"},
        Mistake{"NoUrl", {"get"}, 2, "url"},
        Mistake{"TwoUrls", {"get", Vault, "https://another.vault.azure.net"}, 2, "another.vault.azure.net"},
        Mistake{"UnknownBinding", {"get", "--binding", "maybe", Vault}, 2, "maybe"},
        Mistake{"NegativeTime", {"get", "-m", "-1", Vault}, 2, "max-time"},
        Mistake{"TimeThatIsNoNumber", {"get", "-m", "soon", Vault}, 2, "soon"},
        Mistake{"TwoBodies", {"get", "-d", "a", "-T", "b", Vault}, 2, "excludes"},
        Mistake{"PlainHttp", {"get", "http://contoso.vault.azure.net"}, 2, "not https"},
        Mistake{"MalformedUrl", {"get", "https://contoso:99999/"}, 3, "url_malformed"},
        Mistake{"UserInUrl", {"get", "https://me:password@contoso.vault.azure.net/"}, 3, "url_malformed"},
        Mistake{"OwnAuthorization", {"get", "-H", "Authorization: Bearer x", Vault}, 2, "is the token's"},
        Mistake{"HeaderWithoutColon", {"get", "-H", "nonsense", Vault}, 2, "no header field"},
        Mistake{"OwnLength", {"get", "-H", "Content-Length: 5", Vault}, 2, "Content-Length"},
        Mistake{"UnknownIdentity", {"get", "--identity", "me", Vault}, 2, "no managed identity"},
        Mistake{"EmptyIdentity", {"get", "--identity", "client_id=", Vault}, 2, "invalid_argument"},
        Mistake{"ClientWithoutCertificate", {"get", "--client-id", "x", Vault}, 2, "--identity client_id"},
        Mistake{"CertificateWithoutTenant", {"get", "--cert", "/x.pem", Vault}, 2, "--tenant"},
        Mistake{
            "AssertionWithoutCertificate",
            {"get", "--assertion-file", "/x", "--tenant", "t", "--client-id", "c", Vault},
            2,
            "--cert"},
        Mistake{
            "MissingCertificate",
            {"get", "--cert", "/nowhere.pem", "--tenant", "t", "--client-id", "c", Vault},
            58,
            "/nowhere.pem"},
        Mistake{
            "TpmWithoutChain",
            {"get", "--cert", "tpm:0x81010001", "--tenant", "t", "--client-id", "c", Vault},
            2,
            "--cert-chain"},
        Mistake{"UnknownKey", {"get", "--key", "vault", Vault}, 2, "no place for a key"},
        Mistake{"HandleOutOfRange", {"get", "--key", "tpm:0x42", Vault}, 2, "persistent handle"},
        Mistake{"MissingAuthorities", {"get", "--cacert", "/nowhere.pem", Vault}, 77, "/nowhere.pem"},
        Mistake{"HalfAConnectTo", {"get", "--connect-to", "a:1:b", Vault}, 2, "HOST1:PORT1:HOST2:PORT2"},
        Mistake{"MissingConfiguration", {"get", "--config", "/nowhere.conf", Vault}, 2, "/nowhere.conf"},
        Mistake{"MissingData", {"get", "-d", "@/nowhere", Vault}, 26, "/nowhere"},
        Mistake{"MissingUpload", {"get", "-T", "/nowhere", Vault}, 26, "/nowhere"},
        Mistake{"UploadOfAFolder", {"get", "-T", "/", Vault}, 26, "folder"},
        Mistake{
            "MissingPassword",
            {"get", "--cert", "/x.p12", "--cert-password-file", "/nowhere", "--tenant", "t", "--client-id", "c", Vault},
            26,
            "/nowhere"},
        Mistake{"NoMetadataService", {"get", Vault}, 101, "imds_not_reachable"},
        Mistake{"NoMetadataServiceForToken", {"token", Vault}, 101, "imds_not_reachable"},
        Mistake{"TokenForNothing", {"token"}, 105, "--resource"},
        Mistake{"TokenForUnknownHost", {"token", "https://example.org"}, 105, "--resource"}),
    [](auto const& mistake) { return mistake.param.Name; });

using MachineMistakeTest = CommandTest;

TEST_F(MachineMistakeTest, ConfigurationWithUnknownEntry) {
  TemporaryDirectory const folder;
  auto const result = Run({"get", "-K", folder.WriteFile("a.conf", "bindng = \"none\"\n"), VaultUrl()});
  EXPECT_EQ(result.Status, 2);
  EXPECT_THAT(result.Error, HasSubstr("bindng"));
  EXPECT_EQ(Run({"get", "-K", folder.WriteFile("b.conf", "[get]\nunknown = 1\n"), VaultUrl()}).Status, 2);
  EXPECT_EQ(Run({"get", "-K", folder.WriteFile("c.conf", "[unknown]\ninclude = true\n"), VaultUrl()}).Status, 2);
  EXPECT_THAT(emulator_.Log(), IsEmpty()) << "nothing is sent by a command that was misunderstood";
}

TEST_F(MachineMistakeTest, CertificateThatTheServiceDoesNotKnow) {
  OwnApp app{emulator_};
  auto const other = app.Write(app.Authority.IssueForClient("other", KeyKind::Rsa2048));
  auto const result =
      Run({"get", "--cert", other, "--tenant", app.TenantId, "--client-id", app.ClientId, "--retry", "0", VaultUrl()});
  EXPECT_EQ(result.Status, 104) << result.Error;
  EXPECT_THAT(result.Out, IsEmpty());
}

TEST_F(MachineMistakeTest, ServerThatNobodyVouchesFor) {
  TestCertificateAuthority const other;
  auto const result =
      Run({"get", "--cacert", other.CertificatePath(), "--resource", "https://vault.azure.net", VaultUrl()});
  EXPECT_EQ(result.Status, 104) << result.Error;
  EXPECT_THAT(result.Error, AllOf(HasSubstr("server_certificate_rejected"), HasSubstr("--cacert")));
}

TEST_F(MachineMistakeTest, ProxyThatNobodyKnows) {
  // The token comes from the metadata service, and what leads to the emulator goes past every proxy.
  auto const result = Run(
      {"get", "--binding", "none", "--retry", "0", "--resource", "https://vault.azure.net", "-x",
       "http://proxy.invalid:3128", "https://elsewhere.example/"});
  EXPECT_EQ(result.Status, 6) << result.Error;
  EXPECT_THAT(result.Error, AllOf(HasSubstr("name_resolution_failed"), HasSubstr("The proxy proxy.invalid:3128")));
}

TEST_F(MachineMistakeTest, OutputThatCannotBeWritten) {
  EXPECT_EQ(Run({"get", "-o", "/nowhere/x", VaultUrl()}).Status, 23);
  EXPECT_EQ(Run({"get", "-o", "/dev/full", BlobUrl("/generated/100000")}).Status, 23);
}

TEST_F(MachineMistakeTest, TimeThatIsOver) {
  emulator_.ArmFault({{"path", "/secrets"}, {"fault", {{"hold", true}}}});
  auto const result = Run({"get", "-m", "0.5", VaultUrl()});
  EXPECT_EQ(result.Status, 28) << result.Error;
}

TEST_F(MachineMistakeTest, Redirect) {
  emulator_.ArmFault(
      {{"path", "/secrets"}, {"fault", {{"status", 302}, {"headers", {{"Location", "https://a.example"}}}}}});
  auto const result = Run({"get", VaultUrl()});
  EXPECT_EQ(result.Status, 47) << result.Error;
}

}  // namespace
}  // namespace mtlspop::test
