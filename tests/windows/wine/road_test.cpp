// ManagedIdentityCredential on Windows, without OpenSSL, from nothing to the secret.

#include <array>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "container_keys.hpp"
#include "crypto.hpp"
#include "emulator.hpp"
#include "mtlspop/credential/client_certificate_credential.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/credential/managed_identity_credential.hpp"
#include "mtlspop/credential/verify_binding.hpp"
#include "mtlspop/credential/windows.hpp"
#include "wine.hpp"

namespace mtlspop::windows_tests {
namespace {

using testing::HasSubstr;

class RoadTest : public testing::Test {
 protected:
  ManagedIdentityCredentialOptions Options() const {
    ManagedIdentityCredentialOptions options;
    options.ImdsEndpoint = emulator_.Endpoint("imds");
    options.Keys = MakeContainerKeyProvider();
    options.Transport = transport_;
    return options;
  }

  static Context InTime() { return Context{}.WithTimeout(std::chrono::seconds{60}); }

  static TokenRequest VaultScope() {
    TokenRequest request;
    request.Scopes = {"https://vault.azure.net/.default"};
    return request;
  }

  Answer ReadSecret(AccessToken const& token, std::shared_ptr<BindingCertificate const> const& binding) const {
    Headers fields;
    fields.Set("Authorization", binding ? token.AuthorizationHeader() : "Bearer " + std::string{token.Token.Reveal()});
    if (binding) fields.Set("x-ms-tokenboundauth", "true");
    return Get(
        *transport_, "https://" + emulator_.Endpoint("vault_host") + "/secrets/boundsecret?api-version=7.4", fields,
        binding);
  }

  ErrorDetails FailureOf(ManagedIdentityCredentialOptions const& options) const {
    try {
      ManagedIdentityCredential{options}.GetToken(VaultScope(), InTime());
    } catch (Error const& error) {
      return error.Details();
    }
    ADD_FAILURE() << "there was a token";
    return ErrorDetails{ErrorCode{"none"}, {}, {}};
  }

