// Keys in a TPM: swtpm, which Debian has.

#include <gmock/gmock.h>

#include <csignal>
#include <thread>

#include <unistd.h>

#include "before_signing.hpp"
#include "credential/emulator.hpp"
#include "handshake.hpp"
#include "mtlspop/credential/binding_store.hpp"
#include "mtlspop/credential/client_certificate_credential.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/tpm/tpm_key.hpp"
#include "mtlspop/transport/openssl.hpp"
#include "resource_manager.hpp"
#include "signing.hpp"
#include "software_tpm.hpp"
#include "support/error_code_of.hpp"
#include "support/event.hpp"
#include "support/in_child.hpp"
#include "support/scoped_environment.hpp"

namespace mtlspop::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class TpmTest : public testing::Test {
 protected:
  TpmKeyProviderOptions Options() const {
    TpmKeyProviderOptions options;
    options.Tcti = tpm_.Tcti();
    return options;
  }
  std::shared_ptr<KeyProvider> Provider() const { return MakeTpmKeyProvider(Options()).get(); }

  /// What the tools leave loaded, since there is no resource manager.
  void FlushTools() const {
    for (auto const* what : {"-t", "-l", "-s"}) tpm_.Run({"tpm2_flushcontext", what});
  }

  SoftwareTpm tpm_;
};

TEST_F(TpmTest, MakesAKeyThatSigns) {
  auto const provider = Provider();
  EXPECT_EQ(provider->HighestStrength(), KeyStrength::Hardware);
  auto const key = provider->GetOrCreateKey({}, {});
  EXPECT_EQ(key->Strength(), KeyStrength::Hardware);
  EXPECT_TRUE(Signs(*key));
  EXPECT_THAT(key->Reference(), HasSubstr("-----BEGIN TSS2 PRIVATE KEY-----"));
  EXPECT_FALSE(key->SubjectPublicKeyInfo() == provider->GetOrCreateKey({}, {})->SubjectPublicKeyInfo());
}

/// The example at the top of tpm_key.hpp, included where it stands; the environment says which TPM.
TEST_F(TpmTest, HeadersExampleGivesAKeyThatSigns) {
  ScopedEnvironment const environment{{{"TPM2TOOLS_TCTI", tpm_.Tcti()}}};
#include "examples/tpm_key.inc"
  EXPECT_TRUE(Signs(*options.Keys->GetOrCreateKey({}, {})));
  EXPECT_TRUE(options.Store);
}

TEST_F(TpmTest, OpensItsKeysAgainInAnotherProcessesPlace) {
  auto const key = Provider()->GetOrCreateKey({}, {});
  tpm_.Restart();
  auto const opened = Provider()->OpenKey(key->Reference(), {});
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->SubjectPublicKeyInfo(), key->SubjectPublicKeyInfo());
  EXPECT_TRUE(Signs(*opened));
  EXPECT_TRUE(Signs(*key)) << "the connection of before the restart is replaced";
  EXPECT_EQ(Provider()->OpenKey("pkcs11:object=x", {}), nullptr);
  SoftwareTpm other;
  TpmKeyProviderOptions options;
  options.Tcti = other.Tcti();
  EXPECT_EQ(ErrorCodeOf([&] { MakeTpmKeyProvider(options)->OpenKey(key->Reference(), {}); }), "private_key_unusable");
}

TEST_F(TpmTest, KeepsOneKeyUnderAHandle) {
  auto options = Options();
  options.PersistentHandle = 0x81010042;
  auto const first = MakeTpmKeyProvider(options)->GetOrCreateKey({}, {});
  EXPECT_EQ(first->Reference(), "0x81010042");
  tpm_.Restart();
  auto const provider = MakeTpmKeyProvider(options);
  auto const again = provider->GetOrCreateKey({}, {});
  EXPECT_EQ(again->SubjectPublicKeyInfo(), first->SubjectPublicKeyInfo());
  EXPECT_TRUE(Signs(*again));

  KeyRequest refused;
  refused.ForceNew = true;
  refused.Refused = first->SubjectPublicKeyInfo();
  auto const next = provider->GetOrCreateKey(refused, {});
  EXPECT_NE(next->SubjectPublicKeyInfo(), first->SubjectPublicKeyInfo());
  EXPECT_TRUE(Signs(*next));
  // Another process has replaced it already.
  EXPECT_EQ(provider->GetOrCreateKey(refused, {})->SubjectPublicKeyInfo(), next->SubjectPublicKeyInfo());
  EXPECT_EQ(ErrorCodeOf([&] { Signs(*first); }), "private_key_unusable") << "its handle holds another key now";

  options.PersistentHandle = 0x40000001;
  EXPECT_EQ(ErrorCodeOf([&] { MakeTpmKeyProvider(options); }), "invalid_argument");
}

