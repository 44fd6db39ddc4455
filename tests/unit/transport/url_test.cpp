#include "mtlspop/transport/url.hpp"

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "support/error_code_of.hpp"

namespace mtlspop {
namespace {

using test::ErrorCodeOf;
using test::ErrorOf;

struct GoodUrl {
  std::string Text;
  std::string Scheme;
  std::string Host;
  std::uint16_t Port;
  std::string Target;
  std::string HostHeader;
};

void PrintTo(GoodUrl const& url, std::ostream* out) { *out << url.Text; }

class GoodUrlTest : public testing::TestWithParam<GoodUrl> {};

TEST_P(GoodUrlTest, IsReadAsItStands) {
  auto const url = Url::Parse(GetParam().Text);
  EXPECT_EQ(url.GetOrigin().Scheme, GetParam().Scheme);
  EXPECT_EQ(url.Host(), GetParam().Host);
  EXPECT_EQ(url.Port(), GetParam().Port);
  EXPECT_EQ(url.Target(), GetParam().Target);
  EXPECT_EQ(url.HostHeader(), GetParam().HostHeader);
  EXPECT_EQ(url.IsHttps(), GetParam().Scheme == "https");
}

TEST_P(GoodUrlTest, SurvivesBeingWrittenAndReadAgain) {
  auto const url = Url::Parse(GetParam().Text);
  auto const again = Url::Parse(url.ToString());
  EXPECT_EQ(again.ToString(), url.ToString());
  EXPECT_EQ(again.GetOrigin(), url.GetOrigin());
  EXPECT_EQ(again.Target(), url.Target());
}

INSTANTIATE_TEST_SUITE_P(
    Urls,
    GoodUrlTest,
    testing::Values(
        GoodUrl{"https://a.example", "https", "a.example", 443, "/", "a.example"},
        GoodUrl{"https://a.example/", "https", "a.example", 443, "/", "a.example"},
        GoodUrl{"HTTPS://A.Example:443/B", "https", "a.example", 443, "/B", "a.example"},
        GoodUrl{"http://a.example:80/", "http", "a.example", 80, "/", "a.example"},
        GoodUrl{"http://a.example:443/", "http", "a.example", 443, "/", "a.example:443"},
        GoodUrl{"https://a.example:8443/b?c=d&e", "https", "a.example", 8443, "/b?c=d&e", "a.example:8443"},
        GoodUrl{"https://a.example?c=d", "https", "a.example", 443, "/?c=d", "a.example"},
        GoodUrl{"https://a.example/b#fragment", "https", "a.example", 443, "/b", "a.example"},
        GoodUrl{"https://a.example#fragment", "https", "a.example", 443, "/", "a.example"},
        GoodUrl{"https://a.example/b?#x?y", "https", "a.example", 443, "/b?", "a.example"},
        GoodUrl{"https://a.example/b%20c%2F", "https", "a.example", 443, "/b%20c%2F", "a.example"},
        GoodUrl{"https://a.example/b?c=/d?e:f@g", "https", "a.example", 443, "/b?c=/d?e:f@g", "a.example"},
        GoodUrl{"https://a.example/b@c", "https", "a.example", 443, "/b@c", "a.example"},
        GoodUrl{"http://169.254.169.254/metadata", "http", "169.254.169.254", 80, "/metadata", "169.254.169.254"},
        GoodUrl{"https://[::1]:8443/b", "https", "::1", 8443, "/b", "[::1]:8443"},
        GoodUrl{"https://[2001:DB8::1]/", "https", "2001:db8::1", 443, "/", "[2001:db8::1]"},
        GoodUrl{"https://a_b.example:65535/", "https", "a_b.example", 65535, "/", "a_b.example:65535"},
        GoodUrl{"https://a.example:1/", "https", "a.example", 1, "/", "a.example:1"}));

class BadUrlTest : public testing::TestWithParam<std::string> {};

TEST_P(BadUrlTest, IsRefused) {
  auto const error = ErrorOf([] { Url::Parse(GetParam()); });
  ASSERT_TRUE(error) << GetParam();
  EXPECT_EQ(error->Code(), errors::InvalidArgument);
  EXPECT_TRUE(error->Details().NothingSent);
  EXPECT_FALSE(error->Details().Action.empty());
}

INSTANTIATE_TEST_SUITE_P(
    Urls,
    BadUrlTest,
    testing::Values(
        "",
        "/",
        "a.example",
        "//a.example/",
        "https:",
        "https:/a.example",
        "https://",
        "https:///b",
        "https://:443/",
        "https://?a",
        "ftp://a.example/",
        "file:///etc/passwd",
        "httpss://a.example/",
        " https://a.example/",
        "https://a.example/ ",
        "https://a.example/a b",
        "https://user@a.example/",
        "https://user:password@a.example/",
        "https://@a.example/",
        "https://a.example:0/",
        "https://a.example:65536/",
        "https://a.example:99999999999999999999/",
        "https://a.example:-1/",
        "https://a.example:+1/",
        "https://a.example: 1/",
        "https://a.example:1x/",
        "https://a.example:443:443/",
        "https://a b/",
        "https://a\texample/",
        "https://a.example/\r\nX-Injected: yes",
        "https://a.example/\n",
        "https://a.example/b\x7f",
        "https://a.example\\b/",
        "https://a.example/\\b",
        "https://a.example/%",
        "https://a.example/%2",
        "https://a.example/%2g",
        "https://a.example/%gg",
        "https://a.example/\"",
        "https://a.example/<b>",
        "https://a.example/\xC3\xA9",
        "https://\xC3\xA9.example/",
        "https://[::1/",
        "https://::1/",
        "https://[::1]x/",
        "https://[]/",
        "https://[g::1]/",
        "https://[a.example]/",
        "https://[dead.beef]/",
        "https://[127.0.0.1]/",
        "https://[::1::2]/",
        "https://[12345::]/",
        "https://[::1]]/",
        "https://a.example,b.example/",
        "https://a;b/",
        "https://a.example%00/"));

TEST(UrlTest, RefusesNul) {
  using namespace std::string_literals;
  EXPECT_EQ(ErrorCodeOf([] { Url::Parse("https://a.example/\0b"s); }), "invalid_argument");
  EXPECT_EQ(ErrorCodeOf([] { Url::Parse("https://a.example\0.evil.example/"s); }), "invalid_argument");
}

/// The text of a URL may hold a signature in its query or a password before its host.
TEST(UrlTest, AnErrorDoesNotRepeatTheUrl) {
  auto const error = ErrorOf([] { Url::Parse("https://user:hunter2@a.example/?sig=abcdef"); });
  ASSERT_TRUE(error);
  EXPECT_EQ(std::string{error->what()}.find("hunter2"), std::string::npos);
  EXPECT_EQ(std::string{error->what()}.find("abcdef"), std::string::npos);
}

TEST(UrlTest, TellsPathFromQuery) {
  auto const url = Url::Parse("https://a.example/b/c?d=e?f");
  EXPECT_EQ(url.Path(), "/b/c");
  EXPECT_EQ(url.Query(), "d=e?f");
  EXPECT_EQ(Url::Parse("https://a.example/b").Query(), "");
}

TEST(UrlTest, AddsQueryParametersEncoded) {
  auto const url = Url::Parse("http://169.254.169.254/metadata");
  auto const first = url.WithQueryParameter("cred-api-version", "2.0");
  EXPECT_EQ(first.ToString(), "http://169.254.169.254/metadata?cred-api-version=2.0");
  EXPECT_EQ(
      first.WithQueryParameter("msi_res_id", "/subscriptions/a b&c=d").Target(),
      "/metadata?cred-api-version=2.0&msi_res_id=%2Fsubscriptions%2Fa%20b%26c%3Dd");
  EXPECT_EQ(url.Target(), "/metadata") << "a URL does not change";
}

TEST(UrlTest, TakesAnotherTarget) {
  auto const url = Url::Parse("https://a.example:8443/b?c");
  EXPECT_EQ(url.WithTarget("/d/e?f=%20g").ToString(), "https://a.example:8443/d/e?f=%20g");
  auto const doubled = url.WithTarget("//b.example/c").ToString();
  EXPECT_EQ(doubled, "https://a.example:8443//b.example/c");
  EXPECT_EQ(Url::Parse(doubled).GetOrigin(), url.GetOrigin()) << "a target leads to no other host";
  EXPECT_EQ(url.WithTarget("/d#e").Target(), "/d");
  EXPECT_EQ(url.Target(), "/b?c") << "a URL does not change";
}

TEST(UrlTest, RefusesTargetsThatParseWouldRefuse) {
  auto const url = Url::Parse("https://a.example");
  using namespace std::string_view_literals;
  for (auto const target :
       {""sv, "#a"sv, "?a=b"sv, "a"sv, "@b.example/"sv, ":1/"sv, "/a b"sv, "/a\r\nb"sv, "/%2"sv, "/%zz"sv, "/a\\b"sv,
        "/\x7f"sv, "/\xc3\xa4"sv, "/\ta"sv, "/\0a"sv}) {
    auto const error = ErrorOf([&] { url.WithTarget(target); });
    ASSERT_TRUE(error) << target;
    EXPECT_EQ(error->Code(), errors::InvalidArgument) << target;
  }
}

TEST(UrlTest, PercentEncodesAllButUnreserved) {
  EXPECT_EQ(PercentEncode("AZaz09-._~"), "AZaz09-._~");
  EXPECT_EQ(PercentEncode(" /?&=+%"), "%20%2F%3F%26%3D%2B%25");
  EXPECT_EQ(PercentEncode(std::string{'\0', '\n', '\xff'}), "%00%0A%FF");
}

TEST(OriginTest, IsWrittenWithItsPort) {
  EXPECT_EQ(Url::Parse("https://a.example").GetOrigin().ToString(), "https://a.example:443");
  EXPECT_EQ(Url::Parse("http://[::1]").GetOrigin().ToString(), "http://[::1]:80");
  EXPECT_EQ(Url::Parse("https://[::1]:8443").GetOrigin().HostAndPort(), "[::1]:8443");
}

TEST(OriginTest, DiffersInSchemeHostAndPort) {
  auto const origin = Url::Parse("https://a.example/x").GetOrigin();
  EXPECT_EQ(origin, Url::Parse("https://A.example:443/y").GetOrigin());
  EXPECT_NE(origin, Url::Parse("http://a.example:443/x").GetOrigin());
  EXPECT_NE(origin, Url::Parse("https://b.example/x").GetOrigin());
  EXPECT_NE(origin, Url::Parse("https://a.example:444/x").GetOrigin());
}

/// An empty name compares equal with any certificate, and one with a leading dot with all below it.
TEST(UrlTest, RefusesHostsWithEmptyLabels) {
  for (char const* const url : {"https://./", "https://../", "https://.example.com/", "https://a..example.com/"}) {
    EXPECT_THROW(Url::Parse(url), Error) << url;
  }
  EXPECT_EQ(Url::Parse("https://example.com./").Host(), "example.com") << "one name, one spelling";
}

}  // namespace
}  // namespace mtlspop
