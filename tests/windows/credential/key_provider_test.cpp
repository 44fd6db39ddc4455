// Key tiers on machines that nobody here has: with KeyGuard, without, without a TPM, after a reboot.

#include <algorithm>
#include <future>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "crypto.hpp"
#include "mock_keys.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/transport/log.hpp"
#include "windows/key_providers.hpp"

namespace mtlspop::windows_tests {
namespace {

using testing::_;
using testing::HasSubstr;
using testing::NiceMock;
using testing::Return;

class KeyProviderTest : public testing::Test {
 protected:
  ~KeyProviderTest() override {
    keyGuard_.reset();
    tpm_.reset();
    EXPECT_EQ(keys_->OpenHandles(), 0U) << "handles are left behind";
    EXPECT_EQ(keys_->FreedTwice, 0);
    EXPECT_EQ(mutexes_->Held, 0) << "a mutex is kept";
    EXPECT_EQ(mutexes_->OpenHandles, 0);
  }

  KeyProvider& KeyGuard() {
    if (!keyGuard_) {
      keyGuard_ = windows::MakeKeyGuardKeyProvider(
                      keys_, [this](std::vector<std::uint8_t> const& key) { gone_.push_back(key); }, {}, {}, mutexes_)
                      .get();
    }
    return *keyGuard_;
  }
  KeyProvider& Tpm() {
    if (!tpm_) {
      tpm_ = windows::MakeTpmKeyProvider(
                 keys_, [](std::vector<std::uint8_t> const&) {}, {}, {}, mutexes_)
                 .get();
    }
    return *tpm_;
  }

  static KeyRequest Forced() {
    KeyRequest request;
    request.ForceNew = true;
    return request;
  }

  static ErrorDetails FailureOf(KeyProvider& provider, KeyRequest const& request = {}) {
    try {
      provider.GetOrCreateKey(request, {});
    } catch (Error const& error) {
      return error.Details();
    }
    ADD_FAILURE() << "there was a key";
    return ErrorDetails{ErrorCode{"none"}, {}, {}};
  }

  /// Another process, with mutexes that let it in.
  gsl::not_null<std::shared_ptr<KeyProvider>> Another() {
    return windows::MakeKeyGuardKeyProvider(
        keys_, [](std::vector<std::uint8_t> const&) {}, {}, {}, std::make_shared<NiceMock<MockMutexes>>());
  }
  using PublicKey = std::vector<std::uint8_t>;
  /// While this test's provider waits for the mutex, `meanwhile` happens.
  template <class Meanwhile>
  void WhileItWaits(Meanwhile meanwhile) {
    EXPECT_CALL(*mutexes_, Wait)
        .WillOnce([this, meanwhile](HANDLE, DWORD) {
          meanwhile();
          ++mutexes_->Held;
          return DWORD{WAIT_OBJECT_0};
        })
        .WillRepeatedly(testing::DoDefault());
  }
  void NobodyLetsUsIn() {
    EXPECT_CALL(*mutexes_, Wait).WillRepeatedly(Return(DWORD{WAIT_TIMEOUT}));
    EXPECT_CALL(*keys_, DeleteKey).Times(0);
    EXPECT_CALL(*keys_, CreatePersistedKey).Times(0);
  }