TEST_F(TpmTest, ShowsAWrongAuthorizationOnce) {
  auto options = Options();
  options.KeyAuthorization = Secret{std::string_view{"open sesame"}};
  auto const key = MakeTpmKeyProvider(options)->GetOrCreateKey({}, {});
  EXPECT_TRUE(Signs(*key));
  options.KeyAuthorization = Secret{std::string_view{"open barley"}};
  for (auto const* reason : {"authorization", "has refused the key's authorization before"}) {
    try {
      MakeTpmKeyProvider(options)->OpenKey(key->Reference(), {});
      FAIL();
    } catch (Error const& error) {
      EXPECT_EQ(error.Code(), errors::PrivateKeyUnusable);
      EXPECT_THAT(DescribeWithCauses(error), HasSubstr(reason));
      EXPECT_THAT(DescribeWithCauses(error), HasSubstr("TpmOptions::KeyAuthorization"));
      EXPECT_THAT(DescribeWithCauses(error), Not(HasSubstr("open barley")));
    }
  }
}

TEST_F(TpmTest, OpensKeysThatOthersMade) {
  tpm_.Run({"tpm2_createprimary", "-C", "o", "-c", tpm_.PathOf("primary")});
  tpm_.Run({"tpm2_evictcontrol", "-c", tpm_.PathOf("primary"), "0x81000001"});
  FlushTools();
  struct Made {
    char const* Algorithm;
    char const* Attributes;
  };
  std::string const common = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|";
  unsigned handle = 0x81010001;
  for (auto const& made :
       {Made{"rsa2048", "sign|decrypt"}, Made{"rsa2048", "sign"}, Made{"ecc256", "sign"}, Made{"ecc384", "sign"}}) {
    auto const publicPart = tpm_.PathOf("public");
    auto const privatePart = tpm_.PathOf("private");
    tpm_.Run(
        {"tpm2_create", "-C", "0x81000001", "-G", made.Algorithm, "-a", common + made.Attributes, "-u", publicPart,
         "-r", privatePart});
    FlushTools();
    tpm_.Run({"tpm2_load", "-C", "0x81000001", "-u", publicPart, "-r", privatePart, "-c", tpm_.PathOf("key")});
    char text[16];
    std::snprintf(text, sizeof text, "0x%x", handle++);
    tpm_.Run({"tpm2_evictcontrol", "-c", tpm_.PathOf("key"), text});
    FlushTools();
    tpm_.Run(
        {"tpm2_encodeobject", "-C", "0x81000001", "-u", publicPart, "-r", privatePart, "-o", tpm_.PathOf("key.pem")});
    FlushTools();
    auto const byHandle = OpenTpmKey(Options(), text);
    EXPECT_TRUE(Signs(byHandle.get(), false)) << made.Algorithm << made.Attributes;
    auto const bySealed = OpenTpmKey(Options(), ReadFile(tpm_.PathOf("key.pem")));
    EXPECT_TRUE(Signs(bySealed.get(), false)) << made.Algorithm << made.Attributes;
    EXPECT_EQ(EVP_PKEY_eq(byHandle.get().get(), bySealed.get().get()), 1);
  }
  EXPECT_THAT(ErrorOf([&] { OpenTpmKey(Options(), "0x8101ffff"); })->what(), HasSubstr("has no key under the handle"));
  EXPECT_EQ(ErrorCodeOf([&] { OpenTpmKey(Options(), "/etc/key.pem"); }), "key_unavailable");
  EXPECT_EQ(ErrorCodeOf([&] { OpenTpmKey(Options(), "0x81000001"); }), "key_unavailable") << "a storage key";
}

