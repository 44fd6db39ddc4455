// The platform's cryptography as the credential layer wants it.

#include <gtest/gtest.h>

#include "crypto.hpp"
#include "mtlspop/base/encoding.hpp"
#include "mtlspop/credential/errors.hpp"
#include "test_certificates.hpp"

namespace mtlspop::windows_tests {
namespace {

TEST(WindowsCryptoTest, Sha256IsThatOfTheStandard) {
  // FIPS 180-4's example "abc".
  EXPECT_EQ(
      encoding::ToBase64Url(crypto::Sha256(encoding::AsBytes("abc"))), "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
  EXPECT_EQ(encoding::ToBase64Url(crypto::Sha256({})), "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU");
}

TEST(WindowsCryptoTest, RandomBytesDiffer) {
  std::array<std::uint8_t, 32> first{};
  std::array<std::uint8_t, 32> second{};
  crypto::FillRandom(first);
  crypto::FillRandom(second);
  EXPECT_NE(first, second);
}

TEST(WindowsCryptoTest, ACertificatesFactsAreRead) {
  auto const binding = MakeTestBinding({L"CN=facts", {szOID_PKIX_KP_CLIENT_AUTH}});
  auto const facts = crypto::ReadCertificate(binding->Leaf());
  ASSERT_TRUE(facts);
  EXPECT_TRUE(facts->AllowsClientAuthentication);
  EXPECT_EQ(facts->NotAfter, binding->NotAfter());
  EXPECT_EQ(facts->NotAfter - facts->NotBefore, std::chrono::hours{48});
  EXPECT_EQ(facts->SubjectPublicKeyInfo.front(), 0x30);
}

TEST(WindowsCryptoTest, ACertificateForServersOnlyAllowsNoClient) {
  auto const key = crypto::ReadCertificate(MakeTestBinding()->Leaf())->SubjectPublicKeyInfo;
  auto const facts = crypto::ReadCertificate(MakeCertificateFor(key, {L"CN=server", {szOID_PKIX_KP_SERVER_AUTH}}));
  ASSERT_TRUE(facts);
  EXPECT_FALSE(facts->AllowsClientAuthentication);
  EXPECT_EQ(facts->SubjectPublicKeyInfo, key) << "byte for byte";
}

TEST(WindowsCryptoTest, WhatIsNoCertificateIsNotRead) {
  auto der = MakeTestBinding()->Leaf();
  EXPECT_FALSE(crypto::ReadCertificate({}));
  EXPECT_FALSE(crypto::ReadCertificate(encoding::AsBytes("not a certificate")));
  der.push_back(0);
  EXPECT_FALSE(crypto::ReadCertificate(der)) << "something follows it";
}

TEST(WindowsCryptoTest, WhatIsNoClientCertificateIsRefusedByName) {
  for (auto const* const content :
       {"", "hello", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "\x30\x03\x02\x01\x00"}) {
    try {
      crypto::ParseClientCertificate(
          Secret{std::string_view{content}}, Secret{}, "app.pem", std::chrono::system_clock::now());
      ADD_FAILURE() << content;
    } catch (Error const& error) {
      EXPECT_EQ(error.Code(), errors::ClientCertificateUnusable);
      EXPECT_NE(error.Details().What.find("app.pem"), std::string::npos);
    }
  }
}

TEST(WindowsCryptoTest, AUriNamesStoreAndThumbprint) {
  for (auto const* const uri :
       {"", "cert:/", "cert:/Elsewhere/My/0123456789012345678901234567890123456789", "cert:/CurrentUser/My",
        "cert:/CurrentUser/My/12", "cert:/CurrentUser/My/0123456789012345678901234567890123456789"}) {
    try {
      crypto::LoadClientCertificateFromUri(uri, Secret{}, std::chrono::system_clock::now());
      ADD_FAILURE() << uri;
    } catch (Error const& error) {
      EXPECT_EQ(error.Code(), errors::ClientCertificateUnusable) << uri;
    }
  }
}

}  // namespace
}  // namespace mtlspop::windows_tests
