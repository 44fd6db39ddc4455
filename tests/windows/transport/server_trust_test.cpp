// Who vouches for servers where the options say it, with certificates and revocation lists of the test's own.

#include <array>
#include <cstdio>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "container_keys.hpp"
#include "loopback_server.hpp"
#include "mtlspop/transport/error.hpp"
#include "schannel/server_trust.hpp"
#include "test_certificates.hpp"

namespace mtlspop::windows_tests {
namespace {

using testing::HasSubstr;

TEST(ServerTrustTest, FilesThatCannotBeUsedAreNamed) {
  auto const codeOf = [](TrustOptions const& options) {
    try {
      schannel::ServerTrust const trust{options};
      return std::string{"none"};
    } catch (Error const& error) {
      return std::string{error.Code().Name()};
    }
  };
  TrustOptions missing;
  missing.CaFile = "C:\\no such file.pem";
  EXPECT_EQ(codeOf(missing), "trust_store_unusable");
  TrustOptions empty;
  empty.CaPem = "nothing";
  EXPECT_EQ(codeOf(empty), "trust_store_unusable");
  TrustOptions nobody;
  nobody.UseSystemStore = false;
  EXPECT_EQ(codeOf(nobody), "trust_store_unusable");
  TrustOptions lists;
  lists.CrlFile = "C:\\no such file.crl";
  EXPECT_EQ(codeOf(lists), "trust_store_unusable");
}

TEST(ServerTrustTest, ACertificateOfNobodyTrustedIsRefused) {
  auto const server = MakeTestBinding({L"CN=server.example", {szOID_PKIX_KP_SERVER_AUTH, szOID_PKIX_KP_CLIENT_AUTH}});
  TrustOptions options;
  options.CaPem = MakeTestBinding({L"CN=another authority"})->ToPem();
  schannel::ServerTrust const trust{options};
  auto const context = schannel::ParseCertificate(server->Leaf());
  try {
    trust.Verify(context.get(), "server.example");
    ADD_FAILURE();
  } catch (Error const& error) {
    EXPECT_EQ(error.Code(), errors::ServerCertificateRejected);
    EXPECT_TRUE(error.Details().NothingSent);
  }
}

/// Whoever waits for a download in WinHTTP's callback holds up WinHTTP, and tells the server's authority who asks.
TEST(ServerTrustTest, NothingIsFetchedThatTheServerDoesNotSend) {
  LoopbackServer const place{"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"};
  auto const url = place.Url() + "/issuer.cer";
  CertificateText text{L"CN=server.example", {szOID_PKIX_KP_SERVER_AUTH}};
  text.Issuer = AuthorityName;
  text.IssuerUrl.assign(url.begin(), url.end());
  auto const server =
      MakeCertificateFor(MakeContainerKeyProvider()->GetOrCreateKey({}, {})->SubjectPublicKeyInfo(), text);
  TrustOptions options;
  options.CaPem = MakeTestBinding({L"CN=another authority"})->ToPem();
  schannel::ServerTrust const trust{options};
  EXPECT_THROW(trust.Verify(schannel::ParseCertificate(server).get(), "server.example"), Error);
  EXPECT_THAT(place.Heads(), testing::IsEmpty());
}

std::string ToPem(std::vector<std::uint8_t> const& der, std::string const& label) {
  DWORD length = 0;
  CryptBinaryToStringA(der.data(), static_cast<DWORD>(der.size()), CRYPT_STRING_BASE64, nullptr, &length);
  std::string base64(length, '\0');
  CryptBinaryToStringA(der.data(), static_cast<DWORD>(der.size()), CRYPT_STRING_BASE64, base64.data(), &length);
  base64.resize(length);
  return "-----BEGIN " + label + "-----\r\n" + base64 + "-----END " + label + "-----\r\n";
}

/// Certificates that are no roots and trusted as they are.
class PinnedTest : public testing::Test {
 protected:
  static std::vector<std::uint8_t> MakeServer(CertificateText text = {}) {
    text.Subject = L"CN=server.example";
    text.Purposes = {szOID_PKIX_KP_SERVER_AUTH};
    text.Issuer = AuthorityName;
    return MakeCertificateFor(MakeContainerKeyProvider()->GetOrCreateKey({}, {})->SubjectPublicKeyInfo(), text);
  }

