// Which certificate of several is an application's own, and what is said of files that cannot be read.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "container_keys.hpp"
#include "crypto.hpp"
#include "mtlspop/credential/errors.hpp"
#include "test_certificates.hpp"
#include "windows/certificate_choice.hpp"

namespace mtlspop::windows_tests {
namespace {

using std::chrono::hours;
using std::chrono::system_clock;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class CertificateChoiceTest : public testing::Test {
 protected:
  static schannel::CertificateContextPtr Leaf(CertificateText text = {}) {
    static auto const key = MakeContainerKeyProvider()->GetOrCreateKey({}, {});
    text.Subject = L"CN=an app";
    text.Issuer = AuthorityName;
    return schannel::ParseCertificate(MakeCertificateFor(key->SubjectPublicKeyInfo(), text));
  }
  static schannel::CertificateContextPtr Expired() {
    CertificateText text;
    text.From = system_clock::now() - hours{48};
    text.To = system_clock::now() - hours{24};
    return Leaf(text);
  }
  static schannel::CertificateContextPtr Stranger() {
    return schannel::ParseCertificate(MakeTestBinding({L"CN=a stranger"})->Leaf());
  }

  template <typename... Certificates>
  static std::vector<std::size_t> Choose(std::size_t keys, Certificates... given) {
    std::vector<schannel::CertificateContextPtr> certificates;
    (certificates.push_back(std::move(given)), ...);
    return windows::ChooseCertificates(
        certificates, [keys](std::size_t index) { return index < keys; }, system_clock::now());
  }
};

TEST_F(CertificateChoiceTest, OneThatIsValidNowComesBeforeOneThatHasExpired) {
  EXPECT_THAT(Choose(2, Expired(), Leaf()), ElementsAre(1));
  EXPECT_THAT(Choose(2, Leaf(), Expired()), ElementsAre(0));
}

TEST_F(CertificateChoiceTest, WhereNoneIsValidTheFirstIsTaken) {
  EXPECT_THAT(Choose(2, Expired(), Expired()), ElementsAre(0));
}

TEST_F(CertificateChoiceTest, WithoutAKeyThereIsNone) { EXPECT_THAT(Choose(0, Leaf()), IsEmpty()); }

TEST_F(CertificateChoiceTest, IssuersGoAlongAndStrangersAndRootsDoNot) {
  auto const issuing = [] { return schannel::ParseCertificate(MakeAuthority(L"CN=a root")); };
  EXPECT_THAT(Choose(1, Leaf(), Stranger(), issuing()), ElementsAre(0, 2));
  EXPECT_THAT(Choose(1, Leaf(), schannel::ParseCertificate(MakeAuthority())), ElementsAre(0));
}

/// What is said of a certificate's text that cannot be used, and what to do.
ErrorDetails FailureOf(std::string const& text, std::string const& password = {}) {
  try {
    crypto::ParseClientCertificate(
        Secret{std::string_view{text}}, Secret{std::string_view{password}}, "app.pem", system_clock::now());
  } catch (Error const& error) {
    return error.Details();
  }
  ADD_FAILURE() << "it was taken";
  return ErrorDetails{ErrorCode{"none"}, {}, {}};
}

TEST(ClientCertificateTextTest, WhatCannotBeReadIsSaidWithTheWayOut) {
  auto const certificate = MakeTestBinding()->ToPem();
  auto const block = [](std::string const& label, std::string const& content = "MAA=") {
    return "-----BEGIN " + label + "-----\n" + content + "\n-----END " + label + "-----\n";
  };
  struct Row {
    std::string Text;
    char const* What;
    char const* Action;
  };
  for (auto const& row : std::vector<Row>{
           {certificate, "holds no private key", "CertificateUri"},
           {certificate + block("ENCRYPTED PRIVATE KEY"), "encrypted private key", "openssl pkey"},
           {certificate + block("RSA PRIVATE KEY"), "old format", "openssl pkcs8 -topk8"},
           {certificate + block("OPENSSH PRIVATE KEY"), "OpenSSH's own format", "ssh-keygen"},
           {certificate + block("PRIVATE KEY") + block("PRIVATE KEY"), "several private keys", "Leave the one"},
           {block("PRIVATE KEY"), "no certificate that can be read", "Add the certificate"},
           {certificate + block("PRIVATE KEY"), "cannot import", "PKCS#12"}}) {
    auto const failure = FailureOf(row.Text);
    EXPECT_EQ(failure.Code, errors::ClientCertificateUnusable) << row.What;
    EXPECT_THAT(failure.What, HasSubstr(row.What));
    EXPECT_THAT(failure.What, HasSubstr("app.pem"));
    EXPECT_THAT(failure.Action, HasSubstr(row.Action));
  }
}

TEST(ClientCertificateTextTest, WhatIsNoPkcs12FileIsSaidToBeNone) {
  EXPECT_THAT(FailureOf("\x30\x03\x02\x01\x05", "password").What, HasSubstr("PKCS#12"));
}

}  // namespace
}  // namespace mtlspop::windows_tests
