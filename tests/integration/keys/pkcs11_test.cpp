// Keys in a PKCS#11 token: SoftHSM, which Debian has.

#include <gmock/gmock.h>

#include <mutex>
#include <set>
#include <thread>

#include <openssl/err.h>
#include <p11-kit/pkcs11.h>
#include <gsl/util>

#include "credential/emulator.hpp"
#include "handshake.hpp"
#include "mtlspop/credential/client_certificate_credential.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/pkcs11/pkcs11_key.hpp"
#include "signing.hpp"
#include "software_token.hpp"
#include "software_tpm.hpp"
#include "support/error_code_of.hpp"
#include "support/event.hpp"
#include "support/in_child.hpp"

namespace mtlspop::test {
namespace {

using testing::HasSubstr;

Pkcs11Options At(std::string uri) {
  Pkcs11Options options;
  options.Uri = std::move(uri);
  return options;
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
  /// Puts a certificate beside the key.
  void PutCertificate(std::string const& pem, std::string const& label, std::string const& id) const {
    auto const file = token_.Folder().WriteFile("certificate.pem", pem);
    auto const der = token_.PathOf("certificate.der");
    RunProgram({"/usr/bin/openssl", "x509", "-in", file, "-outform", "DER", "-out", der}, {});
    token_.Tool({"--write-object", der, "--type", "cert", "--label", label, "--id", id});
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

/// The example at the top of pkcs11_key.hpp, included where it stands. Its token is nobody's; with a token that is there the
/// same options make a key.
TEST_F(Pkcs11Test, HeadersExampleGivesKeys) {
#include "examples/pkcs11_key.inc"
  EXPECT_EQ(options.Keys->HighestStrength(), KeyStrength::Hardware);
  keys.Uri = token_.Uri("binding");
  EXPECT_TRUE(Signs(*MakePkcs11KeyProvider(keys)->GetOrCreateKey({}, {})));
}

TEST_F(Pkcs11Test, MakesOneKeyForAllThreads) {
  std::vector<std::shared_ptr<KeyProvider>> const providers{
      MakePkcs11KeyProvider(MakingKeys(token_.RemovableUri("binding"))).get(),
      MakePkcs11KeyProvider(MakingKeys(token_.RemovableUri("binding"))).get()};
  std::mutex mutex;
  std::set<std::vector<std::uint8_t>> keys;
  std::vector<std::thread> threads;
  for (std::size_t index = 0; index < 8; ++index) {
    threads.emplace_back([&, index] {
      auto const key = providers.at(index % 2)->GetOrCreateKey({}, {});
      std::lock_guard<std::mutex> const lock{mutex};
      keys.insert(key->SubjectPublicKeyInfo());
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(keys.size(), 1U);
  EXPECT_TRUE(Signs(OpenPkcs11Key(At(token_.RemovableUri("binding"))).get(), true)) << "the one that fits";
}

/// Of two keys that two processes make at once, both take the one with the smallest id.
TEST_F(Pkcs11Test, AgreesWithAMakerInAnotherProcess) {
  auto const options = MakingKeys(token_.RemovableUri("binding"));
  RemovableModule::SetMaking(false, 0);
  auto const key = MakePkcs11KeyProvider(options)->GetOrCreateKey({}, {});
  EXPECT_EQ(key->Reference(), "pkcs11:id=%00");
  EXPECT_TRUE(Signs(OpenPkcs11Key(options).get(), true)) << "its own is gone";

  KeyRequest refused;
  refused.ForceNew = true;
  refused.Refused = key->SubjectPublicKeyInfo();
  RemovableModule::SetMaking(false, 0xFF);
  auto const next = MakePkcs11KeyProvider(options)->GetOrCreateKey(refused, {});
  EXPECT_EQ(
      MakePkcs11KeyProvider(options)->GetOrCreateKey({}, {})->SubjectPublicKeyInfo(), next->SubjectPublicKeyInfo());
  EXPECT_EQ(
      MakePkcs11KeyProvider(options)->GetOrCreateKey(refused, {})->SubjectPublicKeyInfo(),
      next->SubjectPublicKeyInfo());
}

/// Under another id it would not be found again, and each attempt would leave one more.
TEST_F(Pkcs11Test, MakesAKeyUnderTheIdThatTheUriNames) {
  auto const uri = token_.RemovableUri("binding;id=%0A%0B");
  auto const provider = MakePkcs11KeyProvider(MakingKeys(uri));
  auto const key = provider->GetOrCreateKey({}, {});
  EXPECT_EQ(key->Reference(), "pkcs11:id=%0A%0B");
  EXPECT_EQ(provider->GetOrCreateKey({}, {})->SubjectPublicKeyInfo(), key->SubjectPublicKeyInfo());
  EXPECT_TRUE(Signs(OpenPkcs11Key(At(token_.RemovableUri("binding"))).get(), true)) << "there is no other";

  KeyRequest refused;
  refused.ForceNew = true;
  refused.Refused = key->SubjectPublicKeyInfo();
  auto const next = provider->GetOrCreateKey(refused, {});
  EXPECT_EQ(next->Reference(), key->Reference());
  EXPECT_NE(next->SubjectPublicKeyInfo(), key->SubjectPublicKeyInfo());
  EXPECT_EQ(ErrorCodeOf([&] { Signs(*key); }), "private_key_unusable");
  EXPECT_TRUE(Signs(OpenPkcs11Key(At(uri)).get(), true)) << "the refused one is gone";
  auto const file = token_.PathOf("public");
  token_.Tool({"--read-object", "--type", "pubkey", "--id", "0a0b", "--output-file", file});
  auto const publicHalf = ReadFile(file);
  EXPECT_EQ((std::vector<std::uint8_t>{publicHalf.begin(), publicHalf.end()}), next->SubjectPublicKeyInfo())
      << "the new one's public half is not";

  RemovableModule::SetMaking(false, 0x0A);
  auto const twins = MakingKeys(token_.RemovableUri("twin;id=%0A"));
  auto const one = MakePkcs11KeyProvider(twins)->GetOrCreateKey({}, {});
  EXPECT_TRUE(Signs(*one)) << "though another process may not have taken its own away yet";
  EXPECT_EQ(MakePkcs11KeyProvider(twins)->GetOrCreateKey({}, {})->SubjectPublicKeyInfo(), one->SubjectPublicKeyInfo());
}

TEST_F(Pkcs11Test, KeepsARefusedKeyUntilThereIsAnother) {
  auto const provider = MakePkcs11KeyProvider(MakingKeys(token_.RemovableUri("binding")));
  auto const key = provider->GetOrCreateKey({}, {});
  KeyRequest refused;
  refused.ForceNew = true;
  refused.Refused = key->SubjectPublicKeyInfo();
  RemovableModule::SetMaking(true, -1);
  auto const restore = gsl::finally([] { RemovableModule::SetMaking(false, -1); });
  EXPECT_EQ(ErrorCodeOf([&] { provider->GetOrCreateKey(refused, {}); }), "key_unavailable");
  EXPECT_TRUE(Signs(*key));
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

TEST_F(Pkcs11Test, AuthenticatesOverTls13) {
  Make("rsa:2048", "rsa", "01");
  Make("EC:prime256v1", "p256", "02");
  for (auto const* label : {"rsa", "p256"}) {
    auto const key = OpenPkcs11Key(At(token_.Uri(label)));
    EXPECT_EQ(SpeakTls13With(key.get(), true), "TLSv1.3") << label;
    EXPECT_EQ(SpeakTls13With(key.get(), false), "TLSv1.3") << label;
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
      TextOfFailure([] { OpenPkcs11Key(At("pkcs11:token=x?module-path=/nonexistent.so")); }),
      HasSubstr("/nonexistent.so"));
  EXPECT_THAT(
      TextOfFailure([] { OpenPkcs11Key(At("pkcs11:token=nobody?module-path=/usr/lib/softhsm/libsofthsm2.so")); }),
      HasSubstr("No token fits"));
  EXPECT_THAT(TextOfFailure([&] { OpenPkcs11Key(At(token_.Uri("nothing"))); }), HasSubstr("no private key that fits"));
  EXPECT_THAT(TextOfFailure([&] { OpenPkcs11Key(At(token_.Uri("twice"))); }), HasSubstr("2 private keys"));
  EXPECT_THAT(TextOfFailure([&] { OpenPkcs11Key(At(token_.Uri("decrypts"))); }), HasSubstr("CKA_SIGN"));
  EXPECT_TRUE(Signs(OpenPkcs11Key(At(token_.Uri("twice;id=%05"))).get(), true));
  auto options = MakingKeys("pkcs11:token=x");
  EXPECT_EQ(ErrorCodeOf([&] { MakePkcs11KeyProvider(options); }), "invalid_argument");
}

/// Every part of a URI that names something else leaves nothing that fits.
TEST_F(Pkcs11Test, HeedsAllOfTheUri) {
  Make("rsa:2048", "key", "01");
  auto const with = [&](std::string const& part) {
    auto uri = token_.Uri("key");
    return At(uri.insert(uri.find('?'), ";" + part));
  };
  EXPECT_TRUE(Signs(OpenPkcs11Key(with("library-manufacturer=SoftHSM")).get(), true));
  for (auto const* other :
       {"library-manufacturer=Other", "library-version=99", "slot-id=4711", "slot-manufacturer=Other",
        "slot-description=Other"}) {
    EXPECT_THAT(TextOfFailure([&] { OpenPkcs11Key(with(other)); }), HasSubstr("No token fits")) << other;
  }
}

/// Tokens lock after a few wrong PINs, and a credential looks at its certificate every half minute.
TEST_F(Pkcs11Test, ShowsAWrongPinOnce) {
  Make("rsa:2048", "key", "01");
  auto options = At(token_.RemovableUri("key"));
  options.Pin = Secret{std::string_view{"11111111"}};
  auto const before = RemovableModule::Logins();
  for (int round = 0; round < 3; ++round) {
    auto const failure = TextOfFailure([&] { OpenPkcs11Key(options); });
    EXPECT_THAT(failure, HasSubstr("key_unavailable"));
    EXPECT_THAT(failure, HasSubstr("Correct the PIN"));
    EXPECT_THAT(failure, Not(HasSubstr("11111111")));
  }
  EXPECT_EQ(RemovableModule::Logins() - before, 1);
  options.Pin = {};
  EXPECT_TRUE(Signs(OpenPkcs11Key(options).get(), true)) << "the right one opens it";
}

/// Of many who come with it at once the first one shows it, and the others hear what came of it.
TEST_F(Pkcs11Test, ShowsAWrongPinOnceForAllThreads) {
  auto options = At(token_.RemovableUri("key"));
  options.Pin = Secret{std::string_view{"11111111"}};
  auto const before = RemovableModule::Logins();
  RemovableModule::HoldLogins(true);
  std::vector<std::thread> threads;
  for (int index = 0; index < 8; ++index) {
    threads.emplace_back([&] { EXPECT_EQ(ErrorCodeOf([&] { OpenPkcs11Key(options); }), "key_unavailable"); });
  }
  while (RemovableModule::Logins() == before) std::this_thread::yield();
  RemovableModule::HoldLogins(false);
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(RemovableModule::Logins() - before, 1);
}

/// Whoever starts a process again and again with a wrong PIN must not use the last attempt up.
TEST_F(Pkcs11Test, ShowsNoPinToATokenThatItCouldLock) {
  Make("rsa:2048", "key", "01");
  auto const options = At(token_.RemovableUri("key"));
  auto const restore = gsl::finally([] { RemovableModule::SetFlags(0); });
  auto const before = RemovableModule::Logins();
  RemovableModule::SetFlags(CKF_USER_PIN_FINAL_TRY);
  EXPECT_THAT(TextOfFailure([&] { OpenPkcs11Key(options); }), HasSubstr("One more wrong PIN locks the token"));
  RemovableModule::SetFlags(CKF_USER_PIN_LOCKED);
  EXPECT_THAT(TextOfFailure([&] { OpenPkcs11Key(options); }), HasSubstr("security officer"));
  EXPECT_EQ(RemovableModule::Logins(), before);
  RemovableModule::SetFlags(0);
  EXPECT_TRUE(Signs(OpenPkcs11Key(options).get(), true));
}

/// People mistype, and the next time they do not.
TEST_F(Pkcs11Test, AsksAgainOnThePadOfAToken) {
  Make("rsa:2048", "key", "01");
  auto uri = token_.RemovableUri("key");
  auto const options = At(uri.erase(uri.find("&pin-source")));
  RemovableModule::SetFlags(CKF_PROTECTED_AUTHENTICATION_PATH);
  auto const restore = gsl::finally([] {
    RemovableModule::SetFlags(0);
    RemovableModule::SetTyped(nullptr);
  });
  RemovableModule::SetTyped("1234");
  EXPECT_THAT(TextOfFailure([&] { OpenPkcs11Key(options); }), HasSubstr("does not open"));
  RemovableModule::SetTyped(SoftwareToken::Pin.data());
  EXPECT_TRUE(Signs(OpenPkcs11Key(options).get(), true));
}

TEST_F(Pkcs11Test, GoesOnWhenTheTokenIsPutBack) {
  auto const key = MakePkcs11KeyProvider(MakingKeys(token_.RemovableUri("binding")))->GetOrCreateKey({}, {});
  EXPECT_TRUE(Signs(*key));
  RemovableModule::SetPresent(false);
  auto const failure = TextOfFailure([&] { Signs(*key); });
  EXPECT_THAT(failure, HasSubstr("private_key_unusable"));
  EXPECT_THAT(failure, HasSubstr("No token fits"));
  RemovableModule::SetPresent(true);
  EXPECT_TRUE(Signs(*key));
  RemovableModule::SetPresent(false);
  RemovableModule::SetPresent(true);
  EXPECT_EQ(SignFromThreads(*key, 8, 3), 24) << "out and in between two signatures";
}

/// What it does not say of an object because it is gone is not taken for what the object has not.
TEST_F(Pkcs11Test, LooksAgainWhereTheTokenGoesWhileItIsRead) {
  Make("rsa:2048", "key", "01");
  auto const options = At(token_.RemovableUri("key"));
  for (unsigned long const reason : {CKR_DEVICE_REMOVED, CKR_OBJECT_HANDLE_INVALID, CKR_SESSION_HANDLE_INVALID}) {
    for (int const at : {0, 1, 4}) {
      RemovableModule::FailReading(at, reason);
      EXPECT_TRUE(Signs(OpenPkcs11Key(options).get(), true)) << reason << " at reading " << at;
    }
  }
}

TEST_F(Pkcs11Test, SignsFromManyThreads) {
  auto options = MakingKeys(token_.Uri("binding"));
  options.MaximumSessions = 4;
  auto const key = MakePkcs11KeyProvider(options)->GetOrCreateKey({}, {});
  EXPECT_EQ(SignFromThreads(*key, 16, 10), 160);
}

/// Smart cards give sixteen sessions or so, and some devices one.
TEST_F(Pkcs11Test, LivesWithinTheSessionsThatATokenGives) {
  auto const restore = gsl::finally([] { RemovableModule::SetSessions(0, false); });
  auto options = MakingKeys(token_.RemovableUri("binding"));
  for (bool const says : {true, false}) {
    for (unsigned long const most : {1UL, 2UL}) {
      RemovableModule::SetSessions(most, says);
      auto const key = MakePkcs11KeyProvider(options)->GetOrCreateKey({}, {});
      EXPECT_EQ(SignFromThreads(*key, 8, 3), 24) << most << says;
    }
  }
}

/// A key that wants the PIN for each signature. What is left of an operation that was begun in vain is in nobody's way.
TEST_F(Pkcs11Test, SignsWithAKeyThatAsksEachTime) {
  token_.Tool(
      {"--keypairgen", "--key-type", "rsa:2048", "--label", "key", "--id", "01", "--usage-sign", "--always-auth"});
  auto const before = RemovableModule::Logins();
  auto options = At(token_.RemovableUri("key"));
  EXPECT_TRUE(Signs(OpenPkcs11Key(options).get(), true));
  EXPECT_GE(RemovableModule::Logins() - before, 3) << "to the token, for the trial, for the signature";

  options.Uri.erase(options.Uri.find("&pin-source"));
  options.MaximumSessions = 1;
  RemovableModule::SetFlags(CKF_PROTECTED_AUTHENTICATION_PATH);
  auto const restore = gsl::finally([] {
    RemovableModule::SetFlags(0);
    RemovableModule::SetTyped(nullptr);
  });
  RemovableModule::SetTyped(SoftwareToken::Pin.data());
  auto const key = OpenPkcs11Key(options);
  EXPECT_TRUE(Signs(key.get(), true));
  for (int round = 0; round < 2; ++round) {
    RemovableModule::SetTyped("1234");
    EXPECT_FALSE(Signs(key.get(), true));
    ERR_clear_error();
    RemovableModule::SetTyped(SoftwareToken::Pin.data());
    EXPECT_TRUE(Signs(key.get(), true)) << round;
  }
}

/// Whoever waits for a token that somebody else opens gives up when his context ends.
TEST_F(Pkcs11Test, IsWaitedForNoLongerThanTheContextLasts) {
  Make("rsa:2048", "key", "01");
  Pkcs11KeyProviderOptions options;
  options.Uri = token_.RemovableUri("key");
  auto const provider = MakePkcs11KeyProvider(options);
  auto const another = MakePkcs11KeyProvider(options);
  auto const before = RemovableModule::Logins();
  RemovableModule::HoldLogins(true);
  std::thread opening{[&] { EXPECT_TRUE(Signs(*provider->GetOrCreateKey({}, {}))); }};
  while (RemovableModule::Logins() == before) std::this_thread::yield();
  Event gaveUp;
  Event otherGaveUp;
  auto const give = [](KeyProvider& keys, Event& done) {
    auto const soon = Context{}.WithTimeout(std::chrono::milliseconds{50});
    if (ErrorCodeOf([&] { keys.GetOrCreateKey({}, soon); }) == "deadline_exceeded") done.Set();
  };
  std::thread waiting{[&] { give(*provider, gaveUp); }};
  std::thread other{[&] { give(*another, otherGaveUp); }};
  EXPECT_TRUE(gaveUp.Wait());
  EXPECT_TRUE(otherGaveUp.Wait());
  RemovableModule::HoldLogins(false);
  for (auto* thread : {&opening, &waiting, &other}) thread->join();
  EXPECT_TRUE(Signs(*provider->GetOrCreateKey({}, {})));
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

/// Whoever renews a certificate seldom takes the old one away. Tokens show them in whatever order.
TEST_F(Pkcs11Test, TakesTheRenewedCertificate) {
  using std::chrono::hours;
  Make("rsa:2048", "app", "0a0b");
  auto const key = OpenPkcs11Key(At(token_.Uri("app")));
  auto const source = Pkcs11ClientCertificate(At(token_.Uri("app")));
  auto const began = [&] {
    auto const ago = std::chrono::system_clock::now() - source()->NotBefore();
    return std::chrono::round<hours>(ago).count();
  };
  struct Case {
    int From;
    int Until;
    int Taken;
  };
  for (auto const& next :
       {Case{-90, -80, 90}, Case{-50, 50, 50}, Case{-30, 10, 30}, Case{-40, 90, 30}, Case{-10, -5, 30},
        Case{10, 90, 30}, Case{-20, 50, 20}}) {
    PutCertificate(IssueFor(key.get().get(), hours{next.From}, hours{next.Until}), "app", "0a0b");
    EXPECT_EQ(began(), next.Taken) << next.From;
  }
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
  PutCertificate(certificate, "app", "0a0b");
  Emulator const emulator;
  emulator.Control(
      "apps", {{"client_id", App}, {"tenant_id", Tenant}, {"certificate_pem", certificate}, {"vault_access", true}});
  options.Transport = emulator.Transport();
  auto const token = ClientCertificateCredential{options}.GetToken(VaultRequest(), {});
  EXPECT_EQ(emulator.ReadSecret(token), 200);
}

}  // namespace
}  // namespace mtlspop::test