/// The storage key of others may have an authorization, and count the attempts without.
TEST_F(TpmTest, AsksAParentWithAnAuthorizationOnce) {
  tpm_.Run({"tpm2_createprimary", "-C", "o", "-p", "sesame", "-c", tpm_.PathOf("primary")});
  tpm_.Run({"tpm2_evictcontrol", "-c", tpm_.PathOf("primary"), "0x81000001"});
  FlushTools();
  tpm_.Run(
      {"tpm2_create", "-C", "0x81000001", "-P", "sesame", "-G", "rsa2048", "-a",
       "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|sign|decrypt", "-u", tpm_.PathOf("public"), "-r",
       tpm_.PathOf("private")});
  FlushTools();
  tpm_.Run(
      {"tpm2_encodeobject", "-C", "0x81000001", "-P", "sesame", "-u", tpm_.PathOf("public"), "-r",
       tpm_.PathOf("private"), "-o", tpm_.PathOf("key.pem")});
  FlushTools();
  auto const key = ReadFile(tpm_.PathOf("key.pem"));
  for (auto const* text : {"wants an authorization for the key's parent, and", "refused to go without before"}) {
    try {
      OpenTpmKey(Options(), key);
      FAIL();
    } catch (Error const& error) {
      EXPECT_THAT(DescribeWithCauses(error), HasSubstr(text));
    }
    EXPECT_THAT(tpm_.Run({"tpm2_getcap", "properties-variable"}), HasSubstr("TPM2_PT_LOCKOUT_COUNTER: 0x1\n"));
  }
}

TEST_F(TpmTest, AuthenticatesOverTls13) {
  auto options = Options();
  options.PersistentHandle = 0x81010007;
  MakeTpmKeyProvider(options)->GetOrCreateKey({}, {});
  auto const key = OpenTpmKey(Options(), "0x81010007");
  EXPECT_EQ(SpeakTls13With(key.get(), true), "TLSv1.3");
  EXPECT_EQ(SpeakTls13With(key.get(), false), "TLSv1.3");
}

TEST_F(TpmTest, SignsFromManyThreads) {
  auto const key = Provider()->GetOrCreateKey({}, {});
  EXPECT_EQ(SignFromThreads(*key, 16, 3), 48);
}

TEST_F(TpmTest, SignsInAChildOfFork) {
  auto const key = Provider()->GetOrCreateKey({}, {});
  EXPECT_TRUE(Signs(*key));
  EXPECT_TRUE(InChild([&] { return Signs(*key, "child"); }));
  EXPECT_TRUE(Signs(*key));
}

/// The thread that has the TPM is not there in the child, and what it holds must not be waited for.
TEST_F(TpmTest, SignsInAChildThatIsForkedWhileAnotherThreadSigns) {
  auto const key = Provider()->GetOrCreateKey({}, {});
  Event signing;
  Event goOn;
  BeforeSigning const before{[&, parent = ::getpid()](auto*, auto) {
    if (::getpid() == parent) {
      signing.Set();
      EXPECT_TRUE(goOn.Wait());
    }
    return TSS2_RC{TSS2_RC_SUCCESS};
  }};
  std::thread signer{[&] { EXPECT_TRUE(Signs(*key)); }};
  EXPECT_TRUE(signing.Wait());
  EXPECT_TRUE(InChild([&] {
    auto const patience = Context{}.WithTimeout(Event::Patience);
    openssl::SigningContext const bounded{patience};
    return Signs(*key, "child");
  }));
  goOn.Set();
  signer.join();
  EXPECT_TRUE(Signs(*key));
}

TEST_F(TpmTest, IsWaitedForNoLongerThanTheContextLasts) {
  auto const provider = Provider();
  ::kill(tpm_.Process().Pid(), SIGSTOP);
  // Whichever comes first is in the hands of the TPM, which says nothing. The other one waits for its turn, and gives up.
  Event gaveUp;
  std::vector<std::thread> threads;
  for (int index = 0; index < 2; ++index) {
    threads.emplace_back([&] {
      if (ErrorCodeOf([&] { provider->GetOrCreateKey({}, Context{}.WithTimeout(50ms)); }) == "deadline_exceeded") {
        gaveUp.Set();
      }
    });
  }
  EXPECT_TRUE(gaveUp.Wait());
  ::kill(tpm_.Process().Pid(), SIGCONT);
  for (auto& thread : threads) thread.join();
  tpm_.Run({"tpm2_getrandom", "--hex", "1"});  // it is let go of, also by who gave up
}