  /// What is said against the server, "" for nothing.
  static std::string Verdict(
      std::vector<std::uint8_t> const& server,
      std::vector<std::uint8_t> const& trusted,
      std::string const& host = "server.example") {
    TrustOptions options;
    options.CaPem = ToPem(trusted, "CERTIFICATE");
    try {
      schannel::ServerTrust const trust{options};
      trust.Verify(schannel::ParseCertificate(server).get(), host);
      return {};
    } catch (Error const& error) {
      return error.Details().What;
    }
  }
};

TEST_F(PinnedTest, AnIssuingAuthorityVouchesWithoutItsRoot) {
  auto const issuing = MakeAuthority(L"CN=a root that nobody has");
  EXPECT_EQ(Verdict(MakeServer(), issuing), "");
  EXPECT_THAT(Verdict(MakeServer(), issuing, "another.example"), HasSubstr("another host"));
}

TEST_F(PinnedTest, AServersOwnCertificateVouchesForItAlone) {
  auto const server = MakeServer();
  EXPECT_EQ(Verdict(server, server), "");
  EXPECT_THAT(Verdict(server, server, "another.example"), HasSubstr("another host"));
  EXPECT_THAT(Verdict(MakeServer(), server), HasSubstr("none of the trusted authorities"));
  EXPECT_THAT(Verdict(server, MakeTestBinding({L"CN=server.example"})->Leaf()), HasSubstr("refused"));
}

TEST_F(PinnedTest, AnAuthoritysCertificateIsNoServers) {
  auto const issuing = MakeAuthority(L"CN=a root that nobody has");
  EXPECT_THAT(Verdict(issuing, issuing), HasSubstr("signs other certificates"));
}

TEST_F(PinnedTest, WhatHasExpiredIsRefusedAllTheSame) {
  CertificateText expired;
  expired.From = std::chrono::system_clock::now() - std::chrono::hours{48};
  expired.To = std::chrono::system_clock::now() - std::chrono::hours{24};
  auto const server = MakeServer(expired);
  EXPECT_THAT(Verdict(server, server), HasSubstr("expired"));
  EXPECT_THAT(Verdict(server, MakeAuthority(L"CN=a root that nobody has")), HasSubstr("expired"));
}

/// A server with a certificate of the test's authority, and a file of that authority's revocation lists.
class RevocationTest : public testing::Test {
 protected:
  RevocationTest() {
    std::array<char, MAX_PATH> folder{};
    std::array<char, MAX_PATH> file{};
    GetTempPathA(MAX_PATH, folder.data());
    GetTempFileNameA(folder.data(), "crl", 0, file.data());
    options_.CrlFile = file.data();
    options_.CaPem = ToPem(MakeAuthority(), "CERTIFICATE");
  }
  ~RevocationTest() override { std::remove(options_.CrlFile.c_str()); }

  /// What is said against the server, "" for nothing.
  std::string Verdict(std::string const& lists) {
    std::ofstream{options_.CrlFile, std::ios::binary} << lists;
    try {
      schannel::ServerTrust const trust{options_};
      trust.Verify(schannel::ParseCertificate(server_).get(), "server.example");
      return {};
    } catch (Error const& error) {
      return error.Details().What;
    }
  }

  static std::string List(std::vector<std::uint8_t> const& revoked, bool isPartial = false) {
    return ToPem(MakeRevocationList(revoked, isPartial), "X509 CRL");
  }

  TrustOptions options_;
  std::vector<std::uint8_t> const server_ = [] {
    CertificateText text{L"CN=server.example", {szOID_PKIX_KP_SERVER_AUTH}};
    text.Issuer = AuthorityName;
    return MakeCertificateFor(MakeContainerKeyProvider()->GetOrCreateKey({}, {})->SubjectPublicKeyInfo(), text);
  }();
};

TEST_F(RevocationTest, AServerThatIsOnNoListIsGood) { EXPECT_EQ(Verdict(List({})), ""); }

TEST_F(RevocationTest, AServerThatIsOnAListIsRefusedWhateverTheOthersSay) {
  EXPECT_THAT(Verdict(List(server_)), HasSubstr("revoked"));
  EXPECT_THAT(Verdict(List({}) + List(server_)), HasSubstr("revoked"));
}

/// RFC 5280 section 5.2: a list with a critical extension that is not understood says nothing about who is not on it.
TEST_F(RevocationTest, AListThatIsForSomeCertificatesOnlyDoesNotVouch) {
  EXPECT_THAT(Verdict(List({}, true)), HasSubstr("no current revocation list"));
  EXPECT_EQ(Verdict(List({}, true) + List({})), "");
  EXPECT_THAT(Verdict(List({}) + List(server_, true)), HasSubstr("revoked"));
}

/// It may be the one that the server is on.
TEST_F(RevocationTest, AFileWithADamagedListIsNotUsed) {
  auto const good = List({});
  EXPECT_THAT(
      Verdict(good + "-----BEGIN X509 CRL-----\r\n!\r\n-----END X509 CRL-----\r\n"), HasSubstr("cannot be read"));
  EXPECT_THAT(Verdict(good + List(server_).substr(0, 200)), HasSubstr("cannot be read"));
}

}  // namespace
}  // namespace mtlspop::windows_tests
