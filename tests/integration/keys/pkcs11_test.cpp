// Keys in a PKCS#11 token: SoftHSM, which Debian has.

#include <gmock/gmock.h>

#include <openssl/err.h>
#include <p11-kit/pkcs11.h>
#include <gsl/util>

#include "credential/emulator.hpp"
#include "mtlspop/credential/client_certificate_credential.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/pkcs11/pkcs11_key.hpp"
#include "signing.hpp"
#include "software_token.hpp"
#include "software_tpm.hpp"
#include "support/error_code_of.hpp"
#include "support/in_child.hpp"

namespace mtlspop::test {
namespace {

using testing::HasSubstr;

Pkcs11Options At(std::string uri) {
  Pkcs11Options options;
  options.Uri = std::move(uri);
  return options;
}

/// The text of the error and of its causes.
template <class Call>
std::string FailureOf(Call&& call) {
  try {
    call();
  } catch (std::exception const& error) {
    return DescribeWithCauses(error);
  }
  return "no error";
}

class Pkcs11Test : public testing::Test {
 protected:
  Pkcs11KeyProviderOptions MakingKeys(std::string uri) const {
    Pkcs11KeyProviderOptions options;
    options.Uri = std::move(uri);
    options.MakeKeys = true;
    return options;
  }
  void Make(std::string const& kind, std::string const& label, std::string const& id) const {
    token_.Tool({"--keypairgen", "--key-type", kind, "--label", label, "--id", id, "--usage-sign"});
  }

  // Each test has its own: what is cached of one must not help another.
  SoftwareToken const token_{
      std::string{"t"} +
      std::to_string(
          std::hash<std::string>{}(testing::UnitTest::GetInstance()->current_test_info()->name()) % 1'000'000)};
};

TEST_F(Pkcs11Test, MakesKeysAndFindsThem) {
  auto const provider = MakePkcs11KeyProvider(MakingKeys(token_.Uri("binding")));
  EXPECT_EQ(provider->HighestStrength(), KeyStrength::Hardware);
  auto const key = provider->GetOrCreateKey({}, {});
  EXPECT_EQ(key->Strength(), KeyStrength::Hardware);
  EXPECT_TRUE(Signs(*key));
  EXPECT_THAT(key->Reference(), HasSubstr("pkcs11:id=%"));
  EXPECT_THAT(key->Reference(), Not(HasSubstr("pin")));

  Pkcs11KeyProviderOptions finding;
  finding.Uri = token_.Uri("binding");
  auto const found = MakePkcs11KeyProvider(finding)->GetOrCreateKey({}, {});
  EXPECT_EQ(found->SubjectPublicKeyInfo(), key->SubjectPublicKeyInfo());
  EXPECT_TRUE(Signs(*found));
  auto const opened = MakePkcs11KeyProvider(finding)->OpenKey(key->Reference(), {});
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->SubjectPublicKeyInfo(), key->SubjectPublicKeyInfo());
  EXPECT_EQ(provider->OpenKey("0x81010001", {}), nullptr);

