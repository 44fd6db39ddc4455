// Keys whose private operations are a callback, where credentials sign with them: certificate requests, client assertions,
// stored bindings, certificates of one's own.
#include <array>
#include <atomic>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_cloud.hpp"
#include "mtlspop/credential/client_certificate_credential.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/credential/openssl.hpp"
#include "mtlspop/transport/openssl.hpp"
#include "mtlspop/transport/signer.hpp"
#include "store_folder.hpp"
#include "support/either_way.hpp"
#include "support/error_code_of.hpp"
#include "support/event.hpp"
#include "support/software_signer.hpp"
#include "support/test_certificate_authority.hpp"

namespace mtlspop::test {
namespace {

using openssl::SignatureAlgorithm;
using openssl::SignatureRequest;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr char const* TokenPath = "/oauth2/v2.0/token";

std::shared_ptr<EVP_PKEY> const& RsaKey() {
  static std::shared_ptr<EVP_PKEY> const key{EVP_RSA_gen(2048), &EVP_PKEY_free};
  return key;
}

[[noreturn]] void ThrowDaemonGone() { throw Error{{ErrorCode{"daemon_gone"}, "The daemon is gone", "Start it"}}; }

/// One key behind a signer, which is found again by its reference.
class SignerKeys final : public KeyProvider {
 public:
  KeyStrength HighestStrength() const noexcept override { return KeyStrength::Hardware; }
  gsl::not_null<std::shared_ptr<BindingKey const>> GetOrCreateKey(
      KeyRequest const& request, Context const& context) override {
    Requests.push_back(request);
    return Wrap(context);
  }
  std::shared_ptr<BindingKey const> OpenKey(std::string const&, Context const& context) override {
    Opened = context;
    return Wrap(context).get();
  }

  std::shared_ptr<SoftwareSigner> Signer =
      std::make_shared<SoftwareSigner>(RsaKey(), std::vector<SignatureAlgorithm>{SignatureAlgorithm::RsaPss});
  std::vector<KeyRequest> Requests;
  /// What the last key was opened with.
  Context Opened;
  /// Called before each signature but those that a key is tried with.
  std::function<void(Context const&)> BeforeUse;

 private:
  gsl::not_null<std::shared_ptr<BindingKey const>> Wrap(Context const& context) {
    Signer->BeforeEach = nullptr;
    auto const key = openssl::MakeSignerKey(std::shared_ptr<openssl::Signer const>{Signer}, context);
    Signer->BeforeEach = [this](SignatureRequest const&, Context const& given) {
      if (BeforeUse) BeforeUse(given);
    };
    return openssl::WrapBindingKey(gsl::make_not_null(key.get().get()), KeyStrength::Hardware, "signer:1");
  }
};

/// A managed identity whose key is behind a signer.
struct SignerWorld : ManagedIdentityWorld, StoreFolder {
  SignerWorld() { Options.Keys = Keys; }
  /// As in the next process.
  void Use() {
    Drop();
    FileBindingStoreOptions options;
    options.Folder = Folder;
    options.Observer = Lines->MakeObserver();
    options.Time = std::shared_ptr<Clock>{Time};
    options.Keys = Keys;
    Options.Store = MakeFileBindingStore(options).get();
  }

