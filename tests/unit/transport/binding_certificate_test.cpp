#include "mtlspop/transport/binding_certificate.hpp"

#include <gmock/gmock.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <memory>
#include <ostream>
#include <string>

#include "mtlspop/transport/openssl.hpp"
#include "support/error_code_of.hpp"
#include "support/test_certificate_authority.hpp"

namespace mtlspop {
namespace {

using std::chrono::hours;
using test::CertificateRequest;
using test::ErrorCodeOf;
using test::IssuedCertificate;
using test::KeyKind;
using test::TestCertificateAuthority;
using testing::HasSubstr;
using testing::Not;

std::string InvalidCode() { return std::string{errors::InvalidBindingCertificate.Name()}; }

std::string CodeFromPem(std::string_view certificates, std::string_view key) {
  return ErrorCodeOf([&] { openssl::MakeBindingCertificateFromPem(certificates, key); });
}

class BindingCertificateTest : public testing::Test {
 protected:
  TestCertificateAuthority authority_;
};

TEST_F(BindingCertificateTest, X5tS256IsTheDigestOfTheWholeCertificate) {
  auto const issued = authority_.IssueForClient("alice");
  auto const binding = test::ToBinding(issued);
  EXPECT_EQ(binding->X5tS256(), issued.X5tS256);
  EXPECT_EQ(binding->X5tS256().size(), 43U);
  EXPECT_EQ(binding->X5tS256().find_first_of("+/="), std::string::npos);
}

TEST_F(BindingCertificateTest, ThumbprintsAreUpperCaseHexadecimal) {
  auto const binding = test::ToBinding(authority_.IssueForClient("alice"));
  EXPECT_EQ(binding->Sha1Thumbprint().size(), 40U);
  EXPECT_EQ(binding->Sha256Thumbprint().size(), 64U);
  EXPECT_EQ(binding->Sha1Thumbprint().find_first_not_of("0123456789ABCDEF"), std::string::npos);
  EXPECT_EQ(binding->Sha256Thumbprint().find_first_not_of("0123456789ABCDEF"), std::string::npos);
  // The SHA-256 thumbprint and the `x5t#S256` are the same bytes.
  std::array<unsigned char, 32> digest{};
  std::array<unsigned char, 33> decoded{};
  auto padded = binding->X5tS256() + "=";
  std::replace(padded.begin(), padded.end(), '-', '+');
  std::replace(padded.begin(), padded.end(), '_', '/');
  ASSERT_EQ(
      EVP_DecodeBlock(
          decoded.data(), reinterpret_cast<unsigned char const*>(padded.data()), static_cast<int>(padded.size())),
      33);
  std::copy_n(decoded.begin(), digest.size(), digest.begin());
  std::string hexadecimal;
  for (auto const byte : digest) {
    hexadecimal += "0123456789ABCDEF"[byte >> 4U];
    hexadecimal += "0123456789ABCDEF"[byte & 15U];
  }
  EXPECT_EQ(binding->Sha256Thumbprint(), hexadecimal);
}

/// Wire contract section 1: a renewal with the same key is a new binding.
TEST_F(BindingCertificateTest, ARenewalWithTheSameKeyIsAnotherBinding) {
  auto const first = authority_.IssueForClient("alice");
  CertificateRequest renewal;
  renewal.CommonName = "alice";
  renewal.ExistingKey = first.Key;
  auto const second = authority_.Issue(renewal);
  EXPECT_NE(test::ToBinding(first)->X5tS256(), test::ToBinding(second)->X5tS256());
}

TEST_F(BindingCertificateTest, TellsItsValidity) {
  CertificateRequest request;
  request.NotBefore = -hours{2};
  request.NotAfter = hours{6};
  auto const binding = test::ToBinding(authority_.Issue(request));
  auto const now = std::chrono::system_clock::now();
  EXPECT_LT(std::chrono::abs(binding->NotBefore() - (now - hours{2})), std::chrono::minutes{1});
  EXPECT_LT(std::chrono::abs(binding->NotAfter() - (now + hours{6})), std::chrono::minutes{1});
  EXPECT_TRUE(binding->IsValidAt(now));
  EXPECT_TRUE(binding->IsValidAt(binding->NotBefore()));
  EXPECT_FALSE(binding->IsValidAt(binding->NotAfter()));
  EXPECT_FALSE(binding->IsValidAt(now - hours{3}));
}

TEST_F(BindingCertificateTest, TellsItsSubjectAndStrength) {
  auto const binding = test::ToBinding(authority_.IssueForClient("alice"));
  EXPECT_EQ(binding->Subject(), "CN=alice");
  EXPECT_EQ(binding->Strength(), KeyStrength::Software);
}

TEST_F(BindingCertificateTest, KeepsTheChainLeafFirst) {
  auto const issued = authority_.IssueForClient("alice");
  auto const binding =
      openssl::MakeBindingCertificateFromPem(issued.CertificatePem + authority_.CertificatePem(), issued.PrivateKeyPem);
  ASSERT_EQ(binding->Chain().size(), 2U);
  EXPECT_EQ(binding->Leaf(), binding->Chain()[0]);
  EXPECT_EQ(binding->X5tS256(), issued.X5tS256);
  auto const pem = binding->ToPem();
  EXPECT_EQ(pem, issued.CertificatePem + authority_.CertificatePem());
}

TEST_F(BindingCertificateTest, ItsPemHasNoPrivateKey) {
  EXPECT_THAT(test::ToBinding(authority_.IssueForClient("alice"))->ToPem(), Not(HasSubstr("PRIVATE")));
}

TEST_F(BindingCertificateTest, TakesOneTextWithBoth) {
  auto const issued = authority_.IssueForClient("alice");
  auto const both = issued.CertificatePem + issued.PrivateKeyPem;
  EXPECT_EQ(openssl::MakeBindingCertificateFromPem(both, both)->X5tS256(), issued.X5tS256);
  auto const other = issued.PrivateKeyPem + issued.CertificatePem;
  EXPECT_EQ(openssl::MakeBindingCertificateFromPem(other, other)->X5tS256(), issued.X5tS256);
}

TEST_F(BindingCertificateTest, TakesRsaKeys) {
  auto const issued = authority_.IssueForClient("alice", KeyKind::Rsa2048);
  EXPECT_EQ(test::ToBinding(issued)->X5tS256(), issued.X5tS256);
}

TEST_F(BindingCertificateTest, RefusesAnotherKey) {
  auto const alice = authority_.IssueForClient("alice");
  auto const mallory = authority_.IssueForClient("mallory");
  EXPECT_EQ(CodeFromPem(alice.CertificatePem, mallory.PrivateKeyPem), InvalidCode());
  auto const rsa = authority_.IssueForClient("rsa", KeyKind::Rsa2048);
  EXPECT_EQ(CodeFromPem(alice.CertificatePem, rsa.PrivateKeyPem), InvalidCode());
}

TEST_F(BindingCertificateTest, RefusesWhatCannotBeRead) {
  auto const issued = authority_.IssueForClient("alice");
  auto const& key = issued.PrivateKeyPem;
  EXPECT_EQ(CodeFromPem("", key), InvalidCode());
  EXPECT_EQ(CodeFromPem("no PEM at all", key), InvalidCode());
  EXPECT_EQ(CodeFromPem("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", key), InvalidCode());
  EXPECT_EQ(CodeFromPem(issued.CertificatePem.substr(0, issued.CertificatePem.size() / 2), key), InvalidCode());
  EXPECT_EQ(CodeFromPem(issued.CertificatePem, ""), InvalidCode());
  EXPECT_EQ(CodeFromPem(issued.CertificatePem, issued.CertificatePem), InvalidCode());
  EXPECT_EQ(CodeFromPem(issued.CertificatePem, key.substr(0, key.size() / 2)), InvalidCode());
}

/// It must not ask for a passphrase on the terminal either, as OpenSSL does by default.
TEST_F(BindingCertificateTest, RefusesAnEncryptedKey) {
  auto const issued = authority_.IssueForClient("alice");
  constexpr char const* EncryptedKey =
      "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
      "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAg9Gz8GSYRIowICCAAw\n"
      "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEAAAAAAAAAAAAAAAAAAAAAAEgZAA\n"
      "-----END ENCRYPTED PRIVATE KEY-----\n";
  EXPECT_EQ(CodeFromPem(issued.CertificatePem, EncryptedKey), InvalidCode());
}

TEST_F(BindingCertificateTest, RefusesTrailingBytesAfterTheCertificate) {
  auto const issued = authority_.IssueForClient("alice");
  auto chain = test::ToBinding(issued)->Chain();
  chain.front().push_back(0);
  EXPECT_EQ(
      ErrorCodeOf([&] {
        openssl::MakeBindingCertificate(chain, openssl::WrapPrivateKey(issued.Key.get()), KeyStrength::Software);
      }),
      InvalidCode())
      << "the `x5t#S256` would be that of another text than the certificate that is presented";
}

TEST_F(BindingCertificateTest, RefusesAnEmptyChain) {
  auto const issued = authority_.IssueForClient("alice");
  EXPECT_EQ(
      ErrorCodeOf([&] {
        openssl::MakeBindingCertificate({}, openssl::WrapPrivateKey(issued.Key.get()), KeyStrength::Software);
      }),
      InvalidCode());
}

struct Usage {
  std::string KeyUsage;
  std::string ExtendedKeyUsage;
  bool Usable;
};

void PrintTo(Usage const& usage, std::ostream* out) { *out << usage.KeyUsage << " / " << usage.ExtendedKeyUsage; }

class UsageTest : public testing::TestWithParam<Usage> {};

/// RFC 5280 sections 4.2.1.3 and 4.2.1.12.
TEST_P(UsageTest, MustAllowClientAuthentication) {
  TestCertificateAuthority authority;
  CertificateRequest request;
  request.KeyUsage = GetParam().KeyUsage;
  request.ExtendedKeyUsage = GetParam().ExtendedKeyUsage;
  auto const issued = authority.Issue(request);
  EXPECT_EQ(
      CodeFromPem(issued.CertificatePem, issued.PrivateKeyPem),
      GetParam().Usable ? std::string{"no error"} : InvalidCode());
}

INSTANTIATE_TEST_SUITE_P(
    Usages,
    UsageTest,
    testing::Values(
        Usage{"", "", true},
        Usage{"critical,digitalSignature", "", true},
        Usage{"critical,digitalSignature,keyEncipherment", "clientAuth", true},
        Usage{"", "serverAuth,clientAuth", true},
        Usage{"", "anyExtendedKeyUsage", true},
        Usage{"", "serverAuth", false},
        Usage{"", "codeSigning", false},
        Usage{"critical,keyCertSign", "", false},
        Usage{"critical,keyCertSign", "clientAuth", false}));

TEST_F(BindingCertificateTest, OutlivesTheKeyItWasMadeFrom) {
  std::shared_ptr<BindingCertificate const> binding;
  {
    auto const issued = authority_.IssueForClient("alice");
    binding = test::ToBinding(issued);
  }
  EXPECT_GT(EVP_PKEY_get_size(openssl::GetPrivateKey(binding->Key())), 0);
}

TEST_F(BindingCertificateTest, AForeignKeyHandleIsRefused) {
  class ForeignKey final : public PrivateKeyHandle {};
  ForeignKey const foreign;
  EXPECT_EQ(ErrorCodeOf([&] { openssl::GetPrivateKey(foreign); }), InvalidCode());
  auto const issued = authority_.IssueForClient("alice");
  EXPECT_EQ(
      ErrorCodeOf([&] {
        openssl::MakeBindingCertificate(
            test::ToBinding(issued)->Chain(),
            gsl::not_null<std::shared_ptr<PrivateKeyHandle const>>{std::make_shared<ForeignKey>()},
            KeyStrength::Software);
      }),
      InvalidCode());
}

TEST(KeyStrengthTest, IsOrdered) {
  EXPECT_LT(KeyStrength::None, KeyStrength::Software);
  EXPECT_LT(KeyStrength::Software, KeyStrength::Hardware);
  EXPECT_LT(KeyStrength::Hardware, KeyStrength::KeyGuard);
  EXPECT_EQ(ToString(KeyStrength::None), "none");
  EXPECT_EQ(ToString(KeyStrength::Software), "software");
  EXPECT_EQ(ToString(KeyStrength::Hardware), "hardware");
  EXPECT_EQ(ToString(KeyStrength::KeyGuard), "keyguard");
}

/// RFC 5280 section 4.2.1.9: it is there to sign certificates, and who shows it would pass for the whole authority.
TEST(AttackBindingCertificateTest, AnAuthoritysCertificateIsNoLeaf) {
  TestCertificateAuthority root;
  CertificateRequest request;
  request.BasicConstraints = "critical,CA:TRUE";
  request.KeyUsage = "critical,digitalSignature,keyCertSign";
  auto const authority = root.Issue(request);
  EXPECT_EQ(CodeFromPem(authority.CertificatePem, authority.PrivateKeyPem), InvalidCode());
}

/// The system clock's time points end in the year 2262, certificates' dates in 9999 (RFC 5280 section 4.1.2.5).
TEST(AttackBindingCertificateTest, DatesBehindTheClocksEndAreItsEnd) {
  constexpr hours year{365 * 24};
  TestCertificateAuthority root;
  CertificateRequest request;
  request.NotAfter = 7900 * year;
  auto const forEver = test::ToBinding(root.Issue(request));
  EXPECT_TRUE(forEver->IsValidAt(std::chrono::system_clock::now()));
  EXPECT_GT(forEver->NotAfter(), std::chrono::system_clock::now() + 200 * year);
  request.NotBefore = 584 * year;
  EXPECT_FALSE(test::ToBinding(root.Issue(request))->IsValidAt(std::chrono::system_clock::now()));
}

}  // namespace
}  // namespace mtlspop