/// Whoever gives up as the turn becomes his has it all the same: nobody else lets go of the TPM.
TEST_F(TpmTest, IsLetGoOfByWhoeverGivesUpLast) {
  auto const provider = Provider();
  auto const key = provider->GetOrCreateKey({}, {});
  Event signing;
  Event goOn;
  BeforeSigning const before{[&](auto*, auto) {
    signing.Set();
    EXPECT_TRUE(goOn.Wait());
    return TSS2_RC{TSS2_RC_SUCCESS};
  }};
  std::thread signer{[&] { EXPECT_TRUE(Signs(*key)); }};
  EXPECT_TRUE(signing.Wait());
  // Asked while it waits, and once more when it gives up.
  int asked = 0;
  auto const late = Context{}.WithTimeout(0ms).WithCancellationProbe([&] {
    if (++asked == 2) {
      goOn.Set();
      signer.join();
    }
    return false;
  });
  EXPECT_EQ(ErrorCodeOf([&] { provider->GetOrCreateKey({}, late); }), "deadline_exceeded");
  EXPECT_GE(asked, 2);
  EXPECT_THAT(tpm_.Run({"tpm2_getcap", "handles-transient"}), Not(HasSubstr("0x"))) << "the key is still loaded";
}

/// The library for TPMs answers "bad sequence" for ever after some failures of its own, until it is begun anew.
TEST_F(TpmTest, BeginsAnewWhereTheLibraryForTpmsIsInDisorder) {
  ResourceManager const manager{tpm_};
  TpmKeyProviderOptions options;
  options.Tcti = manager.Tcti();
  options.KeyAuthorization = Secret{std::string_view{"open sesame"}};
  auto const key = MakeTpmKeyProvider(options)->GetOrCreateKey({}, {});
  EXPECT_TRUE(Signs(*key));
  for (auto const layer : {TSS2_ESAPI_RC_LAYER, TSS2_SYS_RC_LAYER, TSS2_MU_RC_LAYER}) {
    int shown = 0;
    {
      BeforeSigning const before{[&](ESYS_CONTEXT* esys, ESYS_TR) {
        ++shown;
        // What is begun and not finished leaves it as such failures do.
        EXPECT_EQ(Esys_GetRandom_Async(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, 1), TSS2_RC_SUCCESS);
        return layer | TSS2_BASE_RC_MALFORMED_RESPONSE;
      }};
      EXPECT_EQ(ErrorCodeOf([&] { Signs(*key); }), "private_key_unusable");
    }
    EXPECT_EQ(shown, 1) << "the TPM may have seen the authorization";
    EXPECT_TRUE(Signs(*key));
  }
  // Left so by what nobody looks at.
  int shown = 0;
  BeforeSigning const before{[&](ESYS_CONTEXT* esys, ESYS_TR) {
    if (++shown == 1) Esys_GetRandom_Async(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, 1);
    return TSS2_RC{TSS2_RC_SUCCESS};
  }};
  EXPECT_TRUE(Signs(*key));
  EXPECT_EQ(shown, 2) << "nothing had been sent";
}

/// What became of a signature when the connection went is not known: of an authorization that was never taken the TPM may count
/// every attempt.
TEST_F(TpmTest, ShowsNoAuthorizationAgainBeforeItWasTakenOnce) {
  ResourceManager const manager{tpm_};
  TpmKeyProviderOptions options;
  options.Tcti = manager.Tcti();
  options.KeyAuthorization = Secret{std::string_view{"open sesame"}};
  auto const provider = MakeTpmKeyProvider(options);
  int shown = 0;
  std::shared_ptr<BindingKey const> key;
  {
    BeforeSigning const before{[&](auto*, auto) {
      ++shown;
      return TSS2_RC{TSS2_TCTI_RC_IO_ERROR};
    }};
    EXPECT_EQ(ErrorCodeOf([&] { provider->GetOrCreateKey({}, {}); }), "private_key_unusable");
    EXPECT_EQ(shown, 1);
  }
  key = provider->GetOrCreateKey({}, {});
  shown = 0;
  BeforeSigning const before{
      [&](auto*, auto) { return ++shown == 1 ? TSS2_RC{TSS2_TCTI_RC_IO_ERROR} : TSS2_RC{TSS2_RC_SUCCESS}; }};
  EXPECT_TRUE(Signs(*key));
  EXPECT_EQ(shown, 2) << "a right one is";
}

