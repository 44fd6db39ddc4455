// Attestation with a library that has the exports of Microsoft's.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <future>
#include <mutex>
#include <thread>

#include <windows.h>

#include <tlhelp32.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mock_keys.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/credential/windows.hpp"
#include "mtlspop/transport/log.hpp"
#include "test_certificates.hpp"
#include "windows/attestation_provider.hpp"
#include "windows/cng_key.hpp"
#include "windows/key_providers.hpp"

namespace mtlspop::windows_tests {
namespace {

using testing::_;
using testing::HasSubstr;
using testing::NiceMock;
using testing::Not;
using testing::Return;

constexpr DWORD SearchFlags = LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | LOAD_LIBRARY_SEARCH_SYSTEM32;

std::filesystem::path TestLibrary() {
  wchar_t program[MAX_PATH]{};
  GetModuleFileNameW(nullptr, program, MAX_PATH);
  return std::filesystem::path{program}.replace_filename(L"test_attestation_client_lib.dll");
}

/// A signature that Windows trusts, by the subject.
windows::SignatureCheck SignedBy(std::wstring const& subject) {
  static auto const publicKey = windows::MakeSoftwareKeyProvider(std::make_shared<NiceMock<MockKeys>>())
                                    ->GetOrCreateKey({}, {})
                                    ->SubjectPublicKeyInfo();
  CertificateText text;
  text.Subject = subject;
  return {0, MakeCertificateFor(publicKey, text), true};
}

windows::SignatureCheck const& SignedByMicrosoft() {
  static auto const check =
      SignedBy(L"CN=Microsoft Corporation, O=Microsoft Corporation, L=Redmond, S=Washington, C=US");
  return check;
}

/// Threads of this process.
int CountThreads() {
  auto* const snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0);
  THREADENTRY32 thread{};
  thread.dwSize = sizeof thread;
  int count = 0;
  for (auto found = Thread32First(snapshot, &thread); found != FALSE; found = Thread32Next(snapshot, &thread)) {
    count += thread.th32OwnerProcessID == GetCurrentProcessId() ? 1 : 0;
  }
  CloseHandle(snapshot);
  return count;
}

/// Windows' own loading, with a signature check that says what the test wants.
class MockLibraries : public windows::LibraryFunctions {
 public:
  MockLibraries() {
    ON_CALL(*this, VerifySignature).WillByDefault(Return(SignedByMicrosoft()));
    ON_CALL(*this, Load).WillByDefault([this](std::filesystem::path const& path, DWORD flags) {
      std::lock_guard<std::mutex> const lock{mutex_};
      ++Loaded;
      return real_->Load(path, flags);
    });
    ON_CALL(*this, Find).WillByDefault([this](HMODULE library, char const* name) {
      return real_->Find(library, name);
    });
    ON_CALL(*this, Unload).WillByDefault([this](HMODULE library) {
      real_->Unload(library);
      std::lock_guard<std::mutex> const lock{mutex_};
      --Loaded;
      changed_.notify_all();
    });
  }
  MOCK_METHOD(windows::SignatureCheck, VerifySignature, (std::filesystem::path const& path, HANDLE file), (override));
  MOCK_METHOD(HMODULE, Load, (std::filesystem::path const& path, DWORD flags), (override));
  MOCK_METHOD(FARPROC, Find, (HMODULE library, char const* name), (override));
  MOCK_METHOD(void, Unload, (HMODULE library), (override));

  bool AwaitUnloaded() {
    std::unique_lock<std::mutex> lock{mutex_};
    return changed_.wait_for(lock, std::chrono::seconds{30}, [this] { return Loaded == 0; });
  }

  int Loaded = 0;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<windows::LibraryFunctions> real_ = windows::SystemLibraries();
};

class AttestationTest : public testing::Test {
 protected:
  ~AttestationTest() override {
    provider_.reset();
    EXPECT_TRUE(libraries_->AwaitUnloaded()) << "the library stays loaded";
    // Here, and not where the last owner lets go, which may be the thread of the calls.
    testing::Mock::VerifyAndClearExpectations(libraries_.get());
  }

  AttestationProvider& Provider() {
    if (!provider_) {
      EventSink log{MakeLog(
          [this](Severity, std::string_view line) {
            std::lock_guard<std::mutex> const lock{mutex_};
            lines_.append(line).append("\n");
          },
          Severity::Debug)};
      provider_ = windows::MakeKeyGuardAttestationProvider(libraries_, path_, std::move(log)).get();
    }
    return *provider_;
  }

