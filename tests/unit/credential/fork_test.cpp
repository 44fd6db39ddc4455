// A process that forks between two tokens: the child has none of the threads that its copies of locks and lists tell of.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attestation_cache.hpp"
#include "binding_life.hpp"
#include "cached_tokens.hpp"
#include "fake_cloud.hpp"
#include "mtlspop/credential/binding_store.hpp"
#include "mtlspop/credential/client_certificate_credential.hpp"
#include "published.hpp"
#include "support/event.hpp"
#include "support/in_child.hpp"
#include "support/temporary_directory.hpp"
#include "support/test_certificate_authority.hpp"

namespace mtlspop::test {
namespace {

using namespace std::chrono_literals;

/// `InChild`, bounded in time: whatever waits for a thread that is not there is ended by the signal.
template <class Work>
bool InChildWithin30s(Work&& work) {
  return InChild([&] {
    ::alarm(30);
    return work();
  });
}

constexpr char const* OtherScope = "https://storage.azure.com/.default";

/// The thread that got the parent's token waits for more to do just then.
TEST(ForkTest, AChildGetsTokensThoughTheParentsThreadsWereIdle) {
  ManagedIdentityWorld world;
  auto const token = world.Get();
  EXPECT_TRUE(InChildWithin30s([&] {
    if (world.Get().Token != token.Token) return false;
    auto const other = world.Get(ManagedIdentityWorld::Request(OtherScope));
    world.Drop();
    return other.Binding != nullptr && other.Binding->X5tS256() == token.Binding->X5tS256();
  }));
  EXPECT_EQ(world.Get(ManagedIdentityWorld::Request(OtherScope)).Type, TokenType::MtlsPop);
}

TEST(ForkTest, AChildDestroysACredentialAndMakesAnother) {
  ManagedIdentityWorld world;
  world.Get();
  EXPECT_TRUE(InChildWithin30s([&] {
    world.Drop();
    return world.Get(ManagedIdentityWorld::Request(OtherScope)).Type == TokenType::MtlsPop;
  }));
  EXPECT_EQ(world.Get(ManagedIdentityWorld::Request(OtherScope)).Type, TokenType::MtlsPop);
}

/// A child that lives on, doing nothing, until this object ends.
class IdleChild final {
 public:
  IdleChild() {
    if (::pipe(ends_.data()) != 0) return;
    child_ = ::fork();
    if (child_ != 0) return;
    ::alarm(30);
    ::close(ends_[1]);
    char byte = 0;
    (void)!::read(ends_[0], &byte, 1);
    ::_exit(0);
  }
  ~IdleChild() {
    ::close(ends_[1]);
    ::close(ends_[0]);
    if (child_ > 0) ::waitpid(child_, nullptr, 0);
  }
  IdleChild(IdleChild const&) = delete;
  IdleChild& operator=(IdleChild const&) = delete;
  bool Lives() const noexcept { return child_ > 0; }

