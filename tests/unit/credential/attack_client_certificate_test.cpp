// Certificate files as people really have them: several certificates, strangers, old algorithms, other encodings.
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_cloud.hpp"
#include "mtlspop/base/encoding.hpp"
#include "mtlspop/credential/client_certificate_credential.hpp"
#include "support/error_code_of.hpp"
#include "support/temporary_directory.hpp"
#include "support/test_certificate_authority.hpp"

namespace mtlspop::test {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

/// One certificate with its key.
class AttackClientCertificate : public testing::Test {
 protected:
  /// What the credential presents that is given this as a text.
  std::shared_ptr<BindingCertificate const> Presented(std::string const& content, std::string_view password = "") {
    auto const time = std::make_shared<ManualClock>();
    auto options = Options(password);
    options.CertificateContent = Secret{std::string_view{content}};
    options.Transport = std::make_shared<FakeCloud>(time);
    options.Time = std::shared_ptr<Clock>{time};
    return ClientCertificateCredential{options}.GetToken(ManagedIdentityWorld::Request(), {}).Binding;
  }
  std::string Refusal(std::string const& content, std::string_view password = "") {
    auto options = Options(password);
    options.CertificateContent = Secret{std::string_view{content}};
    return RefusalOf(options);
  }
  std::string RefusalOfFile(std::string const& path) {
    auto options = Options("");
    options.CertificatePath = path;
    return RefusalOf(options);
  }
  std::string Pem() const { return certificate_.CertificatePem + certificate_.PrivateKeyPem; }

  TemporaryDirectory directory_;
  TestCertificateAuthority authority_;
  IssuedCertificate certificate_ = authority_.IssueForClient("app");

 private:
  static ClientCertificateCredentialOptions Options(std::string_view password) {
    ClientCertificateCredentialOptions options;
    options.TenantId = "my-tenant";
    options.ClientId = "my-app";
    options.Password = Secret{password};
    return options;
  }
  /// What the error says and advises; the code has to be the one for certificates.
  static std::string RefusalOf(ClientCertificateCredentialOptions const& options) {
    auto const error = ErrorOf([&] { ClientCertificateCredential{options}; });
    if (!error) return "no error";
    EXPECT_EQ(error->Code().Name(), std::string_view{"client_certificate_unusable"});
    return error->Details().What + " | " + error->Details().Action;
  }
};

/// The OpenSSL that has what this process's has not.
struct Legacy {
  std::shared_ptr<OSSL_LIB_CTX> Library{OSSL_LIB_CTX_new(), OSSL_LIB_CTX_free};
  std::shared_ptr<OSSL_PROVIDER> Usual{OSSL_PROVIDER_load(Library.get(), "default"), OSSL_PROVIDER_unload};
  OSSL_PROVIDER* Old = OSSL_PROVIDER_load(Library.get(), "legacy");
  ~Legacy() {
    if (Old != nullptr) OSSL_PROVIDER_unload(Old);
  }
};

std::string ToDer(PKCS12* file) {
  std::string der(static_cast<std::size_t>(i2d_PKCS12(file, nullptr)), '\0');
  auto* out = reinterpret_cast<unsigned char*>(der.data());
  i2d_PKCS12(file, &out);
  PKCS12_free(file);
  return der;
}

std::string ToPkcs12(IssuedCertificate const& certificate, char const* password) {
  return ToDer(
      PKCS12_create(password, "app", certificate.Key.get(), certificate.Certificate.get(), nullptr, 0, 0, 0, 0, 0));
}

std::string EncryptedKey(IssuedCertificate const& certificate) {
  std::shared_ptr<BIO> const out{BIO_new(BIO_s_mem()), BIO_free};
  PEM_write_bio_PKCS8PrivateKey(out.get(), certificate.Key.get(), EVP_aes_256_cbc(), "sesame", 6, nullptr, nullptr);
  char* text = nullptr;
  auto const length = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(length)};
}

std::vector<std::string> KeyIdsOf(BindingCertificate const& binding) {
  std::vector<std::string> ids;
  for (auto const& der : binding.Chain()) {
    auto const* position = der.data();
    std::shared_ptr<X509> const certificate{d2i_X509(nullptr, &position, static_cast<long>(der.size())), X509_free};
    ids.push_back(X5tS256Of(certificate.get()));
  }
  return ids;
}

TEST_F(AttackClientCertificate, FolderAndUnreadablePathAreErrorsOfThisLibrary) {
  EXPECT_THAT(RefusalOfFile(directory_.Path()), HasSubstr("it is a folder"));
  EXPECT_THAT(RefusalOfFile("/nonexistent/app.pem"), HasSubstr("No such file"));
  EXPECT_THAT(RefusalOfFile("/proc/self/mem"), HasSubstr("cannot be read"));
  EXPECT_THAT(RefusalOfFile(directory_.WriteFile("empty", "")), HasSubstr("it is empty"));
  EXPECT_THAT(RefusalOfFile("/dev/zero"), HasSubstr("larger than 1 MiB"));
  EXPECT_THAT(RefusalOfFile(std::string(5000, 'x')), HasSubstr("cannot be read"));
  EXPECT_THAT(RefusalOfFile(std::string{"a\0b", 3}), HasSubstr("cannot be read"));
}