  KeyRequest refused;
  refused.ForceNew = true;
  refused.Refused = key->SubjectPublicKeyInfo();
  auto const next = provider->GetOrCreateKey(refused, {});
  EXPECT_NE(next->SubjectPublicKeyInfo(), key->SubjectPublicKeyInfo());
  EXPECT_EQ(provider->GetOrCreateKey(refused, {})->SubjectPublicKeyInfo(), next->SubjectPublicKeyInfo());
  EXPECT_EQ(ErrorCodeOf([&] { provider->OpenKey(key->Reference(), {}); }), "key_unavailable");
}

TEST_F(Pkcs11Test, SignsWithEveryKindOfKey) {
  Make("rsa:2048", "rsa", "01");
  Make("EC:prime256v1", "p256", "02");
  Make("EC:secp384r1", "p384", "03");
  for (auto const* label : {"rsa", "p256", "p384"}) {
    auto const key = OpenPkcs11Key(At(token_.Uri(label)));
    EXPECT_TRUE(Signs(key.get(), true)) << label;
    EXPECT_TRUE(Signs(key.get(), false)) << label;
  }
}

/// Older tokens pad nothing, and some have PKCS#1 v1.5 alone, which is good for RS256 and TLS 1.2.
TEST_F(Pkcs11Test, PadsWhereTheTokenDoesNot) {
  Make("rsa:2048", "key", "01");
  struct Case {
    bool LacksPss;
    bool LacksRaw;
    bool CanPss;
    unsigned long UsedForPss;
    unsigned long UsedForPkcs1;
  };
  for (auto const& token :
       {Case{false, false, true, CKM_RSA_PKCS_PSS, CKM_RSA_PKCS}, Case{true, false, true, CKM_RSA_X_509, CKM_RSA_PKCS},
        Case{true, true, false, 0, CKM_RSA_PKCS}}) {
    RemovableModule::SetLacking(token.LacksPss, token.LacksRaw);
    auto const restore = gsl::finally([] { RemovableModule::SetLacking(false, false); });
    auto const key = OpenPkcs11Key(At(token_.RemovableUri("key")));
    EXPECT_EQ(Signs(key.get(), true), token.CanPss);
    ERR_clear_error();
    if (token.CanPss) {
      EXPECT_EQ(RemovableModule::LastUsed(), token.UsedForPss);
    }
    EXPECT_TRUE(Signs(key.get(), false));
    EXPECT_EQ(RemovableModule::LastUsed(), token.UsedForPkcs1);
  }
}

TEST_F(Pkcs11Test, SaysWhatIsInTheWay) {
  token_.MakeDecryptingKey("decrypts");
  Make("rsa:2048", "twice", "05");
  Make("rsa:2048", "twice", "06");
  EXPECT_EQ(ErrorCodeOf([] { OpenPkcs11Key(At("pkcs11:token=%zz")); }), "invalid_argument");
  EXPECT_THAT(
      FailureOf([] { OpenPkcs11Key(At("pkcs11:token=x?module-path=/nonexistent.so")); }), HasSubstr("/nonexistent.so"));
  EXPECT_THAT(
      FailureOf([] { OpenPkcs11Key(At("pkcs11:token=nobody?module-path=/usr/lib/softhsm/libsofthsm2.so")); }),
      HasSubstr("No token fits"));
  EXPECT_THAT(FailureOf([&] { OpenPkcs11Key(At(token_.Uri("nothing"))); }), HasSubstr("no private key that fits"));
  EXPECT_THAT(FailureOf([&] { OpenPkcs11Key(At(token_.Uri("twice"))); }), HasSubstr("2 private keys"));
  EXPECT_THAT(FailureOf([&] { OpenPkcs11Key(At(token_.Uri("decrypts"))); }), HasSubstr("CKA_SIGN"));
  EXPECT_TRUE(Signs(OpenPkcs11Key(At(token_.Uri("twice;id=%05"))).get(), true));
  auto options = MakingKeys("pkcs11:token=x");
  EXPECT_EQ(ErrorCodeOf([&] { MakePkcs11KeyProvider(options); }), "invalid_argument");
}

/// Tokens lock after a few wrong PINs, and a credential looks at its certificate every half minute.
TEST_F(Pkcs11Test, ShowsAWrongPinOnce) {
  Make("rsa:2048", "key", "01");
  auto options = At(token_.RemovableUri("key"));
  options.Pin = Secret{std::string_view{"11111111"}};
  auto const before = RemovableModule::Logins();
  for (int round = 0; round < 3; ++round) {
    auto const failure = FailureOf([&] { OpenPkcs11Key(options); });
    EXPECT_THAT(failure, HasSubstr("key_unavailable"));
    EXPECT_THAT(failure, HasSubstr("Correct the PIN"));
    EXPECT_THAT(failure, Not(HasSubstr("11111111")));
  }
  EXPECT_EQ(RemovableModule::Logins() - before, 1);
  options.Pin = {};
  EXPECT_TRUE(Signs(OpenPkcs11Key(options).get(), true)) << "the right one opens it";
}

TEST_F(Pkcs11Test, GoesOnWhenTheTokenIsPutBack) {
  auto const key = MakePkcs11KeyProvider(MakingKeys(token_.RemovableUri("binding")))->GetOrCreateKey({}, {});
  EXPECT_TRUE(Signs(*key));
  RemovableModule::SetPresent(false);
  auto const failure = FailureOf([&] { Signs(*key); });
  EXPECT_THAT(failure, HasSubstr("private_key_unusable"));
  EXPECT_THAT(failure, HasSubstr("No token fits"));
  RemovableModule::SetPresent(true);
  EXPECT_TRUE(Signs(*key));
  RemovableModule::SetPresent(false);
  RemovableModule::SetPresent(true);
  EXPECT_EQ(SignFromThreads(*key, 8, 3), 24) << "out and in between two signatures";
}

TEST_F(Pkcs11Test, SignsFromManyThreads) {
  auto options = MakingKeys(token_.Uri("binding"));
  options.MaximumSessions = 4;
  auto const key = MakePkcs11KeyProvider(options)->GetOrCreateKey({}, {});
  EXPECT_EQ(SignFromThreads(*key, 16, 10), 160);
}

TEST_F(Pkcs11Test, SignsInAChildOfFork) {
  auto const key = MakePkcs11KeyProvider(MakingKeys(token_.Uri("binding")))->GetOrCreateKey({}, {});
  EXPECT_TRUE(Signs(*key));
  EXPECT_TRUE(InChild([&] { return Signs(*key, "child"); }));
  EXPECT_TRUE(Signs(*key));
}

TEST_F(Pkcs11Test, LeadsToTheSecretAndOutlivesTheProcess) {
  Emulator const emulator{{"--accept", "hardware"}};
  TemporaryDirectory const folder;
  auto const fetch = [&] {
    auto options = emulator.CredentialOptions();
    options.MinimumStrength = KeyStrength::Hardware;
    options.Attest = true;
    options.Attestation = std::make_shared<HardwareAttestation>(emulator.Transport());
    options.Keys = MakePkcs11KeyProvider(MakingKeys(token_.Uri("binding"))).get();
    FileBindingStoreOptions store;
    store.Folder = folder.PathOf("bindings");
    store.Keys = options.Keys;
    options.Store = MakeFileBindingStore(store).get();
    auto const token = ManagedIdentityCredential{options}.GetToken(VaultRequest(), {});
    EXPECT_EQ(emulator.ReadSecret(token), 200);
    auto stolen = token;
    stolen.Binding = nullptr;
    EXPECT_EQ(emulator.ReadSecret(stolen), 401);
    return token.Binding->X5tS256();
  };
  auto const first = fetch();
  EXPECT_EQ(fetch(), first);
  EXPECT_EQ(emulator.Count("issuecredential"), 1);
}

/// A certificate that lives for three seconds is renewed every few seconds.
TEST_F(Pkcs11Test, KeepsUpWithRotationUnderLoad) {
  Emulator const emulator{{"--accept", "hardware", "--certificate-lifetime", "3s"}};
  auto options = emulator.CredentialOptions();
  options.MinimumStrength = KeyStrength::Hardware;
  options.Attest = true;
  options.Attestation = std::make_shared<HardwareAttestation>(emulator.Transport());
  options.Keys = MakePkcs11KeyProvider(MakingKeys(token_.Uri("binding"))).get();
  auto const load = AskThroughRotations(emulator, options);
  EXPECT_GE(load.Good, 10'000);
  EXPECT_GE(load.Bindings, 4U);
  EXPECT_EQ(load.Failed, 0) << load.FirstFailure;
  std::cout << load.Good << " requests with " << load.Bindings << " bindings\n";
}

TEST_F(Pkcs11Test, IsAnApplicationsOwnCertificate) {
  constexpr char const* App = "11111111-2222-3333-4444-555555555555";
  constexpr char const* Tenant = "72f988bf-86f1-41af-91ab-2d7cd011db47";
  Make("rsa:2048", "app", "0a0b");
  ClientCertificateCredentialOptions options;
  options.TenantId = Tenant;
  options.ClientId = App;
  options.CertificateSource = Pkcs11ClientCertificate(At(token_.Uri("app")));
  EXPECT_EQ(ErrorCodeOf([&] { ClientCertificateCredential{options}; }), "client_certificate_unusable");

  auto const certificate = IssueFor(OpenPkcs11Key(At(token_.Uri("app"))).get().get());
  auto const file = token_.Folder().WriteFile("app.pem", certificate);
  RunProgram({"/usr/bin/openssl", "x509", "-in", file, "-outform", "DER", "-out", token_.PathOf("app.der")}, {});
  token_.Tool({"--write-object", token_.PathOf("app.der"), "--type", "cert", "--label", "app", "--id", "0a0b"});
  Emulator const emulator;
  emulator.Control(
      "apps", {{"client_id", App}, {"tenant_id", Tenant}, {"certificate_pem", certificate}, {"vault_access", true}});
  options.Transport = emulator.Transport();
  auto const token = ClientCertificateCredential{options}.GetToken(VaultRequest(), {});
  EXPECT_EQ(emulator.ReadSecret(token), 200);
}

}  // namespace
}  // namespace mtlspop::test