/// The daemon serves others while a key is held, and keeps what each has loaded.
TEST_F(TpmTest, SharesItThroughAResourceManager) {
  ResourceManager const manager{tpm_};
  TpmKeyProviderOptions options;
  options.Tcti = manager.Tcti();
  auto const key = MakeTpmKeyProvider(options)->GetOrCreateKey({}, {});
  EXPECT_TRUE(Signs(*key));
  manager.Run({"tpm2_createprimary", "-C", "o", "-c", tpm_.PathOf("primary")});
  EXPECT_TRUE(Signs(*key));
  auto const other = MakeTpmKeyProvider(options)->GetOrCreateKey({}, {});
  EXPECT_EQ(SignFromThreads(*key, 16, 3), 48);
  EXPECT_EQ(SignFromThreads(*other, 16, 3), 48);
  auto const again = MakeTpmKeyProvider(options)->OpenKey(key->Reference(), {});
  ASSERT_TRUE(again);
  EXPECT_TRUE(Signs(*again));
  EXPECT_TRUE(Signs(*key));
}

/// Two processes begin together: the later one takes the key of the earlier one.
TEST_F(TpmTest, MakesOnePersistentKeyForAllWhoWantIt) {
  ResourceManager const manager{tpm_};
  TpmKeyProviderOptions options;
  options.Tcti = manager.Tcti();
  options.PersistentHandle = 0x81010042;
  std::vector<std::vector<std::uint8_t>> keys(2);
  std::vector<std::thread> threads;
  for (auto& key : keys) {
    threads.emplace_back([&] { key = MakeTpmKeyProvider(options)->GetOrCreateKey({}, {})->SubjectPublicKeyInfo(); });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(keys[0], keys[1]);
}

TEST(TpmAccessTest, CutsNoAuthorizationShort) {
  TpmKeyProviderOptions options;
  options.KeyAuthorization = Secret{std::string(65, 'a')};
  EXPECT_EQ(ErrorCodeOf([&] { MakeTpmKeyProvider(options); }), "invalid_argument");
  options.KeyAuthorization = {};
  options.OwnerAuthorization = Secret{std::string(65, 'a')};
  EXPECT_EQ(ErrorCodeOf([&] { MakeTpmKeyProvider(options); }), "invalid_argument");
}

TEST(TpmAccessTest, SaysWhatIsInTheWay) {
  TpmKeyProviderOptions options;
  options.Tcti = "device:/nonexistent/tpmrm0";
  auto const provider = MakeTpmKeyProvider(options);
  EXPECT_EQ(provider->HighestStrength(), KeyStrength::None);
  auto const error = ErrorOf([&] { provider->GetOrCreateKey({}, {}); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code(), errors::KeyUnavailable);
  EXPECT_THAT(error->what(), HasSubstr("/nonexistent/tpmrm0"));
  EXPECT_THAT(error->what(), HasSubstr("tss"));
  KeyRequest request;
  request.MinimumStrength = KeyStrength::KeyGuard;
  EXPECT_EQ(ErrorCodeOf([&] { provider->GetOrCreateKey(request, {}); }), "minimum_strength_not_available");
}

class TpmRoadTest : public TpmTest, public testing::WithParamInterface<char const*> {
 protected:
  ManagedIdentityCredentialOptions RoadOptions(Emulator const& emulator) const {
    auto options = emulator.CredentialOptions();
    options.MinimumStrength = KeyStrength::Hardware;
    options.Attest = true;
    options.Attestation = std::make_shared<HardwareAttestation>(emulator.Transport());
    options.Keys = Provider();
    return options;
  }
  static std::shared_ptr<BindingStore> Store(TemporaryDirectory const& folder, std::shared_ptr<KeyProvider> keys) {
    FileBindingStoreOptions options;
    options.Folder = folder.PathOf("bindings");
    options.Keys = std::move(keys);
    return MakeFileBindingStore(options).get();
  }
};

TEST_P(TpmRoadTest, LeadsToTheSecretAndOutlivesTheProcess) {
  Emulator const emulator{{"--accept", "hardware", "--client-certificate", GetParam()}};
  TemporaryDirectory const folder;
  auto const fetch = [&](ManagedIdentityCredentialOptions options) {
    options.Store = Store(folder, options.Keys);
    auto const token = ManagedIdentityCredential{options}.GetToken(VaultRequest(), {});
    EXPECT_EQ(token.Binding->Strength(), KeyStrength::Hardware);
    EXPECT_EQ(emulator.ReadSecret(token), 200);
    auto stolen = token;
    stolen.Binding = nullptr;
    EXPECT_EQ(emulator.ReadSecret(stolen), 401);
    return token.Binding->X5tS256();
  };
  auto const first = fetch(RoadOptions(emulator));
  EXPECT_EQ(emulator.Count("issuecredential"), 1);
  EXPECT_EQ(fetch(RoadOptions(emulator)), first);
  EXPECT_EQ(emulator.Count("issuecredential"), 1) << "the certificate came back with its key";

  SoftwareTpm other;
  TpmKeyProviderOptions elsewhere;
  elsewhere.Tcti = other.Tcti();
  auto moved = RoadOptions(emulator);
  moved.Keys = MakeTpmKeyProvider(elsewhere).get();
  EXPECT_NE(fetch(moved), first);
  EXPECT_EQ(emulator.Count("issuecredential"), 2) << "another TPM: made anew";
}

INSTANTIATE_TEST_SUITE_P(Modes, TpmRoadTest, testing::Values("renegotiate", "handshake"));

/// A certificate that lives for three seconds is renewed every few seconds.
TEST_F(TpmTest, KeepsUpWithRotationUnderLoad) {
  Emulator const emulator{{"--accept", "hardware", "--certificate-lifetime", "3s"}};
  auto options = emulator.CredentialOptions();
  options.MinimumStrength = KeyStrength::Hardware;
  options.Attest = true;
  options.Attestation = std::make_shared<HardwareAttestation>(emulator.Transport());
  options.Keys = Provider();
  auto const load = AskThroughRotations(emulator, options);
  EXPECT_GE(load.Good, 10'000);
  EXPECT_GE(load.Bindings, 4U);
  EXPECT_EQ(load.Failed, 0) << load.FirstFailure;
  std::cout << load.Good << " requests with " << load.Bindings << " bindings\n";
}

TEST_F(TpmTest, IsAnApplicationsOwnCertificate) {
  constexpr char const* App = "11111111-2222-3333-4444-555555555555";
  constexpr char const* Tenant = "72f988bf-86f1-41af-91ab-2d7cd011db47";
  auto options = Options();
  options.PersistentHandle = 0x81010007;
  MakeTpmKeyProvider(options)->GetOrCreateKey({}, {});
  auto const certificate = IssueFor(OpenTpmKey(Options(), "0x81010007").get().get());
  auto const path = tpm_.PathOf("app.pem");
  TemporaryDirectory const folder;
  auto const file = folder.WriteFile("app.pem", certificate);

  Emulator const emulator;
  emulator.Control(
      "apps", {{"client_id", App}, {"tenant_id", Tenant}, {"certificate_pem", certificate}, {"vault_access", true}});
  ClientCertificateCredentialOptions app;
  app.TenantId = Tenant;
  app.ClientId = App;
  app.Transport = emulator.Transport();
  app.CertificateSource = TpmClientCertificate(Options(), "0x81010007", file);
  auto const token = ClientCertificateCredential{app}.GetToken(VaultRequest(), {});
  EXPECT_EQ(emulator.ReadSecret(token), 200);

  app.CertificateSource = TpmClientCertificate(Options(), "0x81010007", "/nonexistent.pem");
  EXPECT_EQ(ErrorCodeOf([&] { ClientCertificateCredential{app}; }), "client_certificate_unusable");
}

}  // namespace
}  // namespace mtlspop::test