// Of a size that nobody can know beforehand, as in `--cert <(command)`; as large as it may be, and one byte more.
TEST_F(AttackClientCertificate, MayComeThroughAPipe) {
  constexpr std::size_t most = std::size_t{1} << 20U;
  auto const pipe = directory_.PathOf("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  for (auto const size : {Pem().size(), std::size_t{4097}, std::size_t{300'000}, most, most + 1}) {
    auto content = std::string(std::max(size, Pem().size()) - Pem().size(), '\n') + Pem();
    std::thread writer{[&] { std::ofstream{pipe} << content; }};
    auto const expected = HasSubstr(size > most ? "larger than 1 MiB" : "no error");
    EXPECT_THAT(RefusalOfFile(pipe), expected) << size;
    writer.join();
    EXPECT_THAT(RefusalOfFile(directory_.WriteFile("file", content)), expected) << size;
  }
}

TEST_F(AttackClientCertificate, OfSeveralForOneKeyTheOneThatIsValidNow) {
  CertificateRequest expired;
  expired.ExistingKey = certificate_.Key;
  expired.NotBefore = -48h;
  expired.NotAfter = -24h;
  auto const before = authority_.Issue(expired).CertificatePem;
  CertificateRequest early = expired;
  early.NotBefore = 24h;
  early.NotAfter = 48h;
  auto const after = authority_.Issue(early).CertificatePem;
  for (auto const& text : {before + Pem() + after, Pem() + before, after + before + Pem()}) {
    auto const binding = Presented(text);
    ASSERT_TRUE(binding);
    EXPECT_THAT(KeyIdsOf(*binding), testing::ElementsAre(certificate_.X5tS256));
  }
}

TEST_F(AttackClientCertificate, WhereNoneIsValidTheFirst) {
  CertificateRequest expired;
  expired.ExistingKey = certificate_.Key;
  expired.NotBefore = -48h;
  expired.NotAfter = -24h;
  auto const first = authority_.Issue(expired);
  expired.CommonName = "second";
  auto const second = authority_.Issue(expired);
  // It is read, and told to have expired when it is to be used.
  EXPECT_EQ(Refusal(first.CertificatePem + second.CertificatePem + certificate_.PrivateKeyPem), "no error");
}

/// RFC 5246 section 7.4.2: each certificate directly certifies the one before it, and the root may be left out.
TEST_F(AttackClientCertificate, ChainIsBuiltByIssuerWithoutStrangersAndRoot) {
  TestCertificateAuthority const upper{"upper", authority_};
  TestCertificateAuthority lower{"lower", upper};
  TestCertificateAuthority const stranger{"stranger"};
  TestCertificateAuthority const impostor{"lower", upper};
  auto const leaf = lower.IssueForClient("app");
  auto const binding = Presented(
      authority_.CertificatePem() + upper.CertificatePem() + stranger.CertificatePem() + impostor.CertificatePem() +
      leaf.CertificatePem + lower.CertificatePem() + certificate_.CertificatePem + leaf.PrivateKeyPem);
  ASSERT_TRUE(binding);
  EXPECT_THAT(
      KeyIdsOf(*binding),
      testing::ElementsAre(leaf.X5tS256, X5tS256Of(lower.Certificate()), X5tS256Of(upper.Certificate())));
}

TEST_F(AttackClientCertificate, OfAnIssuersTwoCertificatesTheOneThatIsValidNow) {
  TestCertificateAuthority lower{"lower", authority_};
  TestCertificateAuthority const expired{"lower", authority_, -1h, lower.Key()};
  auto const leaf = lower.IssueForClient("app");
  auto const binding =
      Presented(leaf.CertificatePem + leaf.PrivateKeyPem + expired.CertificatePem() + lower.CertificatePem());
  ASSERT_TRUE(binding);
  EXPECT_THAT(KeyIdsOf(*binding), testing::ElementsAre(leaf.X5tS256, X5tS256Of(lower.Certificate())));
}

TEST_F(AttackClientCertificate, TwoAuthoritiesThatVouchForEachOtherEnd) {
  TestCertificateAuthority one{"one"};
  TestCertificateAuthority const two{"two", one};
  TestCertificateAuthority const oneByTwo{"one", two, 48h, one.Key()};
  auto const leaf = one.IssueForClient("app");
  auto const binding =
      Presented(leaf.CertificatePem + leaf.PrivateKeyPem + two.CertificatePem() + oneByTwo.CertificatePem());
  ASSERT_TRUE(binding);
  EXPECT_THAT(
      KeyIdsOf(*binding),
      testing::ElementsAre(leaf.X5tS256, X5tS256Of(oneByTwo.Certificate()), X5tS256Of(two.Certificate())));
}