  std::shared_ptr<NiceMock<MockKeys>> keys_ = std::make_shared<NiceMock<MockKeys>>();
  std::shared_ptr<NiceMock<MockMutexes>> mutexes_ = std::make_shared<NiceMock<MockMutexes>>();
  std::vector<std::vector<std::uint8_t>> gone_;
  std::shared_ptr<KeyProvider> keyGuard_;
  std::shared_ptr<KeyProvider> tpm_;
};

TEST_F(KeyProviderTest, AKeyGuardKeyIsIsolatedPerBootAndSigns) {
  EXPECT_CALL(*keys_, CreatePersistedKey(_, _, _, _, 0x20000 | 0x40000));
  auto const key = KeyGuard().GetOrCreateKey({}, {});
  EXPECT_EQ(key->Strength(), KeyStrength::KeyGuard);
  std::vector<std::uint8_t> const data{1, 2, 3};
  EXPECT_TRUE(crypto::VerifyPssSha256(key->SubjectPublicKeyInfo(), data, key->SignPssSha256(data)));
}

TEST_F(KeyProviderTest, ADifferentSignatureIsNoGood) {
  auto const key = KeyGuard().GetOrCreateKey({}, {});
  std::vector<std::uint8_t> const data{1, 2, 3};
  auto signature = key->SignPssSha256(data);
  signature.front() ^= 1U;
  EXPECT_FALSE(crypto::VerifyPssSha256(key->SubjectPublicKeyInfo(), data, signature));
  EXPECT_FALSE(crypto::VerifyPssSha256(data, data, signature));
}

TEST_F(KeyProviderTest, AKeyIsNeverExportable) {
  EXPECT_CALL(*keys_, SetProperty(_, testing::StrEq(NCRYPT_LENGTH_PROPERTY), _, _));
  EXPECT_CALL(*keys_, SetProperty(_, testing::StrEq(NCRYPT_EXPORT_POLICY_PROPERTY), _, sizeof(DWORD)))
      .WillOnce([](NCRYPT_HANDLE, wchar_t const*, BYTE* value, DWORD) {
        EXPECT_EQ(*reinterpret_cast<DWORD*>(value), 0U);
        return SECURITY_STATUS{0};
      });
  KeyGuard().GetOrCreateKey({}, {});
}

TEST_F(KeyProviderTest, FlagsThatAreAcceptedAndIgnoredMakeNoKeyGuardKey) {
  keys_->KeyGuard = MockKeys::Isolation::IsIgnored;
  EXPECT_EQ(FailureOf(KeyGuard()).Code, errors::KeyUnavailable);
  EXPECT_EQ(KeyGuard().HighestStrength(), KeyStrength::None);
  EXPECT_TRUE(keys_->Names().empty()) << "the key that is none is deleted";
  EXPECT_CALL(*keys_, CreatePersistedKey).Times(0);
  EXPECT_EQ(KeyGuard().HighestStrength(), KeyStrength::None) << "and no other one made to be told the same";
}

TEST_F(KeyProviderTest, WithoutVirtualizationBasedSecurityTheErrorSaysWhatToCheck) {
  keys_->KeyGuard = MockKeys::Isolation::IsUnavailable;
  auto const failure = FailureOf(KeyGuard());
  EXPECT_EQ(failure.Code, errors::KeyUnavailable);
  EXPECT_THAT(failure.What, HasSubstr("0x80890014"));
  EXPECT_THAT(failure.Action, HasSubstr("msinfo32"));
}

TEST_F(KeyProviderTest, TheKeyOfThisBootIsOpenedAgain) {
  auto const first = KeyGuard().GetOrCreateKey({}, {})->SubjectPublicKeyInfo();
  keyGuard_.reset();
  EXPECT_EQ(KeyGuard().GetOrCreateKey({}, {})->SubjectPublicKeyInfo(), first);
  EXPECT_TRUE(gone_.empty());
}

TEST_F(KeyProviderTest, AKeyFromBeforeTheLastBootIsReplacedAndItsCertificatesPurged) {
  auto const first = KeyGuard().GetOrCreateKey({}, {})->SubjectPublicKeyInfo();
  keyGuard_.reset();
  keys_->Reboot();
  auto const second = KeyGuard().GetOrCreateKey({}, {});
  EXPECT_NE(second->SubjectPublicKeyInfo(), first);
  EXPECT_THAT(gone_, testing::ElementsAre(first));
  EXPECT_EQ(keys_->Names().size(), 1U);
}

/// What reports of real machines say that opening such a key answers: NTE_VBS_CANNOT_DECRYPT_KEY.
TEST_F(KeyProviderTest, AKeyFromBeforeTheLastBootThatDoesNotEvenOpenIsReplaced) {
  auto const first = KeyGuard().GetOrCreateKey({}, {})->SubjectPublicKeyInfo();
  keyGuard_.reset();
  keys_->Reboot(Status(0x8009003A), Status(0x8009003A));
  EXPECT_EQ(KeyGuard().HighestStrength(), KeyStrength::KeyGuard);
  EXPECT_NE(KeyGuard().GetOrCreateKey({}, {})->SubjectPublicKeyInfo(), first);
  EXPECT_EQ(keys_->Names().size(), 1U);
}

TEST_F(KeyProviderTest, AKeyThatDoesNotOpenSinceIsolationIsOffIsLeftAlone) {
  for (auto const status : {Status(0x80890014), Status(0x80090039)}) {
    KeyGuard().GetOrCreateKey({}, {});
    keyGuard_.reset();
    keys_->Reboot(0, status);
    EXPECT_CALL(*keys_, DeleteKey).Times(0);
    EXPECT_CALL(*keys_, CreatePersistedKey).Times(0);
    EXPECT_EQ(KeyGuard().HighestStrength(), KeyStrength::None);
    EXPECT_THAT(FailureOf(KeyGuard()).Action, HasSubstr("msinfo32"));
    testing::Mock::VerifyAndClearExpectations(keys_.get());
    keyGuard_.reset();
    keys_->Reboot(0, 0);
  }
  EXPECT_TRUE(gone_.empty());
}

/// Nobody here knows what a key of the last boot answers when it is to sign. None of these is a code that is known to
/// mean a dead key; what they have in common is that the key opens and does not sign.
class AnyStatusTest : public KeyProviderTest, public testing::WithParamInterface<SECURITY_STATUS> {
 protected:
  /// A key of the name that is not isolated, from before the reboot.
  void AddDeadForeignKey(wchar_t const* name) {
    keys_->AddForeignKey(name);
    keys_->Reboot(GetParam());
  }
  /// An isolated one.
  PublicKey AddDeadKey(std::string const& name = {}) {
    auto const key = KeyGuard().GetOrCreateKey({KeyStrength::None, name}, {})->SubjectPublicKeyInfo();
    keyGuard_.reset();
    keys_->Reboot(GetParam());
    return key;
  }
  void ExpectThatItStays(KeyProvider& provider, std::string const& name = {}) {
    for (bool const isForced : {false, true}) {
      EXPECT_CALL(*keys_, DeleteKey).Times(0);
      EXPECT_CALL(*keys_, CreatePersistedKey).Times(0);
      EXPECT_EQ(FailureOf(provider, {KeyStrength::None, name, isForced}).Code, errors::KeyUnavailable);
    }
    EXPECT_TRUE(gone_.empty());
  }
};
using AfterTheRebootTest = AnyStatusTest;
using ForNowTest = AnyStatusTest;

INSTANTIATE_TEST_SUITE_P(
    Answers,
    AfterTheRebootTest,
    testing::Values(
        Status(NTE_FAIL),
        Status(NTE_INTERNAL_ERROR),
        Status(NTE_INVALID_HANDLE),
        Status(NTE_INVALID_PARAMETER),
        Status(NTE_NOT_SUPPORTED),
        Status(NTE_NOT_FOUND),
        Status(NTE_BAD_LEN),
        Status(0x80004005),
        Status(0x80280001),
        Status(0xC0000225)));

TEST_P(AfterTheRebootTest, AKeyThatSaysItIsIsolatedIsReplaced) {
  for (auto const* const name : {"", "KeyGuardRSAKey"}) {
    auto const first = AddDeadKey(name);
    EXPECT_NE(KeyGuard().GetOrCreateKey({KeyStrength::None, name}, {})->SubjectPublicKeyInfo(), first);
    EXPECT_THAT(gone_, testing::ElementsAre(first));
    gone_.clear();
    keyGuard_.reset();
  }
  EXPECT_EQ(keys_->Names().size(), 2U);
}

TEST_P(AfterTheRebootTest, AForcedRequestReplacesItToo) {
  auto const first = AddDeadKey();
  EXPECT_NE(KeyGuard().GetOrCreateKey(Forced(), {})->SubjectPublicKeyInfo(), first);
  EXPECT_THAT(gone_, testing::ElementsAre(first));
}

TEST_P(AfterTheRebootTest, AKeyThatSignsTheNextTimeIsNotDead) {
  auto const first = KeyGuard().GetOrCreateKey({}, {})->SubjectPublicKeyInfo();
  for (auto const& request : {KeyRequest{}, Forced()}) {
    keyGuard_.reset();
    EXPECT_CALL(*keys_, DeleteKey).Times(0);
    EXPECT_CALL(*keys_, CreatePersistedKey).Times(0);
    EXPECT_CALL(*keys_, SignHash).WillOnce(Return(GetParam())).WillRepeatedly(testing::DoDefault());
    FailureOf(KeyGuard(), request);
    testing::Mock::VerifyAndClearExpectations(keys_.get());
  }
  EXPECT_EQ(KeyGuard().GetOrCreateKey({}, {})->SubjectPublicKeyInfo(), first);
}

TEST_P(AfterTheRebootTest, WithoutTheMutexItStays) {
  AddDeadKey();
  NobodyLetsUsIn();
  EXPECT_TRUE(FailureOf(KeyGuard()).Transient);
  EXPECT_TRUE(gone_.empty());
}

TEST_P(AfterTheRebootTest, AKeyThatIsNotIsolatedIsSomebodysAndStays) {
  AddDeadForeignKey(L"MtlspopKeyGuardKey");
  ExpectThatItStays(KeyGuard());
  AddDeadForeignKey(L"TheirKey");
  ExpectThatItStays(KeyGuard(), "TheirKey");
}

/// No other program has a reason to use this library's own name.
TEST_P(AfterTheRebootTest, AKeyThatDoesNotSayWhetherItIsIsolatedIsReplacedUnderTheLibrarysOwnName) {
  auto const first = AddDeadKey();
  EXPECT_CALL(*keys_, GetProperty)
      .WillOnce(Return(static_cast<SECURITY_STATUS>(NTE_INTERNAL_ERROR)))
      .WillOnce(Return(static_cast<SECURITY_STATUS>(NTE_INTERNAL_ERROR)))
      .WillRepeatedly(testing::DoDefault());
  EXPECT_NE(KeyGuard().GetOrCreateKey({}, {})->SubjectPublicKeyInfo(), first);
}

TEST_P(AfterTheRebootTest, AKeyThatDoesNotSayWhetherItIsIsolatedStaysUnderAnotherName) {
  AddDeadKey("KeyGuardRSAKey");
  keys_->IsolationStatus = NTE_INTERNAL_ERROR;
  ExpectThatItStays(KeyGuard(), "KeyGuardRSAKey");
}

/// Another program's, that lives and is there to agree on secrets, say.
TEST_P(AfterTheRebootTest, AnIsolatedKeyOfAnotherAlgorithmStays) {
  AddDeadKey("TheirKey");
  EXPECT_CALL(*keys_, ExportKey).WillRepeatedly(Return(static_cast<SECURITY_STATUS>(NTE_NOT_SUPPORTED)));
  ExpectThatItStays(KeyGuard(), "TheirKey");
}

TEST_P(AfterTheRebootTest, ATpmsKeyStays) {
  Tpm().GetOrCreateKey({}, {});
  tpm_.reset();
  keys_->Reboot(GetParam());
  ExpectThatItStays(Tpm());
}

INSTANTIATE_TEST_SUITE_P(
    Answers,
    ForNowTest,
    testing::Values(
        Status(NTE_NO_MEMORY),
        Status(NTE_PERM),
        Status(NTE_SILENT_CONTEXT),
        Status(NTE_UI_REQUIRED),
        Status(NTE_DEVICE_NOT_READY),
        Status(NTE_DEVICE_NOT_FOUND),
        Status(0x80090039),
        Status(0x80890014),
        Status(0x80070005),
        Status(0x8007000E),
        Status(0x800706BA),
        Status(0x800706BE),
        Status(0x6BA)));

TEST_P(ForNowTest, AKeyThatDoesNotSignForAReasonThatMayPassIsKept) {
  AddDeadKey();
  ExpectThatItStays(KeyGuard());
}

/// Both find the key of the last boot dead, and the other one is first.
TEST_F(KeyProviderTest, AKeyThatAnotherProcessMadeAfterTheBootIsTakenAndNotReplacedAgain) {
  KeyGuard().GetOrCreateKey({}, {});
  keyGuard_.reset();
  keys_->Reboot();
  auto const other = Another();
  PublicKey theirs;
  WhileItWaits([&] { theirs = other->GetOrCreateKey({}, {})->SubjectPublicKeyInfo(); });
  EXPECT_EQ(KeyGuard().GetOrCreateKey({}, {})->SubjectPublicKeyInfo(), theirs);
  keyGuard_.reset();
  EXPECT_EQ(KeyGuard().GetOrCreateKey({}, {})->SubjectPublicKeyInfo(), theirs) << "and is still there";
}

TEST_F(KeyProviderTest, AKeyThatAnotherProcessMadeWhileThisOneWaitedIsTaken) {
  auto const other = Another();
  PublicKey theirs;
  WhileItWaits([&] { theirs = other->GetOrCreateKey({}, {})->SubjectPublicKeyInfo(); });
  EXPECT_EQ(KeyGuard().GetOrCreateKey({}, {})->SubjectPublicKeyInfo(), theirs);
}

TEST_F(KeyProviderTest, AKeyThatAnotherProcessPutInThePlaceOfTheRefusedOneIsTaken) {
  auto const other = Another();
  other->GetOrCreateKey({}, {});
  PublicKey theirs;
  WhileItWaits([&] { theirs = other->GetOrCreateKey(Forced(), {})->SubjectPublicKeyInfo(); });
  EXPECT_EQ(KeyGuard().GetOrCreateKey(Forced(), {})->SubjectPublicKeyInfo(), theirs);
}

/// The provider never saw the refused key, since the binding came from a store.
TEST_F(KeyProviderTest, ARequestThatNamesTheRefusedKeyOverwritesNoOther) {
  auto const other = Another();
  auto request = Forced();
  request.Refused = other->GetOrCreateKey({}, {})->SubjectPublicKeyInfo();
  auto const theirs = other->GetOrCreateKey(Forced(), {})->SubjectPublicKeyInfo();
  EXPECT_EQ(KeyGuard().GetOrCreateKey(request, {})->SubjectPublicKeyInfo(), theirs);
  request.Refused = theirs;
  EXPECT_NE(KeyGuard().GetOrCreateKey(request, {})->SubjectPublicKeyInfo(), theirs);
  EXPECT_THAT(gone_, testing::ElementsAre(theirs));
}

TEST_F(KeyProviderTest, ALivingKeyIsTakenWithoutTheMutex) {
  auto const first = KeyGuard().GetOrCreateKey({}, {})->SubjectPublicKeyInfo();
  keyGuard_.reset();
  EXPECT_CALL(*mutexes_, OpenNamedMutex).Times(0);
  EXPECT_EQ(KeyGuard().GetOrCreateKey({}, {})->SubjectPublicKeyInfo(), first);
}

TEST_F(KeyProviderTest, WithoutTheMutexNothingIsMadeAndNothingDestroyed) {
  NobodyLetsUsIn();
  auto failure = FailureOf(KeyGuard());
  EXPECT_EQ(failure.Code, errors::KeyUnavailable);
  EXPECT_TRUE(failure.Transient);
  EXPECT_EQ(KeyGuard().HighestStrength(), KeyStrength::None);
  testing::Mock::VerifyAndClearExpectations(keys_.get());

  Another()->GetOrCreateKey({}, {});
  NobodyLetsUsIn();
  failure = FailureOf(KeyGuard(), Forced());
  EXPECT_EQ(failure.Code, errors::KeyUnavailable);
  EXPECT_TRUE(failure.Transient);

  keys_->Reboot();
  failure = FailureOf(KeyGuard());
  EXPECT_EQ(failure.Code, errors::KeyUnavailable);
  EXPECT_TRUE(failure.Transient);
  EXPECT_TRUE(gone_.empty());
}

TEST_F(KeyProviderTest, WhereThereIsNoMutexNothingIsDestroyedEither) {
  KeyGuard().GetOrCreateKey({}, {});
  keyGuard_.reset();
  keys_->Reboot();
  EXPECT_CALL(*keys_, DeleteKey).Times(0);
  EXPECT_CALL(*keys_, CreatePersistedKey).Times(0);
  EXPECT_CALL(*mutexes_, OpenNamedMutex).WillOnce(Return(nullptr));
  EXPECT_EQ(FailureOf(KeyGuard()).Code, errors::KeyUnavailable);
  EXPECT_CALL(*mutexes_, CurrentUser).WillOnce(Return(std::wstring{}));
  EXPECT_EQ(FailureOf(KeyGuard()).Code, errors::KeyUnavailable);
}

/// It was let go of in the moment in which the wait ended, say.
TEST_F(KeyProviderTest, WithoutTheMutexAKeyThatLivesByThenIsUsed) {
  auto const other = Another();
  PublicKey theirs;
  EXPECT_CALL(*mutexes_, Wait).WillOnce([&](HANDLE, DWORD) {
    theirs = other->GetOrCreateKey({}, {})->SubjectPublicKeyInfo();
    return DWORD{WAIT_TIMEOUT};
  });
  EXPECT_EQ(KeyGuard().GetOrCreateKey({}, {})->SubjectPublicKeyInfo(), theirs);
}

TEST_F(KeyProviderTest, NobodyWaitsLongerForTheMutexThanItsContextLives) {
  EXPECT_CALL(*mutexes_, Wait(_, testing::Le(201U))).WillOnce(Return(DWORD{WAIT_TIMEOUT}));
  EXPECT_THROW(KeyGuard().GetOrCreateKey({}, Context{}.WithTimeout(std::chrono::milliseconds{200})), Error);
  testing::Mock::VerifyAndClearExpectations(mutexes_.get());
  EXPECT_CALL(*mutexes_, Wait(_, 10'000)).WillOnce(Return(DWORD{WAIT_TIMEOUT}));
  FailureOf(KeyGuard());
  testing::Mock::VerifyAndClearExpectations(mutexes_.get());
  EXPECT_CALL(*mutexes_, Wait(_, 2'000)).WillOnce(Return(DWORD{WAIT_TIMEOUT}));
  EXPECT_EQ(KeyGuard().HighestStrength(), KeyStrength::None);
}

TEST_F(KeyProviderTest, WhoCancelsDoesNotWaitForTheMutex) {
  auto const context = Context{}.WithCancellation();
  EXPECT_CALL(*mutexes_, Wait).WillOnce(Return(DWORD{WAIT_TIMEOUT})).WillOnce([&](HANDLE, DWORD milliseconds) {
    EXPECT_LE(milliseconds, 100U);
    context.Cancel();
    return DWORD{WAIT_TIMEOUT};
  });
  try {
    KeyGuard().GetOrCreateKey({}, context);
    ADD_FAILURE() << "there was a key";
  } catch (Error const& error) {
    EXPECT_EQ(error.Code(), errors::Cancelled);
  }
}

TEST_F(KeyProviderTest, TheMutexIsOneForAllSessionsOfTheUserAndForEachKey) {
  std::vector<std::wstring> names;
  EXPECT_CALL(*mutexes_, OpenNamedMutex(_, testing::StrEq(L"D:P(A;;GA;;;S-1-5-21-1)(A;;GA;;;SY)")))
      .WillRepeatedly([&](wchar_t const* name, wchar_t const*) {
        names.emplace_back(name);
        return HANDLE{nullptr};
      });
  for (auto const* const name : {"key", "KEY", "another"}) {
    FailureOf(KeyGuard(), {KeyStrength::None, name});
  }
  FailureOf(Tpm(), {KeyStrength::None, "key"});
  ASSERT_EQ(names.size(), 4U);
  EXPECT_EQ(names[0].rfind(L"Global\\mtlspop-S-1-5-21-1-key-", 0), 0U);
  EXPECT_EQ(names[1], names[0]) << "Windows takes them for one name";
  EXPECT_NE(names[2], names[0]);
  EXPECT_NE(names[3], names[0]) << "a key of another provider";
}

TEST_F(KeyProviderTest, AKeyThatDiesBeforeItIsOpenedIsReplaced) {
  auto const first = KeyGuard().GetOrCreateKey({}, {})->SubjectPublicKeyInfo();
  keyGuard_.reset();
  EXPECT_CALL(*keys_, OpenKey).WillRepeatedly(Return(static_cast<SECURITY_STATUS>(NTE_BAD_KEY_STATE)));
  EXPECT_NE(KeyGuard().GetOrCreateKey({}, {})->SubjectPublicKeyInfo(), first);
}

/// Somebody gave MSAL_MSI_V2_KEY_NAME the name of another program's key.
TEST_F(KeyProviderTest, ALivingKeyThatIsNotIsolatedIsSomebodysAndStays) {
  keys_->AddForeignKey(L"TheirKey");
  EXPECT_CALL(*keys_, DeleteKey).Times(0);
  EXPECT_CALL(*keys_, CreatePersistedKey).Times(0);
  for (bool const isForced : {false, true}) {
    auto const failure = FailureOf(KeyGuard(), {KeyStrength::KeyGuard, "TheirKey", isForced});
    EXPECT_EQ(failure.Code, errors::KeyUnavailable);
    EXPECT_THAT(failure.What, HasSubstr("TheirKey"));
    EXPECT_THAT(failure.Action, HasSubstr("MSAL_MSI_V2_KEY_NAME"));
    EXPECT_THAT(failure.Action, HasSubstr("-delkey"));
    EXPECT_FALSE(failure.Transient);
  }
  EXPECT_TRUE(gone_.empty());
}

TEST_F(KeyProviderTest, ALivingKeyThatIsTooShortStaysToo) {
  keys_->AddForeignKey(L"TheirKey", 1024);
  EXPECT_CALL(*keys_, DeleteKey).Times(0);
  EXPECT_CALL(*keys_, CreatePersistedKey).Times(0);
  auto const failure = FailureOf(KeyGuard(), {KeyStrength::KeyGuard, "TheirKey", true});
  EXPECT_EQ(failure.Code, errors::KeyUnavailable);
  EXPECT_THAT(failure.What, HasSubstr("TheirKey"));
  EXPECT_THAT(failure.What, HasSubstr("2048"));
}

/// Of another algorithm, say. It is this key that cannot, not the machine.
TEST_F(KeyProviderTest, ALivingKeyThatCannotSignAsAskedStaysToo) {
  keys_->AddForeignKey(L"TheirKey");
  EXPECT_CALL(*keys_, DeleteKey).Times(0);
  EXPECT_CALL(*keys_, CreatePersistedKey).Times(0);
  EXPECT_CALL(*keys_, SignHash).WillRepeatedly(Return(static_cast<SECURITY_STATUS>(NTE_NOT_SUPPORTED)));
  auto const failure = FailureOf(KeyGuard(), {KeyStrength::KeyGuard, "TheirKey", true});
  EXPECT_EQ(failure.Code, errors::KeyUnavailable);
  EXPECT_THAT(failure.What, HasSubstr("TheirKey"));
}

TEST_F(KeyProviderTest, ADeadKeyThatIsNotIsolatedIsReplaced) {
  keys_->AddForeignKey(L"TheirKey");
  keys_->Reboot();
  EXPECT_EQ(KeyGuard().GetOrCreateKey({KeyStrength::KeyGuard, "TheirKey"}, {})->Strength(), KeyStrength::KeyGuard);
  EXPECT_EQ(gone_.size(), 1U);
}

TEST_F(KeyProviderTest, WhereTheNameIsTakenTheNextTierServesIfItMay) {
  keys_->AddForeignKey(L"TheirKey");
  auto const chain = MakeKeyProviderChain(
      {windows::MakeKeyGuardKeyProvider(
           keys_, [](auto const&) {}, {}, "TheirKey", mutexes_),
       windows::MakeTpmKeyProvider(
           keys_, [](auto const&) {}, {}, "TheirKey", mutexes_)});
  EXPECT_EQ(chain->HighestStrength(), KeyStrength::Hardware);
  EXPECT_EQ(chain->GetOrCreateKey({KeyStrength::Hardware}, {})->Strength(), KeyStrength::Hardware);
  auto const failure = FailureOf(*chain, {KeyStrength::KeyGuard});
  EXPECT_EQ(failure.Code, errors::KeyUnavailable);
  EXPECT_THAT(failure.What, HasSubstr("TheirKey"));
}

TEST_F(KeyProviderTest, AForcedKeyIsANewOneAndTheOldOnesCertificatesArePurged) {
  auto const first = KeyGuard().GetOrCreateKey({}, {})->SubjectPublicKeyInfo();
  EXPECT_NE(KeyGuard().GetOrCreateKey(Forced(), {})->SubjectPublicKeyInfo(), first);
  EXPECT_THAT(gone_, testing::ElementsAre(first));
  EXPECT_EQ(keys_->Names().size(), 1U);
}

/// The old one is gone by then, and its certificates are of no use to anybody.
TEST_F(KeyProviderTest, AForcedKeyThatTurnsOutUselessHasReplacedTheOldOneAllTheSame) {
  auto const first = KeyGuard().GetOrCreateKey({}, {})->SubjectPublicKeyInfo();
  keys_->KeyGuard = MockKeys::Isolation::IsIgnored;
  EXPECT_THAT(FailureOf(KeyGuard(), Forced()).What, HasSubstr("not isolated"));
  EXPECT_THAT(gone_, testing::ElementsAre(first));
}

TEST_F(KeyProviderTest, AForcedKeyThatCannotBeMadeReplacesNone) {
  KeyGuard().GetOrCreateKey({}, {});
  EXPECT_CALL(*keys_, FinalizeKey).WillOnce(Return(static_cast<SECURITY_STATUS>(NTE_DEVICE_NOT_READY)));
  EXPECT_THAT(FailureOf(KeyGuard(), Forced()).What, HasSubstr("finished"));
  EXPECT_TRUE(gone_.empty());
}

TEST_F(KeyProviderTest, ALongerPropertyIsReadAsWell) {
  for (DWORD const bytes : {4U, 8U, 64U}) {
    keys_->IsolationBytes = bytes;
    EXPECT_EQ(KeyGuard().GetOrCreateKey(Forced(), {})->Strength(), KeyStrength::KeyGuard) << bytes;
  }
}

/// Somebody of another account has made the mutex first, and lets this one's user in or not.
TEST_F(KeyProviderTest, AMutexOfAnotherAccountIsNamedAndKeepsNobodyFromALivingKey) {
  auto const first = KeyGuard().GetOrCreateKey({}, {})->SubjectPublicKeyInfo();
  keyGuard_.reset();
  EXPECT_CALL(*mutexes_, Wait).WillRepeatedly(Return(DWORD{WAIT_TIMEOUT}));
  EXPECT_CALL(*mutexes_, OwnerOf).WillRepeatedly(Return(L"S-1-5-21-666"));
  EXPECT_EQ(KeyGuard().GetOrCreateKey({}, {})->SubjectPublicKeyInfo(), first);
  auto failure = FailureOf(KeyGuard(), Forced());
  EXPECT_EQ(failure.Code, errors::KeyUnavailable);
  EXPECT_THAT(failure.What, HasSubstr("S-1-5-21-666"));
  EXPECT_THAT(failure.What, HasSubstr("Global\\mtlspop-S-1-5-21-1-key-"));
  EXPECT_CALL(*mutexes_, OpenNamedMutex).WillRepeatedly([](wchar_t const*, wchar_t const*) {
    SetLastError(ERROR_ACCESS_DENIED);
    return HANDLE{nullptr};
  });
  EXPECT_EQ(KeyGuard().GetOrCreateKey({}, {})->SubjectPublicKeyInfo(), first);
  failure = FailureOf(KeyGuard(), Forced());
  EXPECT_THAT(failure.What, HasSubstr("another account"));
  EXPECT_THAT(failure.What, HasSubstr("Global\\mtlspop-S-1-5-21-1-key-"));
}

/// One makes a key, or waits for another process: the others' requests end when they are to.
TEST_F(KeyProviderTest, WhoWaitsForAnotherThreadWaitsNoLongerThanItsContextLives) {
  std::promise<void> isWaiting;
  std::promise<void> goOn;
  EXPECT_CALL(*mutexes_, Wait).WillOnce([&](HANDLE, DWORD) {
    isWaiting.set_value();
    goOn.get_future().wait();
    ++mutexes_->Held;
    return DWORD{WAIT_OBJECT_0};
  });
  auto& provider = KeyGuard();
  std::thread maker{[&] { EXPECT_EQ(provider.GetOrCreateKey({}, {})->Strength(), KeyStrength::KeyGuard); }};
  isWaiting.get_future().wait();
  auto const codeWith = [&](Context const& context) {
    try {
      provider.GetOrCreateKey({}, context);
    } catch (Error const& error) {
      return error.Code();
    }
    return ErrorCode{"none"};
  };
  EXPECT_EQ(codeWith(Context{}.WithTimeout(std::chrono::milliseconds{30})), errors::DeadlineExceeded);
  auto const context = Context{}.WithCancellation();
  std::thread canceller{[&] { context.Cancel(); }};
  EXPECT_EQ(codeWith(context), errors::Cancelled);
  canceller.join();
  goOn.set_value();
  maker.join();
  EXPECT_EQ(codeWith({}), ErrorCode{"none"});
}

/// A sink that logs into something that needs a token, say.
TEST_F(KeyProviderTest, WhoIsToldOfAKeyMayAskForOne) {
  std::shared_ptr<KeyProvider> provider;
  int told = 0;
  auto const ask = [&] {
    ++told;
    EXPECT_EQ(provider->GetOrCreateKey({}, {})->Strength(), KeyStrength::KeyGuard);
    EXPECT_EQ(provider->HighestStrength(), KeyStrength::KeyGuard);
  };
  EventSink const log{MakeLog([&](Severity, std::string_view) { ask(); }, Severity::Debug)};
  provider = windows::MakeKeyGuardKeyProvider(
                 keys_, [&](auto const&) { ask(); }, log, {}, mutexes_)
                 .get();
  provider->GetOrCreateKey({}, {});
  EXPECT_EQ(told, 0);
  provider->GetOrCreateKey(Forced(), {});
  EXPECT_EQ(told, 2) << "key.replaced, and the old key's certificates";
}

TEST_F(KeyProviderTest, AForcedKeyReplacesOneOfAnotherProcess) {
  auto const first = KeyGuard().GetOrCreateKey({}, {})->SubjectPublicKeyInfo();
  keyGuard_.reset();
  EXPECT_NE(KeyGuard().GetOrCreateKey(Forced(), {})->SubjectPublicKeyInfo(), first);
  EXPECT_THAT(gone_, testing::ElementsAre(first));
}

/// They share the name of the key. If each overwrote the other's, both would mint new certificates for ever.
TEST_F(KeyProviderTest, TwoIdentitiesThatForceNewKeysComeToRest) {
  auto const other = windows::MakeKeyGuardKeyProvider(keys_, [](auto const&) {}, {});
  auto const first = KeyGuard().GetOrCreateKey({}, {})->SubjectPublicKeyInfo();
  ASSERT_EQ(other->GetOrCreateKey({}, {})->SubjectPublicKeyInfo(), first);
  auto const replaced = KeyGuard().GetOrCreateKey(Forced(), {})->SubjectPublicKeyInfo();
  ASSERT_NE(replaced, first);
  EXPECT_EQ(other->GetOrCreateKey(Forced(), {})->SubjectPublicKeyInfo(), replaced);
  EXPECT_EQ(KeyGuard().GetOrCreateKey({}, {})->SubjectPublicKeyInfo(), replaced);
  EXPECT_NE(other->GetOrCreateKey(Forced(), {})->SubjectPublicKeyInfo(), replaced) << "its own last one is no good";
}

TEST_F(KeyProviderTest, AKeyThatAnotherProcessMadeMeanwhileIsNotOverwritten) {
  auto const first = KeyGuard().GetOrCreateKey({}, {})->SubjectPublicKeyInfo();
  keyGuard_.reset();
  EXPECT_CALL(*keys_, OpenKey)
      .WillOnce(Return(static_cast<SECURITY_STATUS>(NTE_BAD_KEYSET)))
      .WillRepeatedly(testing::DoDefault());
  EXPECT_EQ(KeyGuard().GetOrCreateKey({}, {})->SubjectPublicKeyInfo(), first);
  EXPECT_TRUE(gone_.empty());
}

TEST_F(KeyProviderTest, AKeyThatIsThereAndDoesNotOpenIsReplaced) {
  auto const first = KeyGuard().GetOrCreateKey({}, {})->SubjectPublicKeyInfo();
  keyGuard_.reset();
  EXPECT_CALL(*keys_, OpenKey).WillRepeatedly(Return(static_cast<SECURITY_STATUS>(NTE_BAD_KEYSET)));
  EXPECT_NE(KeyGuard().GetOrCreateKey({}, {})->SubjectPublicKeyInfo(), first);
}

TEST_F(KeyProviderTest, AKeyThatCannotBeOpenedForAnotherReasonIsNotOverwritten) {
  auto const first = KeyGuard().GetOrCreateKey({}, {})->SubjectPublicKeyInfo();
  keyGuard_.reset();
  for (auto const& request : {KeyRequest{}, Forced()}) {
    EXPECT_CALL(*keys_, OpenKey).WillRepeatedly(Return(static_cast<SECURITY_STATUS>(NTE_PERM)));
    EXPECT_CALL(*keys_, CreatePersistedKey).Times(0);
    auto const failure = FailureOf(KeyGuard(), request);
    EXPECT_EQ(failure.Code, errors::KeyUnavailable);
    EXPECT_THAT(failure.What, HasSubstr("0x80090010"));
    testing::Mock::VerifyAndClearExpectations(keys_.get());
  }
  EXPECT_EQ(KeyGuard().GetOrCreateKey({}, {})->SubjectPublicKeyInfo(), first);
  EXPECT_TRUE(gone_.empty());
}

TEST_F(KeyProviderTest, AKeyThatDoesNotSignForAPassingReasonIsKept) {
  auto const first = KeyGuard().GetOrCreateKey({}, {})->SubjectPublicKeyInfo();
  keyGuard_.reset();
  EXPECT_CALL(*keys_, SignHash).WillOnce(Return(static_cast<SECURITY_STATUS>(NTE_NO_MEMORY)));
  EXPECT_CALL(*keys_, DeleteKey).Times(0);
  EXPECT_EQ(FailureOf(KeyGuard()).Code, errors::KeyUnavailable);
  testing::Mock::VerifyAndClearExpectations(keys_.get());
  EXPECT_CALL(*keys_, GetProperty).WillOnce(Return(static_cast<SECURITY_STATUS>(NTE_INTERNAL_ERROR)));
  EXPECT_EQ(FailureOf(KeyGuard()).Code, errors::KeyUnavailable);
  testing::Mock::VerifyAndClearExpectations(keys_.get());
  EXPECT_EQ(KeyGuard().GetOrCreateKey({}, {})->SubjectPublicKeyInfo(), first);
  EXPECT_TRUE(gone_.empty());
}

TEST_F(KeyProviderTest, APropertyThatSaysNoMakesNoKeyGuardKey) {
  EXPECT_CALL(*keys_, GetProperty)
      .WillRepeatedly([](NCRYPT_HANDLE, wchar_t const*, BYTE* value, DWORD bytes, DWORD* needed) {
        std::fill_n(value, bytes, BYTE{0});
        *needed = bytes;
        return SECURITY_STATUS{0};
      });
  EXPECT_EQ(FailureOf(KeyGuard()).Code, errors::KeyUnavailable);
}

TEST_F(KeyProviderTest, TheNameOfTheRequestNamesTheKey) {
  KeyRequest request;
  request.Name = "KeyGuardRSAKey";
  KeyGuard().GetOrCreateKey(request, {});
  EXPECT_THAT(keys_->Names(), testing::ElementsAre(L"KeyGuardRSAKey"));
}

TEST_F(KeyProviderTest, WithoutATpmThereIsNoHardwareKey) {
  keys_->HasTpm = false;
  EXPECT_EQ(Tpm().HighestStrength(), KeyStrength::None);
  EXPECT_THAT(FailureOf(Tpm()).Action, HasSubstr("TPM"));
}

TEST_F(KeyProviderTest, AProviderThatDoesNotSayThatItIsHardwareIsNoTpm) {
  for (DWORD const implementation :
       {DWORD{0}, DWORD{NCRYPT_IMPL_SOFTWARE_FLAG}, DWORD{NCRYPT_IMPL_HARDWARE_RNG_FLAG}}) {
    keys_->TpmImplementation = implementation;
    EXPECT_EQ(Tpm().HighestStrength(), KeyStrength::None) << implementation;
    EXPECT_THAT(FailureOf(Tpm()).What, HasSubstr("does not say that it is hardware")) << implementation;
    EXPECT_TRUE(keys_->Names().empty()) << "a key was made all the same";
    tpm_.reset();
  }
}

TEST_F(KeyProviderTest, AFailureThatPassesIsNotRemembered) {
  EXPECT_CALL(*keys_, CreatePersistedKey)
      .WillOnce(Return(static_cast<SECURITY_STATUS>(NTE_DEVICE_NOT_READY)))
      .WillRepeatedly(testing::DoDefault());
  EXPECT_EQ(KeyGuard().HighestStrength(), KeyStrength::None);
  EXPECT_EQ(KeyGuard().HighestStrength(), KeyStrength::KeyGuard);
  EXPECT_CALL(*keys_, OpenStorageProvider)
      .WillOnce(Return(static_cast<SECURITY_STATUS>(NTE_PROVIDER_DLL_FAIL)))
      .WillRepeatedly(testing::DoDefault());
  EXPECT_EQ(Tpm().HighestStrength(), KeyStrength::None);
  EXPECT_EQ(Tpm().HighestStrength(), KeyStrength::Hardware);
}

TEST_F(KeyProviderTest, AChainTriesAgainWhatFailedOnce) {
  EXPECT_CALL(*keys_, CreatePersistedKey)
      .WillOnce(Return(static_cast<SECURITY_STATUS>(NTE_DEVICE_NOT_READY)))
      .WillRepeatedly(testing::DoDefault());
  auto const chain = MakeKeyProviderChain({windows::MakeKeyGuardKeyProvider(keys_, [](auto const&) {}, {})});
  EXPECT_EQ(chain->HighestStrength(), KeyStrength::None);
  EXPECT_EQ(chain->GetOrCreateKey({}, {})->Strength(), KeyStrength::KeyGuard);
}

TEST_F(KeyProviderTest, AChainSaysWhetherAStrongKeyCannotBeHadAtAllOrJustNow) {
  auto const chain = MakeKeyProviderChain(
      {windows::MakeKeyGuardKeyProvider(keys_, [](auto const&) {}, {}), windows::MakeSoftwareKeyProvider(keys_)});
  EXPECT_CALL(*keys_, CreatePersistedKey).WillRepeatedly(Return(static_cast<SECURITY_STATUS>(NTE_DEVICE_NOT_READY)));
  auto failure = FailureOf(*chain, {KeyStrength::KeyGuard});
  EXPECT_EQ(failure.Code, errors::KeyUnavailable);
  EXPECT_TRUE(failure.Transient);
  EXPECT_CALL(*keys_, CreatePersistedKey).WillRepeatedly(Return(static_cast<SECURITY_STATUS>(0x80890014)));
  failure = FailureOf(*chain, {KeyStrength::KeyGuard});
  EXPECT_EQ(failure.Code, errors::MinimumStrengthNotAvailable);
}

TEST_F(KeyProviderTest, WhatTheMachineCannotDoIsAskedOnce) {
  for (auto const status :
       {static_cast<SECURITY_STATUS>(0x80890014), static_cast<SECURITY_STATUS>(NTE_NOT_SUPPORTED)}) {
    EXPECT_CALL(*keys_, CreatePersistedKey).WillOnce(Return(status));
    auto const provider = windows::MakeKeyGuardKeyProvider(keys_, [](auto const&) {}, {});
    EXPECT_EQ(provider->HighestStrength(), KeyStrength::None);
    EXPECT_EQ(provider->HighestStrength(), KeyStrength::None);
    testing::Mock::VerifyAndClearExpectations(keys_.get());
  }
}

TEST_F(KeyProviderTest, TheProbeMakesTheKeyThatWillBeUsed) {
  auto const provider = windows::MakeKeyGuardKeyProvider(
      keys_, [](auto const&) {}, {}, "KeyGuardRSAKey");
  EXPECT_EQ(provider->HighestStrength(), KeyStrength::KeyGuard);
  EXPECT_THAT(keys_->Names(), testing::ElementsAre(L"KeyGuardRSAKey"));
}

TEST_F(KeyProviderTest, AskingWhetherThereIsATpmMakesNoKey) {
  EXPECT_CALL(*keys_, CreatePersistedKey).Times(0);
  EXPECT_EQ(Tpm().HighestStrength(), KeyStrength::Hardware);
}

TEST_F(KeyProviderTest, NothingWeakerThanAskedForIsMade) {
  KeyRequest request;
  request.MinimumStrength = KeyStrength::KeyGuard;
  EXPECT_CALL(*keys_, CreatePersistedKey).Times(0);
  EXPECT_EQ(FailureOf(Tpm(), request).Code, errors::MinimumStrengthNotAvailable);
  auto const software = windows::MakeSoftwareKeyProvider(keys_);
  request.MinimumStrength = KeyStrength::Hardware;
  EXPECT_EQ(FailureOf(*software, request).Code, errors::MinimumStrengthNotAvailable);
}

TEST_F(KeyProviderTest, TheTiersAreTriedStrongestFirst) {
  keys_->KeyGuard = MockKeys::Isolation::IsUnavailable;
  auto const chain = MakeKeyProviderChain(
      {windows::MakeKeyGuardKeyProvider(keys_, [](auto const&) {}, {}),
       windows::MakeTpmKeyProvider(keys_, [](auto const&) {}, {}), windows::MakeSoftwareKeyProvider(keys_)});
  EXPECT_EQ(chain->HighestStrength(), KeyStrength::Hardware);
  EXPECT_EQ(chain->GetOrCreateKey({}, {})->Strength(), KeyStrength::Hardware);
  keys_->HasTpm = false;
}

TEST_F(KeyProviderTest, ATpmThatIsNotReadyIsPassedOver) {
  keys_->KeyGuard = MockKeys::Isolation::IsUnavailable;
  EXPECT_CALL(*keys_, CreatePersistedKey)
      .WillOnce(Return(static_cast<SECURITY_STATUS>(0x80890014)))
      .WillOnce(Return(static_cast<SECURITY_STATUS>(NTE_DEVICE_NOT_READY)))
      .WillRepeatedly(testing::DoDefault());
  auto const chain = MakeKeyProviderChain(
      {windows::MakeKeyGuardKeyProvider(keys_, [](auto const&) {}, {}),
       windows::MakeTpmKeyProvider(keys_, [](auto const&) {}, {}), windows::MakeSoftwareKeyProvider(keys_)});
  EXPECT_EQ(chain->GetOrCreateKey({}, {})->Strength(), KeyStrength::Software);
}

TEST_F(KeyProviderTest, ASoftwareKeyHasANameOfItsOwnAndIsDeletedWithItsLastOwner) {
  {
    auto const provider = windows::MakeSoftwareKeyProvider(keys_);
    auto const first = provider->GetOrCreateKey({}, {});
    auto const second = provider->GetOrCreateKey({}, {});
    EXPECT_NE(first->SubjectPublicKeyInfo(), second->SubjectPublicKeyInfo());
    EXPECT_EQ(keys_->Names().size(), 2U);
    auto const handle = first->Handle();
    EXPECT_EQ(keys_->OpenHandles(), 2U);
  }
  EXPECT_TRUE(keys_->Names().empty());
}

TEST_F(KeyProviderTest, EveryFailureOnTheWayGivesBackItsHandles) {
  for (int step = 0; step < 3; ++step) {
    auto const fails = Return(static_cast<SECURITY_STATUS>(NTE_FAIL));
    if (step == 0) {
      EXPECT_CALL(*keys_, SetProperty).WillOnce(fails);
    } else if (step == 1) {
      EXPECT_CALL(*keys_, FinalizeKey).WillOnce(fails);
    } else {
      EXPECT_CALL(*keys_, ExportKey).WillRepeatedly(fails);
    }
    EXPECT_EQ(FailureOf(KeyGuard()).Code, errors::KeyUnavailable);
    testing::Mock::VerifyAndClearExpectations(keys_.get());
    EXPECT_EQ(keys_->OpenHandles(), 0U) << "after step " << step;
  }
}

TEST_F(KeyProviderTest, TheKeyLivesAsLongAsSomebodySignsWithIt) {
  auto handle = [this] {
    auto const key = KeyGuard().GetOrCreateKey({}, {});
    return key->Handle();
  }();
  keyGuard_.reset();
  EXPECT_EQ(keys_->OpenHandles(), 1U);
}

}  // namespace
}  // namespace mtlspop::windows_tests
