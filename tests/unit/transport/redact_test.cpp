#include <gmock/gmock.h>

#include <chrono>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include "mtlspop/transport/redact.hpp"

namespace mtlspop {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr char const* Jwt =
    "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJhdWQiOiJodHRwczovL3ZhdWx0LmF6dXJlLm5ldCIsInRpZCI6IjEifQ.c2lnbmF0dXJl";

struct Leak {
  std::string Text;
  /// What must not come through.
  std::string Secret;
};

void PrintTo(Leak const& leak, std::ostream* out) { *out << leak.Text; }

class LeakTest : public testing::TestWithParam<Leak> {};

TEST_P(LeakTest, IsTakenOut) {
  EXPECT_THAT(Redact(GetParam().Text), AllOf(Not(HasSubstr(GetParam().Secret)), HasSubstr("[redacted]")))
      << GetParam().Text;
}

std::string const PrivateKey =
    "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\nAwEHBG0wawIBAQQg\n-----END PRIVATE KEY-----\n";

INSTANTIATE_TEST_SUITE_P(
    Tokens,
    LeakTest,
    testing::Values(
        Leak{Jwt, "eyJ"},
        Leak{std::string{"token "} + Jwt + " was refused", "eyJ"},
        Leak{std::string{"token="} + Jwt, "eyJ"},
        Leak{std::string{"\""} + Jwt + "\"", "c2lnbmF0dXJl"},
        Leak{std::string{"("} + Jwt + ")", "eyJ"},
        // Its parts alone, as an error text of another library may quote them.
        Leak{"header eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9 is bad", "eyJhbGci"},
        Leak{"payload: eyJhdWQiOiJodHRwczovL3ZhdWx0LmF6dXJlLm5ldCIsInRpZCI6IjEifQ", "eyJhdWQ"}));

INSTANTIATE_TEST_SUITE_P(
    Headers,
    LeakTest,
    testing::Values(
        Leak{"Authorization: Bearer abcdefghijklmnop", "abcdefghijklmnop"},
        Leak{"authorization: mtls_pop short", "short"},
        Leak{"AUTHORIZATION:Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"},
        Leak{"x-ms-copy-source-authorization: Bearer abc def", "abc def"},
        Leak{"Proxy-Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"},
        Leak{"Authorization: Digest username=\"u\", response=\"0123456789abcdef\"", "0123456789abcdef"},
        Leak{"GET / HTTP/1.1\r\nAuthorization: Bearer abc def\r\nHost: a.example\r\n", "abc def"},
        Leak{"{\"Authorization\": \"Bearer abcdef\"}", "abcdef"},
        Leak{"sent Bearer abcdefghijklmnopqrstuvwxyz to the vault", "abcdefghijklmnopqrstuvwxyz"},
        Leak{"scheme MTLS_POP abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnopqrstuvwxyz"}));

INSTANTIATE_TEST_SUITE_P(
    Members,
    LeakTest,
    testing::Values(
        Leak{"{\"access_token\":\"opaque\",\"expires_in\":3600}", "opaque"},
        Leak{"{\"access_token\" : \"opaque\"}", "opaque"},
        Leak{"{\\\"access_token\\\":\\\"opaque\\\"}", "opaque"},
        Leak{"{\"refresh_token\":\"opaque\"}", "opaque"},
        Leak{"{\"id_token\":\"opaque\"}", "opaque"},
        Leak{"{\"attestation_token\":\"opaque\"}", "opaque"},
        Leak{"{\"csr\":\"opaque\"}", "opaque"},
        Leak{"{\"password\":\"hunter2\"}", "hunter2"},
        Leak{"{\"client_secret\":\"hunter2\"}", "hunter2"},
        Leak{"{'access_token': 'opaque'}", "opaque"},
        Leak{"client_assertion=opaque&grant_type=client_credentials", "opaque"},
        Leak{"grant_type=client_credentials&assertion=opaque", "opaque"},
        Leak{"?access_token=opaque", "opaque"},
        // As .NET writes JSON.
        Leak{"{\"url\":\"https://a.example/?sv=1\\u0026sig=opaque\\u0026sp=r", "opaque"},
        Leak{"password=hunter2", "hunter2"},
        Leak{"Password: hunter2", "hunter2"},
        Leak{"{\"password\":\"pass word; with, signs\"}", "word;"},
        Leak{"{\"password\":\"quote\\\"hunter2\"}", "hunter2"}));

INSTANTIATE_TEST_SUITE_P(
    Places,
    LeakTest,
    testing::Values(
        Leak{"proxy http://user:hunter2@proxy.example:3128 failed", "hunter2"},
        Leak{"https://hunter2@proxy.example/", "hunter2"},
        Leak{"http://user:hunter2%40x@[::1]:3128/", "hunter2"},
        Leak{"http://user:p@ss@proxy.example", "ss@"}));

INSTANTIATE_TEST_SUITE_P(
    Keys,
    LeakTest,
    testing::Values(
        Leak{PrivateKey, "MIGHAgEAMBMGByqGSM49"},
        Leak{"before " + PrivateKey + " after", "AwEHBG0wawIBAQQg"},
        Leak{"-----BEGIN RSA PRIVATE KEY-----\ncut off, and no end: MIGHAgEA", "MIGHAgEA"},
        Leak{"-----BEGIN CERTIFICATE REQUEST-----\nMIICijCCAXIC\n-----END CERTIFICATE REQUEST-----", "MIICijCCAXIC"}));

TEST(RedactTest, KeepsWhatStandsAroundASecret) {
  auto const text = Redact("before " + PrivateKey + "after");
  EXPECT_THAT(text, HasSubstr("before "));
  EXPECT_THAT(text, HasSubstr("after"));
  auto const request = Redact("GET /a HTTP/1.1\r\nAuthorization: Bearer abc\r\nHost: a.example\r\n");
  EXPECT_THAT(request, HasSubstr("GET /a"));
  EXPECT_THAT(request, HasSubstr("Host: a.example"));
}

/// What people on call need to see comes through.
TEST(RedactTest, KeepsWhatIsNoSecret) {
  std::vector<std::string> const harmless{
      "", "connection to myvault.vault.azure.net:443 lost",
      "https://myvault.vault.azure.net/secrets/name/0123456789abcdef0123456789abcdef?api-version=7.4",
      "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01",
      "AADSTS392196: The resource does not support tokens",
      "x-ms-client-request-id 5e2b9f0c-7a11-4c2e-9d47-0a7a4d2f6f1b",
      // An `x5t#S256` (x5t#S256) and a SHA-256 thumbprint.
      "`x5t#S256` GGgtI79iGU5srrv-D5v-hvPUsFbVnkBDZHhDekF8NHE",
      "thumbprint E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
      "token_type=mtls_pop expires_in=3600", "WWW-Authenticate: Bearer realm", "the bearer is known"};
  for (auto const& text : harmless) EXPECT_EQ(Redact(text), text);
}

TEST(RedactTest, WritesControlCharactersAsText) {
  using namespace std::string_literals;
  EXPECT_EQ(Redact("a\r\nb"), "a\\x0D\\x0Ab");
  EXPECT_EQ(Redact("\0\x1b[31m\x7f"s), "\\x00\\x1B[31m\\x7F");
  EXPECT_EQ(Redact("tab\there"), "tab\\x09here");
}

std::string RandomText(std::mt19937& random, std::string_view alphabet, std::size_t length) {
  std::uniform_int_distribution<std::size_t> pick{0, alphabet.size() - 1};
  std::string text;
  for (std::size_t index = 0; index < length; ++index) text += alphabet[pick(random)];
  return text;
}

/// "Long base64 and base64url runs": whatever comes out of a random generator, 16 characters of it never come through.
TEST(RedactTest, TakesOutEveryLongRun) {
  std::mt19937 random{20261121};
  constexpr std::string_view Base64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  constexpr std::string_view Base64Url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  for (auto const alphabet : {Base64, Base64Url}) {
    for (int round = 0; round < 2000; ++round) {
      auto const secret = RandomText(random, alphabet, 70 + static_cast<std::size_t>(round) / 8);
      auto const redacted = Redact("value " + secret + " end");
      ASSERT_EQ(redacted.find(secret.substr(secret.size() / 2, 16)), std::string::npos) << redacted;
    }
  }
}

/// A log line may hold what somebody else sent, as long as he likes.
TEST(RedactTest, TakesTimeInProportionToTheText) {
  for (std::string const piece :
       {"eyJ", "-----BEGIN ", "authorization", "password=", "://", "Bearer ", "a", "\"csr\":\"", "a/", "\\\"", "-",
        "eyJ "}) {
    std::string text;
    while (text.size() < 200'000) text += piece;
    auto const start = std::chrono::steady_clock::now();
    (void)Redact(text);
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds{5}) << piece;
  }
}

TEST(RedactTest, IsSafeWithAnyBytes) {
  std::mt19937 random{7};
  std::uniform_int_distribution<int> byte{0, 255};
  for (int round = 0; round < 500; ++round) {
    std::string text;
    for (int index = 0; index < 200; ++index) text += static_cast<char>(byte(random));
    auto const redacted = Redact(text);
    for (char const character : redacted) {
      auto const code = static_cast<unsigned char>(character);
      ASSERT_TRUE(code >= 0x20 && code != 0x7f);
    }
  }
}

/// What the other side says may be cut in the middle of a letter, or be no UTF-8 at all: lines and texts always are.
TEST(AttackUtf8Test, WhatIsNoUtf8IsReplaced) {
  std::string const replaced = "\xEF\xBF\xBD";
  for (std::string const good :
       {"gr\xC3\xBC\xC3\x9F", "\xE2\x82\xAC", "\xF0\x9F\x94\x91", "\xF4\x8F\xBF\xBF", "\xED\x9F\xBF", "\xEE\x80\x80"}) {
    EXPECT_EQ(Redact(good), good);
    EXPECT_EQ(Redact("a" + good + "b"), "a" + good + "b");
  }
  // Cut, a continuation alone, longer than needed, half of a pair, beyond Unicode, never a byte of it.
  EXPECT_EQ(Redact("\xC3"), replaced);
  EXPECT_EQ(Redact("a\xE2\x82"), "a" + replaced + replaced);
  EXPECT_EQ(Redact("\xBFz"), replaced + "z");
  EXPECT_EQ(Redact("\xC0\xAF"), replaced + replaced);
  EXPECT_EQ(Redact("\xE0\x9F\xBF"), replaced + replaced + replaced);
  EXPECT_EQ(Redact("\xED\xA0\x80"), replaced + replaced + replaced);
  EXPECT_EQ(Redact("\xF4\x90\x80\x80"), replaced + replaced + replaced + replaced);
  EXPECT_EQ(Redact("\xFF\xFE"), replaced + replaced);
  EXPECT_EQ(Redact("\xF0\x9F\x94"), replaced + replaced + replaced);
}

/// What is short, and in forms that no other rule knows.
TEST(AttackRedactTest, SharedAccessSignaturesCookiesAndKeysAreSecrets) {
  for (std::string const text :
       {"https://a.blob.core.windows.net/c?sv=2024&sig=hunter2%2Fx&se=1", "Cookie: a=1; session=hunter2",
        "Set-Cookie: session=hunter2; Secure", "x-api-key: hunter2", "api-key=hunter2", "Server=db;pwd=hunter2;x=1",
        "{\"pwd\":\"hunter2\"}"}) {
    EXPECT_EQ(Redact(text).find("hunter2"), std::string::npos) << Redact(text);
  }
  EXPECT_EQ(Redact("design=plain"), "design=plain");
}

}  // namespace
}  // namespace mtlspop