TEST_F(AttackClientCertificate, SecondKeyOfAFileIsFoundWhereTheCertificateIsForIt) {
  auto const other = authority_.IssueForClient("other");
  auto const binding = Presented(other.PrivateKeyPem + Pem());
  ASSERT_TRUE(binding);
  EXPECT_EQ(binding->X5tS256(), certificate_.X5tS256);
}

TEST_F(AttackClientCertificate, Pkcs12WithRc2NamesTheAlgorithmAndTheWayOut) {
  Legacy const legacy;
  if (legacy.Old == nullptr) GTEST_SKIP() << "OpenSSL's legacy provider is not installed";
  auto const file = ToDer(PKCS12_create_ex(
      "sesame", "app", certificate_.Key.get(), certificate_.Certificate.get(), nullptr, NID_pbe_WithSHA1And40BitRC2_CBC,
      NID_pbe_WithSHA1And40BitRC2_CBC, 0, 0, 0, legacy.Library.get(), nullptr));
  EXPECT_THAT(Refusal(file, "sesame"), AllOf(HasSubstr("RC2-40"), HasSubstr("-legacy"), Not(HasSubstr("sesame"))));
}

TEST_F(AttackClientCertificate, EncryptedPemWithoutPasswordSaysSo) {
  EXPECT_THAT(
      Refusal(certificate_.CertificatePem + EncryptedKey(certificate_)),
      AllOf(HasSubstr("no password was given"), HasSubstr("Set Password")));
  EXPECT_THAT(
      Refusal(certificate_.CertificatePem + EncryptedKey(certificate_), "hunter2"),
      AllOf(HasSubstr("the password is wrong"), Not(HasSubstr("hunter2"))));
}

TEST_F(AttackClientCertificate, Pkcs12WithAnotherPasswordSaysSo) {
  EXPECT_THAT(Refusal(ToPkcs12(certificate_, "sesame"), "hunter2"), HasSubstr("the password is wrong"));
  EXPECT_THAT(Refusal(ToPkcs12(certificate_, "sesame")), HasSubstr("no password was given"));
}

TEST_F(AttackClientCertificate, Pkcs12WithoutKeySaysSo) {
  auto const file =
      ToDer(PKCS12_create("sesame", "app", nullptr, certificate_.Certificate.get(), nullptr, 0, 0, 0, 0, 0));
  EXPECT_THAT(Refusal(file, "sesame"), AllOf(HasSubstr("no private key"), HasSubstr("Export it again")));
  EXPECT_THAT(Refusal(certificate_.CertificatePem), HasSubstr("holds no private key"));
}

TEST_F(AttackClientCertificate, Utf16SaysSo) {
  std::string little{"\xFF\xFE", 2};
  std::string big{"\xFE\xFF", 2};
  std::string unmarked;
  for (char const c : Pem()) {
    little += {c, '\0'};
    big += {'\0', c};
    unmarked += {c, '\0'};
  }
  for (auto const& text : {little, big, unmarked}) EXPECT_THAT(Refusal(text), HasSubstr("UTF-16"));
}

TEST_F(AttackClientCertificate, OtherFormatsSaySo) {
  EXPECT_THAT(Refusal(std::string{"\xFE\xED\xFE\xED\0\0\0\2", 8}), HasSubstr("Java key store"));
  EXPECT_THAT(
      Refusal(
          certificate_.CertificatePem +
          "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"),
      HasSubstr("ssh-keygen"));
  std::string der(static_cast<std::size_t>(i2d_X509(certificate_.Certificate.get(), nullptr)), '\0');
  auto* out = reinterpret_cast<unsigned char*>(der.data());
  i2d_X509(certificate_.Certificate.get(), &out);
  EXPECT_THAT(Refusal(der), HasSubstr("neither PEM nor PKCS#12"));
}

/// Key Vault hands the secret of a certificate out like this, without a password.
TEST_F(AttackClientCertificate, Pkcs12InBase64IsTaken) {
  auto const der = ToPkcs12(certificate_, "");
  auto text = encoding::ToBase64(encoding::AsBytes(der));
  for (auto const& form :
       {text, "\xEF\xBB\xBF" + text + "\r\n", "  " + text.substr(0, 64) + "\n  " + text.substr(64)}) {
    auto const binding = Presented(form);
    ASSERT_TRUE(binding);
    EXPECT_EQ(binding->X5tS256(), certificate_.X5tS256);
  }
}

}  // namespace
}  // namespace mtlspop::test