  Secret Attest(std::string const& endpoint = "https://maa.example/0") {
    return Provider().Attest({endpoint, "client", key_}, {});
  }

  ErrorDetails FailureOf(std::string const& endpoint = "https://maa.example/0") {
    try {
      Attest(endpoint);
    } catch (Error const& error) {
      return error.Details();
    }
    ADD_FAILURE() << "the key was attested";
    return ErrorDetails{ErrorCode{"none"}, {}, {}};
  }

  /// What the test library says under that name.
  template <class Result>
  static Result Ask(char const* name) {
    auto* const library = GetModuleHandleW(L"test_attestation_client_lib.dll");
    return reinterpret_cast<Result (*)()>(reinterpret_cast<void (*)()>(GetProcAddress(library, name)))();
  }
  /// What it counted.
  static int Count(char const* name) { return Ask<int>(name); }

  std::shared_ptr<NiceMock<MockKeys>> keys_ = std::make_shared<NiceMock<MockKeys>>();
  std::shared_ptr<BindingKey const> key_ =
      windows::MakeKeyGuardKeyProvider(keys_, [](auto const&) {}, {}) -> GetOrCreateKey({}, {}).get();
  std::shared_ptr<NiceMock<MockLibraries>> libraries_ = std::make_shared<NiceMock<MockLibraries>>();
  std::string path_ = TestLibrary().u8string();
  std::shared_ptr<AttestationProvider> provider_;
  std::mutex mutex_;
  std::string lines_;
};

TEST_F(AttestationTest, AKeyGuardKeyIsAttested) {
  EXPECT_TRUE(Provider().IsAvailable());
  EXPECT_EQ(Attest().Reveal(), "eyJhbGciOiJIUzI1NiJ9.e30.c2ln");
  EXPECT_EQ(Count("LiveTokens"), 0) << "the token's memory is given back";
}

TEST_F(AttestationTest, TheSignatureIsVerifiedBeforeTheLibraryIsLoaded) {
  testing::InSequence const inThisOrder;
  EXPECT_CALL(*libraries_, VerifySignature(TestLibrary(), Not(INVALID_HANDLE_VALUE)))
      .WillOnce(Return(SignedByMicrosoft()));
  EXPECT_CALL(*libraries_, Load(TestLibrary(), SearchFlags));
  Attest();
}

TEST_F(AttestationTest, ALibraryWithoutATrustedSignatureIsNotLoaded) {
  EXPECT_CALL(*libraries_, VerifySignature)
      .WillOnce(Return(windows::SignatureCheck{TRUST_E_NOSIGNATURE, SignedByMicrosoft().Signer, true}));
  EXPECT_CALL(*libraries_, Load).Times(0);
  auto const failure = FailureOf();
  EXPECT_EQ(failure.Code, errors::AttestationFailed);
  EXPECT_THAT(failure.What, HasSubstr("0x800B0100"));
}

TEST_F(AttestationTest, ALibrarySignedBySomebodyElseWhomWindowsTrustsIsNotLoaded) {
  EXPECT_CALL(*libraries_, Load).Times(0);
  for (auto const* const subject :
       {L"CN=Microsoft Corporation", L"CN=Microsoft Corporation, O=Contoso", L"CN=x, O=Microsoft Corporation Ltd",
        L"CN=x, O=microsoft corporation", L"CN=\"O=Microsoft Corporation\"", L"CN=x, OU=Microsoft Corporation"}) {
    EXPECT_CALL(*libraries_, VerifySignature).WillOnce(Return(SignedBy(subject)));
    auto const failure = FailureOf();
    EXPECT_EQ(failure.Code, errors::AttestationFailed);
    EXPECT_THAT(failure.What, HasSubstr("not by Microsoft"));
  }
  EXPECT_CALL(*libraries_, VerifySignature).WillOnce(Return(windows::SignatureCheck{0, {}, true}));
  EXPECT_THAT(FailureOf().What, HasSubstr("not by Microsoft")) << "nobody says who signed it";
}

/// Anybody who runs a certification authority that Windows trusts can write any name into a certificate.
TEST_F(AttestationTest, MicrosoftsNameInACertificateOfAnotherAuthorityIsNotEnough) {
  EXPECT_CALL(*libraries_, Load).Times(0);
  EXPECT_CALL(*libraries_, VerifySignature)
      .WillOnce(Return(windows::SignatureCheck{0, SignedByMicrosoft().Signer, false}));
  auto const failure = FailureOf();
  EXPECT_EQ(failure.Code, errors::AttestationFailed);
  EXPECT_THAT(failure.What, HasSubstr("not by Microsoft"));
}

TEST_F(AttestationTest, NobodyCanReplaceTheLibraryBetweenVerifyingAndLoading) {
  auto const expectLocked = [](std::filesystem::path const& path) {
    auto* const file = CreateFileW(
        path.c_str(), GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr, OPEN_EXISTING, 0,
        nullptr);
    EXPECT_EQ(file, INVALID_HANDLE_VALUE) << "it can be written to";
    EXPECT_EQ(GetLastError(), static_cast<DWORD>(ERROR_SHARING_VIOLATION));
    auto other = path;
    EXPECT_EQ(MoveFileW(path.c_str(), other.replace_extension("moved").c_str()), FALSE) << "it can be renamed";
    EXPECT_EQ(DeleteFileW(path.c_str()), FALSE) << "it can be removed";
  };
  EXPECT_CALL(*libraries_, VerifySignature).WillOnce([&](std::filesystem::path const& path, HANDLE) {
    expectLocked(path);
    return SignedByMicrosoft();
  });
  EXPECT_CALL(*libraries_, Load).WillOnce([&](std::filesystem::path const& path, DWORD) -> HMODULE {
    expectLocked(path);
    return nullptr;
  });
  EXPECT_THAT(FailureOf().What, HasSubstr("cannot be loaded"));
}

/// Links on the way would be another way of spelling; Wine makes none.
TEST_F(AttestationTest, WhatIsVerifiedAndLoadedIsThePathThatWindowsFoundAndNotTheOneThatWasGiven) {
  auto const folder = TestLibrary().parent_path();
  auto const name = folder.filename();
  path_ = (folder / ".." / name / "." / "TEST_ATTESTATION_CLIENT_LIB.DLL").u8string();
  EXPECT_CALL(*libraries_, VerifySignature(TestLibrary(), _)).WillOnce(Return(SignedByMicrosoft()));
  EXPECT_CALL(*libraries_, Load(TestLibrary(), SearchFlags));
  Attest();
}

TEST_F(AttestationTest, OnlyAPathThatBeginsWithADriveIsTaken) {
  auto const path = TestLibrary().u8string();
  EXPECT_FALSE(windows::FindAttestationLibrary(path).empty());
  for (std::string const& other : std::initializer_list<std::string>{
           "\\\\?\\" + path, "\\\\.\\" + path, "\\\\localhost\\c$\\windows\\notepad.exe",
           "//localhost/c$/windows/notepad.exe", path.substr(2), path.substr(0, 2) + "test_attestation_client_lib.dll",
           path + ":stream"}) {
    EXPECT_TRUE(windows::FindAttestationLibrary(other).empty()) << other;
  }
}

TEST_F(AttestationTest, ThePathOfTheEnvironmentMayHaveLettersOfAnyLanguage) {
  auto const folder = TestLibrary().replace_filename(L"\u05D0\u65E5");
  std::filesystem::create_directories(folder);
  auto const library = folder / "lib.dll";
  std::filesystem::copy_file(TestLibrary(), library, std::filesystem::copy_options::overwrite_existing);
  _wputenv((L"ATTESTATION_CLIENTLIB_PATH=" + library.wstring()).c_str());
  EXPECT_FALSE(windows::FindAttestationLibrary(library.u8string()).empty());
  EXPECT_EQ(windows::MakeKeyGuardAttestationProvider()->IsAvailable(), !windows::IsElevated());
  _wputenv(L"ATTESTATION_CLIENTLIB_PATH=");
  std::filesystem::remove_all(folder);
}

class AttackElevatedProcessTest : public AttestationTest {};

TEST_F(AttackElevatedProcessTest, LoadsNoCodeFromWhereTheEnvironmentSays) {
  EXPECT_EQ(windows::AllowedLibraryPath(L"C:\\a.dll", false), L"C:\\a.dll");
  EXPECT_EQ(windows::AllowedLibraryPath(L"C:\\a.dll", true), L"");
  EXPECT_EQ(windows::AllowedLibraryPath(nullptr, false), L"");
}

TEST_F(AttestationTest, WindowsItselfTrustsNoUnsignedLibrary) {
  auto const file = std::unique_ptr<void, decltype(&CloseHandle)>{
      CreateFileW(TestLibrary().c_str(), GENERIC_READ, FILE_SHARE_READ, nullptr, OPEN_EXISTING, 0, nullptr),
      &CloseHandle};
  EXPECT_NE(windows::SystemLibraries()->VerifySignature(TestLibrary(), file.get()).Status, 0);
}

TEST_F(AttestationTest, ALibraryOfTheCurrentFolderIsNotTaken) {
  auto const folder = TestLibrary().parent_path();
  auto const before = std::filesystem::current_path();
  std::filesystem::current_path(folder);
  path_ = "test_attestation_client_lib.dll";
  EXPECT_FALSE(Provider().IsAvailable());
  EXPECT_THAT(FailureOf().Action, HasSubstr("ATTESTATION_CLIENTLIB_PATH"));
  std::filesystem::current_path(before);
}

TEST_F(AttestationTest, WithoutThePathTheLibraryBesideTheProgramIsLookedFor) {
  EXPECT_TRUE(windows::FindAttestationLibrary("").empty()) << "there is none of Microsoft's here";
  auto const beside = TestLibrary().replace_filename("AttestationClientLib.dll");
  std::filesystem::copy_file(TestLibrary(), beside, std::filesystem::copy_options::overwrite_existing);
  EXPECT_EQ(windows::FindAttestationLibrary(""), beside);
  std::filesystem::remove(beside);
}

TEST_F(AttestationTest, EveryResultSaysWhatItMeans) {
  for (int result = -14; result < 0; ++result) {
    auto const failure = FailureOf("https://maa.example/" + std::to_string(result));
    EXPECT_EQ(failure.Code, errors::AttestationFailed);
    EXPECT_THAT(failure.What, Not(HasSubstr("no reason"))) << result;
  }
  EXPECT_THAT(FailureOf("https://maa.example/-99").What, HasSubstr("no reason that is known"));
}

TEST_F(AttestationTest, AnEmptyOrBlankTokenIsAFailure) {
  EXPECT_EQ(FailureOf("https://maa.example/empty").Code, errors::AttestationFailed);
  EXPECT_EQ(FailureOf("https://maa.example/blank").Code, errors::AttestationFailed);
}

TEST_F(AttestationTest, TheLibrarysLinesGoToTheLogRedacted) {
  Attest();
  EXPECT_THAT(lines_, HasSubstr("attestation.native"));
  EXPECT_THAT(lines_, Not(HasSubstr("eyJ")));
}

TEST_F(AttestationTest, ALibraryWithoutTheFunctionsIsUnloaded) {
  EXPECT_CALL(*libraries_, Find).WillRepeatedly(Return(nullptr));
  EXPECT_THAT(FailureOf().What, HasSubstr("InitAttestationLib"));
}

TEST_F(AttestationTest, OneCallIsInFlight) {
  Attest();
  std::vector<std::thread> threads;
  for (int count = 0; count < 8; ++count) {
    threads.emplace_back([this] { EXPECT_FALSE(Attest().Empty()); });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(Count("MostInFlight"), 1);
  EXPECT_EQ(Count("IsInitialized"), 1);
}

TEST_F(AttestationTest, ProvidersShareTheLibrary) {
  Attest();
  auto const other = windows::MakeKeyGuardAttestationProvider(libraries_, path_, {});
  EXPECT_CALL(*libraries_, Load).Times(0);
  other->Attest({"https://maa.example/0", "client", key_}, {});
}

TEST_F(AttestationTest, OnlyKeyGuardKeysAreAttested) {
  key_ = windows::MakeSoftwareKeyProvider(keys_)->GetOrCreateKey({}, {}).get();
  EXPECT_CALL(*libraries_, Load).Times(0);
  EXPECT_THAT(FailureOf().What, HasSubstr("KeyGuard"));
}

TEST_F(AttestationTest, ACallWhoseTimeIsUpIsNotMade) {
  EXPECT_CALL(*libraries_, Load).Times(0);
  auto const context = Context{}.WithCancellation();
  context.Cancel();
  EXPECT_THROW(Provider().Attest({"https://maa.example/0", "client", key_}, context), Error);
}

/// With a call that does not come back before `Release`.
class HungAttestationTest : public AttestationTest {
 protected:
  HungAttestationTest() {
    Attest();  // Loads the library, whose events the test needs.
    released_ = Ask<HANDLE>("Released");
    auto* const entered = Ask<HANDLE>("Entered");
    auto const context = Context{}.WithCancellation();
    std::thread other{[&] {
      WaitForSingleObject(entered, INFINITE);
      context.Cancel();
    }};
    EXPECT_EQ(FailureOf(context, Held).Code, errors::Cancelled);
    other.join();
  }
  ~HungAttestationTest() override { Release(); }

  static constexpr char const* Held = "https://maa.example/hold";

  void Release() { SetEvent(released_); }

  using AttestationTest::FailureOf;
  ErrorDetails FailureOf(Context const& context, std::string const& endpoint) {
    try {
      Provider().Attest({endpoint, "client", key_}, context);
    } catch (Error const& error) {
      return error.Details();
    }
    ADD_FAILURE() << "the key was attested";
    return ErrorDetails{ErrorCode{"none"}, {}, {}};
  }

  static Context Shortly() { return Context{}.WithTimeout(std::chrono::milliseconds{20}); }

  HANDLE released_ = nullptr;
};

TEST_F(HungAttestationTest, TheNextCallerLeavesAsWellAndIsToldWhy) {
  auto const failure = FailureOf(Shortly(), "https://maa.example/0");
  EXPECT_EQ(failure.Code, errors::DeadlineExceeded);
  EXPECT_TRUE(failure.Transient);
  EXPECT_THAT(failure.What, HasSubstr("an earlier call of Microsoft's attestation library has not come back"));
  EXPECT_EQ(Count("MostInFlight"), 1);
}

TEST_F(HungAttestationTest, NoThreadsPileUpBehindIt) {
  auto const before = CountThreads();
  for (int count = 0; count < 12; ++count) {
    FailureOf(Shortly(), "https://maa.example/0" + std::to_string(count));
  }
  EXPECT_LE(CountThreads(), before);
}

TEST_F(HungAttestationTest, WhatNobodyWaitsForAnyMoreIsNotCalled) {
  FailureOf(Shortly(), "https://maa.example/0");
  auto const calls = Count("Calls");
  Release();
  Attest("https://maa.example/00");
  EXPECT_EQ(Count("Calls"), calls + 1);
}

TEST_F(HungAttestationTest, ACallerThatComesBackJoinsTheCallThatItLeft) {
  auto const calls = Count("Calls");
  std::atomic<int> looks{0};
  auto const context = Context{}.WithTimeout(std::chrono::seconds{30}).WithCancellationProbe([&] {
    // By the third look it is waiting.
    if (++looks == 3) {
      Release();
    }
    return false;
  });
  EXPECT_FALSE(Provider().Attest({Held, "client", key_}, context).Empty());
  EXPECT_EQ(Count("Calls"), calls);
}

TEST_F(HungAttestationTest, NoProviderWaitsForItWhenItIsDestroyed) {
  auto other = windows::MakeKeyGuardAttestationProvider(libraries_, path_, {}).get();
  try {
    other->Attest({"https://maa.example/0", "client", key_}, Shortly());
    ADD_FAILURE() << "a second call was made beside the first";
  } catch (Error const& error) {
    EXPECT_EQ(error.Code(), errors::DeadlineExceeded);
  }
  auto destroyed = std::async(std::launch::async, [&] {
    other.reset();
    provider_.reset();
    key_.reset();
  });
  EXPECT_EQ(destroyed.wait_for(std::chrono::seconds{20}), std::future_status::ready);
  EXPECT_EQ(libraries_->Loaded, 1) << "the library does not go away under the call";
  Release();
  EXPECT_TRUE(libraries_->AwaitUnloaded());
}

TEST_F(HungAttestationTest, TheLogOfAProviderThatIsGoneIsWrittenToNoMore) {
  provider_.reset();
  {
    std::lock_guard<std::mutex> const lock{mutex_};
    lines_.clear();
  }
  Release();  // The library has another line to say when it goes on.
  EXPECT_TRUE(libraries_->AwaitUnloaded());
  EXPECT_EQ(lines_, "");
}

}  // namespace
}  // namespace mtlspop::windows_tests
