// The sample that signs in another process, and what its user sees when that process is not there.
#include <gmock/gmock.h>

#include <fstream>

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "credential/emulator.hpp"
#include "mtlspop/base/posix/descriptor.hpp"
#include "mtlspop/credential/openssl.hpp"
#include "mtlspop/transport/openssl.hpp"
#include "remote_signer/daemon_signer.hpp"
#include "support/error_code_of.hpp"
#include "support/server_process.hpp"
#include "support/temporary_directory.hpp"
#include "support/test_certificate_authority.hpp"

namespace mtlspop::test {
namespace {

using testing::HasSubstr;

class SignerInAnotherProcess : public testing::Test {
 protected:
  class Keys final : public KeyProvider {
   public:
    explicit Keys(std::string socket) : socket_(std::move(socket)) {}
    KeyStrength HighestStrength() const noexcept override { return KeyStrength::Software; }
    gsl::not_null<std::shared_ptr<BindingKey const>> GetOrCreateKey(
        KeyRequest const&, Context const& context) override {
      std::shared_ptr<openssl::Signer const> signer = std::make_shared<remote_signer::DaemonSigner>(socket_, context);
      auto const key = openssl::MakeSignerKey(gsl::make_not_null(std::move(signer)), context);
      return openssl::WrapBindingKey(gsl::make_not_null(key.get().get()), KeyStrength::Software);
    }

   private:
    std::string socket_;
  };

  SignerInAnotherProcess() { WriteKey(GenerateKey(KeyKind::Rsa2048).get()); }

  void WriteKey(EVP_PKEY* key) const {
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> const file{std::fopen(keyPath_.c_str(), "w"), std::fclose};
    PEM_write_PrivateKey(file.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  }

  std::unique_ptr<ServerProcess> StartDaemon() const {
    auto daemon = std::make_unique<ServerProcess>(ServerCommand{{REMOTE_SIGNER_PATH, "serve", socket_, keyPath_}, {}});
    EXPECT_TRUE(daemon->WaitForOutput("ready"));
    return daemon;
  }

  TemporaryDirectory directory_;
  std::string const socket_ = directory_.Path() + "/signer.sock";
  std::string const keyPath_ = directory_.Path() + "/key.pem";
  Emulator emulator_;
};

/// One that hangs takes no more connections when its queue is full.
TEST_F(SignerInAnotherProcess, IsWaitedForNoLongerThanTheContextLasts) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socket_.copy(address.sun_path, sizeof address.sun_path - 1);
  auto const* const named = reinterpret_cast<sockaddr const*>(&address);
  Descriptor const listener{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  ASSERT_EQ(::bind(listener.Get(), named, sizeof address), 0);
  ASSERT_EQ(::listen(listener.Get(), 0), 0);
  std::vector<std::unique_ptr<Descriptor>> waiting;
  do {
    waiting.push_back(std::make_unique<Descriptor>(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)));
  } while (::connect(waiting.back()->Get(), named, sizeof address) == 0);
  auto const soon = Context{}.WithTimeout(std::chrono::milliseconds{50});
  EXPECT_EQ(ErrorCodeOf([&] { remote_signer::DaemonSigner(socket_, soon); }), "deadline_exceeded");
}

TEST_F(SignerInAnotherProcess, GoesTheWholeRoad) {
  auto const daemon = StartDaemon();
  auto options = emulator_.CredentialOptions();
  options.Keys = std::make_shared<Keys>(socket_);
  auto const token = ManagedIdentityCredential{options}.GetToken(VaultRequest(), {});
  ASSERT_TRUE(token.Binding);
  EXPECT_EQ(emulator_.ReadSecret(token), 200);
}

/// Keys of 3072 bits and more have room for salts that no octet can tell the length of.
TEST_F(SignerInAnotherProcess, MakesLongSalts) {
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> const original{EVP_RSA_gen(3072), &EVP_PKEY_free};
  WriteKey(original.get());
  auto const daemon = StartDaemon();
  std::shared_ptr<openssl::Signer const> signer = std::make_shared<remote_signer::DaemonSigner>(socket_, Context{});
  auto const key = openssl::MakeSignerKey(gsl::make_not_null(std::move(signer)));
  std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> const context{
      EVP_PKEY_CTX_new(key.get().get(), nullptr), &EVP_PKEY_CTX_free};
  ASSERT_EQ(EVP_PKEY_sign_init(context.get()), 1);
  ASSERT_EQ(EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PSS_PADDING), 1);
  ASSERT_EQ(EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha256()), 1);
  ASSERT_EQ(EVP_PKEY_CTX_set_rsa_pss_saltlen(context.get(), 350), 1);
  std::vector<std::uint8_t> const digest(32);
  std::vector<std::uint8_t> signature(384);
  auto length = signature.size();
  // Which checks that the salt has that length.
  EXPECT_EQ(EVP_PKEY_sign(context.get(), signature.data(), &length, digest.data(), digest.size()), 1);
}

TEST_F(SignerInAnotherProcess, ThatIsGoneIsTheCause) {
  auto daemon = StartDaemon();
  auto const key = Keys{socket_}.GetOrCreateKey({}, {});
  daemon.reset();
  std::uint8_t const data[] = {1, 2, 3};
  try {
    key->SignPssSha256(data);
    FAIL();
  } catch (Error const& error) {
    EXPECT_EQ(error.Code(), errors::PrivateKeyUnusable);
    EXPECT_THAT(DescribeWithCauses(error), HasSubstr("signing_daemon_unreachable"));
  }
  daemon = StartDaemon();
  EXPECT_EQ(key->SignPssSha256(data).size(), 256U);
}

TEST_F(SignerInAnotherProcess, ThatHangsIsGivenUpWithTheContext) {
  auto const daemon = StartDaemon();
  remote_signer::DaemonSigner const signer{socket_, {}};
  ::kill(daemon->Pid(), SIGSTOP);
  std::vector<std::uint8_t> const digest(32);
  EXPECT_EQ(
      ErrorCodeOf([&] {
        signer.Sign(
            {openssl::SignatureAlgorithm::RsaPss, openssl::DigestAlgorithm::Sha256, 32, digest},
            Context{}.WithTimeout(std::chrono::milliseconds{50}));
      }),
      "deadline_exceeded");
  ::kill(daemon->Pid(), SIGCONT);
}

}  // namespace
}  // namespace mtlspop::test