 private:
  std::array<int, 2> ends_{-1, -1};
  pid_t child_ = -1;
};

/// flock() belongs to the open file, which the child has too.
TEST(ForkTest, AChildDoesNotKeepItsParentsFileLock) {
  TemporaryDirectory directory;
  auto const folder = directory.PathOf("store");
  auto held = MakeFileBindingStore({folder})->Acquire("name", {});
  ASSERT_TRUE(held);
  IdleChild const child;
  ASSERT_TRUE(child.Lives());
  held.reset();
  EXPECT_TRUE(MakeFileBindingStore({folder})->Acquire("name", Context{}.WithTimeout(1s)));
}

TEST(ForkTest, AChildDoesNotLetGoOfItsParentsFileLock) {
  TemporaryDirectory directory;
  auto const folder = directory.PathOf("store");
  auto held = MakeFileBindingStore({folder})->Acquire("name", {});
  ASSERT_TRUE(held);
  EXPECT_TRUE(InChildWithin30s([&] {
    held.reset();
    return true;
  }));
  EXPECT_FALSE(MakeFileBindingStore({folder})->Acquire("name", Context{}.WithTimeout(30ms)));
}

TEST(ForkTest, AChildDoesNotWaitForLocksOfItsParentsMemoryStore) {
  auto const store = MakeMemoryBindingStore();
  auto held = store->Acquire("name", {});
  ASSERT_TRUE(held);
  EXPECT_TRUE(InChildWithin30s([&] {
    auto ours = store->Acquire("name", Context{}.WithTimeout(1s));
    if (!ours) return false;
    // The parent's is not there to be let go of.
    held.reset();
    return store->Acquire("name", Context{}.WithTimeout(30ms)) == nullptr;
  }));
  EXPECT_FALSE(store->Acquire("name", Context{}.WithTimeout(30ms)));
}

TEST(ForkTest, AChildHasTheBindingsOfItsParentsMemoryStore) {
  ManagedIdentityWorld world;
  auto const store = MakeMemoryBindingStore();
  StoredBinding binding;
  binding.Certificate = world.Get().Binding;
  store->Save("name", binding);
  EXPECT_TRUE(InChildWithin30s([&] {
    auto const loaded = store->Load("name");
    return loaded && loaded->Certificate == binding.Certificate;
  }));
}

TEST(ForkTest, AChildReplacesWhatItsParentsThreadsRead) {
  Published<int> published{std::make_unique<int const>(1)};
  Event reads;
  Event mayLeave;
  std::thread reader{[&] {
    published.Read([&](int, std::size_t) {
      reads.Set();
      return mayLeave.Wait();
    });
  }};
  EXPECT_TRUE(reads.Wait());
  EXPECT_TRUE(InChildWithin30s([&] {
    for (int value = 2; value < 5; ++value) {
      published.Replace(std::make_unique<int const>(value));
      if (published.Read([](int seen, std::size_t) { return seen; }) != value) return false;
    }
    return true;
  }));
  mayLeave.Set();
  reader.join();
  published.Replace(std::make_unique<int const>(2));
  EXPECT_EQ(published.Value(), 2);
}

/// Takes long in the process that made it.
class SlowAttestation final : public AttestationProvider {
 public:
  Secret Attest(AttestationRequest const&, Context const&) override {
    if (::getpid() == maker_) {
      Asked.Set();
      (void)MayAnswer.Wait();
    }
    return Secret{std::string{"attested"}};
  }
  Event Asked;
  Event MayAnswer;