  Emulator emulator_;
  std::shared_ptr<HttpTransport> transport_ = emulator_.MakeTransport().get();
};

TEST_F(RoadTest, ABoundTokenReadsTheSecretOnItsOwnCertificatesConnection) {
  ManagedIdentityCredential credential{Options()};
  auto const token = credential.GetToken(VaultScope(), InTime());
  EXPECT_EQ(token.Type, TokenType::MtlsPop);
  EXPECT_NO_THROW(VerifyBinding(token.Token, *token.Binding));
  EXPECT_EQ(ReadSecret(token, token.Binding).Status, 200);
  auto const log = emulator_.Log("vault");
  EXPECT_EQ(log.back().at("x5t_s256"), token.Binding->X5tS256());
  EXPECT_EQ(log.back().at("tls_version"), "TLSv1.2");
  EXPECT_EQ(credential.GetToken(VaultScope(), InTime()).Source, TokenSource::Cache);
}

TEST_F(RoadTest, TheThiefIsRefused) {
  ManagedIdentityCredential credential{Options()};
  auto const token = credential.GetToken(VaultScope(), InTime());
  EXPECT_EQ(ReadSecret(token, token.Binding).Status, 200) << "leaves a connection of the rightful owner behind";
  auto const bare = ReadSecret(token, nullptr);
  EXPECT_EQ(bare.Status, 401);
  EXPECT_THAT(bare.Body, HasSubstr("MissingClientCertificate"));
  ManagedIdentityCredential another{Options()};
  auto const other = another.GetToken(VaultScope(), InTime());
  EXPECT_EQ(ReadSecret(token, other.Binding).Status, 401);
}

/// Wine's WinHTTP shares connections between sessions. That none ever carries a request of another certificate is the
/// transport's own doing.
TEST_F(RoadTest, RequestsOfManyBindingsInTurnNeverMeetEachOthersConnections) {
  std::vector<AccessToken> tokens;
  for (int count = 0; count < 3; ++count) {
    tokens.push_back(ManagedIdentityCredential{Options()}.GetToken(VaultScope(), InTime()));
  }
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (auto const& token : tokens) {
    threads.emplace_back([&] {
      for (int count = 0; count < 10; ++count) {
        good += ReadSecret(token, token.Binding).Status == 200 ? 1 : 0;
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(good, 30);
  int requests = 0;
  for (auto const& entry : emulator_.Log("vault")) {
    EXPECT_FALSE(entry.at("mismatch").get<bool>()) << entry.dump();
    requests += entry.at("method") == "GET" ? 1 : 0;
  }
  EXPECT_EQ(requests, 30);
}

TEST_F(RoadTest, ManyCallersCauseOneCertificateAndOneToken) {
  ManagedIdentityCredential credential{Options()};
  std::vector<std::thread> threads;
  for (int count = 0; count < 16; ++count) {
    threads.emplace_back([&] { EXPECT_TRUE(credential.GetToken(VaultScope(), InTime()).Binding); });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(emulator_.Log("imds").size(), 3U) << "the probe, platform metadata and issue credential";
  EXPECT_EQ(emulator_.Log("sts").size(), 1U);
}

TEST_F(RoadTest, AWeakerKeyThanAskedForIsRefusedBeforeAnythingIsSent) {
  auto options = Options();
  options.MinimumStrength = KeyStrength::KeyGuard;
  EXPECT_EQ(FailureOf(options).Code, errors::MinimumStrengthNotAvailable);
  EXPECT_TRUE(emulator_.Log("imds").empty());
}

TEST_F(RoadTest, AttestationWithoutTheLibraryFailsBeforeAnythingIsSent) {
  auto options = Options();
  options.Attest = true;
  EXPECT_EQ(FailureOf(options).Code, errors::AttestationFailed);
  EXPECT_TRUE(emulator_.Log("imds").empty());
}

TEST_F(RoadTest, TheStoreOfTheUserDoesNotStandInTheWay) {
  auto options = Options();
  options.Store = windows::MakeCertificateStoreBindingStore().get();
  ManagedIdentityCredential credential{options};
  auto const token = credential.GetToken(VaultScope(), InTime());
  EXPECT_EQ(ReadSecret(token, token.Binding).Status, 200);
}

/// The file is made by run.sh with the openssl command.
TEST_F(RoadTest, AnAppWithAPkcs12FileOfItsOwnGetsABoundToken) {
  char const* const file = std::getenv("MTLSPOP_TEST_PKCS12");
  ASSERT_NE(file, nullptr) << "run tests/windows/run.sh";
  ClientCertificateCredentialOptions options;
  options.ClientId = "6a1c1f3e-55f1-4a6c-9a53-2f1d3c8e7b10";
  options.TenantId = emulator_.Startup().at("identities").at(0).at("tenant_id").get<std::string>();
  options.Region = "westeurope";
  options.CertificatePath = (IsWine() ? "Z:" : "") + std::string{file};
  options.Password = Secret{std::string_view{"correct horse"}};
  options.Transport = transport_;
  std::ifstream stream{options.CertificatePath, std::ios::binary};
  std::string const content{std::istreambuf_iterator<char>{stream}, std::istreambuf_iterator<char>{}};
  auto const certificate = crypto::ParseClientCertificate(
      Secret{std::string_view{content}}, options.Password, options.CertificatePath, std::chrono::system_clock::now());
  emulator_.Register(
      {{"client_id", options.ClientId},
       {"tenant_id", options.TenantId},
       {"certificate_pem", certificate->ToPem()},
       {"vault_access", true}});

  ClientCertificateCredential credential{options};
  auto const token = credential.GetToken(VaultScope(), InTime());
  EXPECT_EQ(token.Binding->X5tS256(), certificate->X5tS256());
  EXPECT_EQ(ReadSecret(token, token.Binding).Status, 200);
  EXPECT_EQ(ReadSecret(token, nullptr).Status, 401);
}

/// The names of the user's key containers.
std::set<std::string> KeyContainers() {
  std::set<std::string> names;
  HCRYPTPROV provider = 0;
  CryptAcquireContextW(&provider, nullptr, MS_ENH_RSA_AES_PROV_W, PROV_RSA_AES, CRYPT_VERIFYCONTEXT);
  std::array<BYTE, 1024> name{};
  auto bytes = static_cast<DWORD>(name.size());
  for (DWORD flags = CRYPT_FIRST; CryptGetProvParam(provider, PP_ENUMCONTAINERS, name.data(), &bytes, flags) != FALSE;
       flags = CRYPT_NEXT) {
    names.emplace(reinterpret_cast<char const*>(name.data()));
    bytes = static_cast<DWORD>(name.size());
  }
  CryptReleaseContext(provider, 0);
  return names;
}

TEST_F(RoadTest, APkcs12FileThatIsRefusedLeavesNoKeyBehind) {
  char const* const file = std::getenv("MTLSPOP_TEST_SERVER_PKCS12");
  ASSERT_NE(file, nullptr) << "run tests/windows/run.sh";
  std::ifstream stream{(IsWine() ? "Z:" : "") + std::string{file}, std::ios::binary};
  std::string const content{std::istreambuf_iterator<char>{stream}, std::istreambuf_iterator<char>{}};
  auto const before = KeyContainers();
  try {
    crypto::ParseClientCertificate(
        Secret{std::string_view{content}}, Secret{std::string_view{"correct horse"}}, "server.p12",
        std::chrono::system_clock::now());
    ADD_FAILURE() << "a certificate for servers was taken";
  } catch (Error const& error) {
    EXPECT_EQ(error.Code(), errors::ClientCertificateUnusable);
    EXPECT_THAT(DescribeWithCauses(error), HasSubstr("extended key usage"));
  }
  EXPECT_EQ(KeyContainers(), before);
}

TEST_F(RoadTest, APkcs12FileWithAnotherPasswordIsRefused) {
  char const* const file = std::getenv("MTLSPOP_TEST_PKCS12");
  ASSERT_NE(file, nullptr) << "run tests/windows/run.sh";
  ClientCertificateCredentialOptions options;
  options.ClientId = "6a1c1f3e-55f1-4a6c-9a53-2f1d3c8e7b10";
  options.TenantId = "tenant";
  options.CertificatePath = (IsWine() ? "Z:" : "") + std::string{file};
  options.Password = Secret{std::string_view{"wrong"}};
  options.Transport = transport_;
  try {
    ClientCertificateCredential{options}.GetToken(VaultScope(), InTime());
    ADD_FAILURE() << "there was a token";
  } catch (Error const& error) {
    EXPECT_EQ(error.Code(), errors::ClientCertificateUnusable);
  }
}

TEST_F(RoadTest, CapabilitiesSayWhatThisMachineCanDo) {
  auto options = Options();
  options.Keys = nullptr;
  auto const capabilities = GetManagedIdentityCapabilities(options, InTime());
  EXPECT_EQ(capabilities.Source, ManagedIdentitySource::ImdsV2);
  if (IsWine()) {
    // It isolates nothing. It opens a provider of any name, that of a TPM included, which is its software provider under
    // another name; but that one does not say that it is hardware.
    EXPECT_EQ(capabilities.HighestStrength, KeyStrength::Software);
  } else {
    EXPECT_GE(capabilities.HighestStrength, KeyStrength::Software);
  }
}

}  // namespace
}  // namespace mtlspop::windows_tests