  std::shared_ptr<SignerKeys> Keys = std::make_shared<SignerKeys>();
};

TEST(SignerOfARequest, IsGivenTheContextOfTheCall) {
  SignerWorld world;
  int given = 0;
  world.Keys->BeforeUse = [&](Context const& context) {
    EXPECT_LT(context.Deadline(), Context::TimePoint::max());
    ++given;
  };
  world.Get();
  EXPECT_EQ(given, 1);
}

/// It is the caller's deadline, and no fault of the key.
TEST(SignerOfARequest, ThatGivesUpForTheContextIsNotReplaced) {
  SignerWorld world;
  world.Keys->BeforeUse = [](Context const&) {
    throw Error{{errors::DeadlineExceeded, "The deadline has passed", "Give it more time"}};
  };
  EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "deadline_exceeded");
  world.Keys->BeforeUse = [](Context const&) { ThrowDaemonGone(); };
  auto const failure = TextOfFailure([&] { world.Get(); });
  EXPECT_THAT(failure, HasSubstr("private_key_unusable"));
  EXPECT_THAT(failure, HasSubstr("daemon_gone"));
}

/// A device that fails for a moment keeps its key: what takes its place may destroy it.
TEST(SignerOfARequest, ThatFailsOnceAtARotationIsAskedAgain) {
  SignerWorld world;
  auto const first = world.Get();
  int asked = 0;
  world.Keys->BeforeUse = [&](Context const&) {
    if (++asked == 1) ThrowDaemonGone();
  };
  world.Time->Advance(std::chrono::hours{9});
  EXPECT_NE(world.Get().Binding->X5tS256(), first.Binding->X5tS256());
  EXPECT_EQ(asked, 2);
  EXPECT_EQ(world.Keys->Requests.size(), 1U) << "no other key";
  EXPECT_THAT(world.Lines->Text(), HasSubstr("key.tried_again"));
  EXPECT_THAT(world.Lines->Text(), testing::Not(HasSubstr("key.replaced")));
}

TEST(SignerOfAStoredBinding, IsGivenTheContextOfTheCall) {
  SignerWorld world;
  world.Use();
  auto const first = world.Get();
  int given = 0;
  world.Keys->BeforeUse = [&](Context const& context) {
    EXPECT_TRUE(context.CanBeCancelled());
    ++given;
  };
  world.Use();
  EXPECT_EQ(world.Get().Binding->X5tS256(), first.Binding->X5tS256());
  EXPECT_EQ(given, 1);
  EXPECT_TRUE(world.Keys->Opened.CanBeCancelled());
}

/// Whoever did not wait for the key knows nothing of the file.
TEST(SignerOfAStoredBinding, ThatGivesUpForTheContextLeavesTheFile) {
  SignerWorld world;
  world.Use();
  auto const first = world.Get();
  world.Keys->BeforeUse = [](Context const&) {
    throw Error{{errors::DeadlineExceeded, "The deadline has passed", "Give it more time"}};
  };
  world.Use();
  ErrorCodeOf([&] { world.Get(); });
  EXPECT_EQ(world.Files(".damaged").size(), 0U);
  world.Keys->BeforeUse = nullptr;
  world.Use();
  EXPECT_EQ(world.Get().Binding->X5tS256(), first.Binding->X5tS256());
}

/// An application with a certificate whose key is behind a signer.
struct SignerAppWorld {
  explicit SignerAppWorld(std::vector<SignatureAlgorithm> algorithms)
      : Certificate(Authority.IssueForClient("app", KeyKind::Rsa2048)),
        Signer(std::make_shared<SoftwareSigner>(Certificate.Key, std::move(algorithms))) {
    auto const key = openssl::MakeSignerKey(std::shared_ptr<openssl::Signer const>{Signer});
    auto const handle = openssl::WrapPrivateKey(gsl::make_not_null(key.get().get()));
    Binding = openssl::MakeBindingCertificateFromPem(Certificate.CertificatePem, handle, KeyStrength::Hardware).get();
    Options.TenantId = "my-tenant";
    Options.ClientId = "my-app";
    Options.Transport = Cloud;
    Options.Time = std::shared_ptr<Clock>{Time};
  }

  TestCertificateAuthority Authority;
  IssuedCertificate Certificate;
  std::shared_ptr<SoftwareSigner> Signer;
  std::shared_ptr<BindingCertificate const> Binding;
  std::shared_ptr<ManualClock> Time = std::make_shared<ManualClock>();
  std::shared_ptr<FakeCloud> Cloud = std::make_shared<FakeCloud>(Time);
  ClientCertificateCredentialOptions Options;
};

/// One that can do PSS and fails at it for the moment is not asked for PKCS#1 in its place.
TEST(SignerOfAnAssertion, OwnFailureIsTheCause) {
  SignerAppWorld world{{SignatureAlgorithm::RsaPss, SignatureAlgorithm::RsaPkcs1}};
  world.Options.Certificate = world.Binding;
  world.Options.Binding = TokenBinding::None;
  world.Signer->BeforeEach = [](SignatureRequest const& request, Context const& context) {
    EXPECT_LT(context.Deadline(), Context::TimePoint::max());
    if (request.Algorithm == SignatureAlgorithm::RsaPss) ThrowDaemonGone();
  };
  ClientCertificateCredential credential{world.Options};
  auto const failure = TextOfFailure([&] { credential.GetToken(ManagedIdentityWorld::Request(), {}); });
  EXPECT_THAT(failure, HasSubstr("private_key_unusable"));
  EXPECT_THAT(failure, HasSubstr("daemon_gone"));
  EXPECT_EQ(world.Cloud->Count(TokenPath), 0);
  EXPECT_THAT(world.Signer->Asked(), ElementsAre(SignatureAlgorithm::RsaPss, SignatureAlgorithm::RsaPss));
}

/// A credential looks at its certificate in the background, and does not wait at its end for a daemon that hangs.
TEST(SignerOfACertificate, GivesUpWhenTheCredentialEnds) {
  SignerAppWorld world{{SignatureAlgorithm::RsaPss}};
  auto const key = openssl::MakeSignerKey(std::shared_ptr<openssl::Signer const>{world.Signer});
  auto const opened = openssl::WrapBindingKey(gsl::make_not_null(key.get().get()), KeyStrength::Hardware);
  Event hangs;
  std::atomic<bool> gaveUp{false};
  world.Signer->BeforeEach = [&](SignatureRequest const&, Context const& context) {
    hangs.Set();
    auto const end = std::chrono::steady_clock::now() + Event::Patience;
    while (!context.IsCancelled() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    gaveUp = context.IsCancelled();
    context.ThrowIfEnded("Signing");
  };
  std::atomic<int> looks{0};
  world.Options.CertificateSource = [&] {
    std::array<std::uint8_t, 4> const data{1, 2, 3, 4};
    if (++looks > 1) opened->SignPssSha256(data);
    return world.Binding;
  };
  world.Options.ReloadInterval = std::chrono::seconds{1};
  {
    ClientCertificateCredential const credential{world.Options};
    EXPECT_TRUE(hangs.Wait());
  }
  EXPECT_TRUE(gaveUp);
}

}  // namespace
}  // namespace mtlspop::test