 private:
  pid_t maker_ = ::getpid();
};

TEST(ForkTest, AChildDoesNotWaitForItsParentsAttestation) {
  auto const provider = std::make_shared<SlowAttestation>();
  AttestationCache cache{{gsl::make_not_null(std::shared_ptr<AttestationProvider>{provider}), SystemClock(), {}, true}};
  AttestationRequest const request{"https://a.example", "client", ReadyKey(0, KeyStrength::Software)};
  std::thread parents{[&] { EXPECT_EQ(cache.Attest(request, {}).Reveal(), "attested"); }};
  EXPECT_TRUE(provider->Asked.Wait());
  EXPECT_TRUE(InChildWithin30s([&] { return cache.Attest(request, {}).Reveal() == "attested"; }));
  provider->MayAnswer.Set();
  parents.join();
}

TEST(ForkTest, AChildKnowsWhatWasRefusedAndGetsTokensThatItsParentIsGetting) {
  ManagedIdentityWorld world;
  auto const bound = world.Get();
  auto const parent = ::getpid();
  Event asked;
  Event mayAnswer;
  TokenCache cache{[] { return 0.0; }};
  BindingLife life{
      {BindingSupply::Renewable, *SystemClock().get(), SystemRandomNumbers(), EventSink{}, [](std::string const&) {}},
      cache};
  CachedTokens tokens{SystemClock(), EventSink{}, cache, life, [&](auto const&, auto, bool, auto const&) {
                        if (::getpid() == parent) {
                          asked.Set();
                          (void)mayAnswer.Wait();
                        }
                        return bound;
                      }};
  life.HearTokenService("refused", std::nullopt);
  std::thread parents{[&] { tokens.Get(ManagedIdentityWorld::Request(), TokenRoute::Bound, {}); }};
  EXPECT_TRUE(asked.Wait());
  EXPECT_TRUE(InChildWithin30s([&] {
    auto const token = tokens.Get(ManagedIdentityWorld::Request(), TokenRoute::Bound, {});
    return token.Token == bound.Token && life.IsRefused("refused");
  }));
  mayAnswer.Set();
  parents.join();
}

/// Holds up what this process asks the metadata service for. A rotation in the background may outlive it.
struct HeldUpIssuance {
  explicit HeldUpIssuance(FakeCloud& cloud) {
    cloud.Intercept = [asked = Asked, mayAnswer = MayAnswer,
                       maker = ::getpid()](Arrived const& arrived) -> std::optional<Answer> {
      if (::getpid() != maker || arrived.Path.find("issuecredential") == std::string::npos) return std::nullopt;
      asked->Set();
      (void)mayAnswer->Wait();
      return std::nullopt;
    };
  }
  std::shared_ptr<Event> const Asked = std::make_shared<Event>();
  std::shared_ptr<Event> const MayAnswer = std::make_shared<Event>();
};

TEST(ForkTest, AChildIsIssuedTheCertificateThatItsParentWaitsFor) {
  ManagedIdentityWorld world;
  HeldUpIssuance issuance{*world.Cloud};
  world.Credential();
  std::thread parents{[&] { EXPECT_EQ(world.Get().Type, TokenType::MtlsPop); }};
  EXPECT_TRUE(issuance.Asked->Wait());
  EXPECT_TRUE(InChildWithin30s([&] { return world.Get().Type == TokenType::MtlsPop; }));
  issuance.MayAnswer->Set();
  parents.join();
}

TEST(ForkTest, AChildRotatesThoughItsParentWasRotating) {
  ManagedIdentityWorld world;
  auto const first = world.Get();
  HeldUpIssuance issuance{*world.Cloud};
  world.Time->Advance(4h + 1s);
  EXPECT_EQ(world.Get().Token, first.Token);
  EXPECT_TRUE(issuance.Asked->Wait());
  EXPECT_TRUE(InChildWithin30s([&] {
    if (world.Get().Token != first.Token) return false;
    return Eventually([&] { return world.Get().Binding->X5tS256() != first.Binding->X5tS256(); });
  }));
  issuance.MayAnswer->Set();
}

/// A thread of the parent reads the renewed certificate, from a pipe that gives nothing, when the process forks.
TEST(ForkTest, AChildReadsARenewedCertificateThoughItsParentWasReadingIt) {
  ManagedIdentityWorld world;
  TemporaryDirectory directory;
  TestCertificateAuthority authority;
  auto const write = [&](char const* name, auto const& certificate) {
    return directory.WriteFile(name, certificate.CertificatePem + certificate.PrivateKeyPem);
  };
  ClientCertificateCredentialOptions options;
  options.TenantId = FakeCloud::TenantId;
  options.ClientId = FakeCloud::ClientId;
  options.CertificatePath = write("app.pem", authority.IssueForClient("app"));
  options.Transport = world.Cloud;
  options.Time = std::shared_ptr<Clock>{world.Time};
  ClientCertificateCredential credential{options};
  auto const first = credential.GetToken(ManagedIdentityWorld::Request(), {});

  auto const renewed = authority.IssueForClient("app");
  auto const next = write("next.pem", renewed);
  auto const pipe = directory.PathOf("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), S_IRUSR | S_IWUSR), 0);
  ASSERT_EQ(::rename(pipe.c_str(), options.CertificatePath.c_str()), 0);
  world.Time->Advance(options.ReloadInterval);
  EXPECT_EQ(credential.GetToken(ManagedIdentityWorld::Request(), {}).Token, first.Token);
  int toReader = -1;
  // Nobody can write to a pipe that nobody reads.
  ASSERT_TRUE(Eventually([&] {
    toReader = ::open(options.CertificatePath.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    return toReader >= 0;
  }));
  // Until it reads it allocates, under a lock that AddressSanitizer does not let go of in a child.
  ASSERT_EQ(::write(toReader, "-", 1), 1);
  ASSERT_TRUE(Eventually([&] {
    int unread = 1;
    return ::ioctl(toReader, FIONREAD, &unread) == 0 && unread == 0;
  }));
  ASSERT_EQ(::rename(next.c_str(), options.CertificatePath.c_str()), 0);
  auto const request = ManagedIdentityWorld::Request();
  EXPECT_TRUE(
      InChildWithin30s([&] { return GetInsteadOf(credential, first, request).Binding->X5tS256() == renewed.X5tS256; }));
  ::close(toReader);
}

}  // namespace
}  // namespace mtlspop::test
