// The password of a proxy, which is read from where the environment or the application names it, stays nowhere else.

#include <string>

#include <gtest/gtest.h>

#include "mtlspop/transport/http_transport.hpp"
#include "mtlspop/transport/proxy_selection.hpp"
#include "support/freed_memory.hpp"

namespace mtlspop::test {
namespace {

// The letters of the password stand nowhere as they are sent: the variable has them in percent-encoding.
constexpr char const* Password = "pass@word@that@nobody@may@find@pass@word@that@nobody@may@find";
constexpr char const* Variable =
    "http://user:pass%40word%40that%40nobody%40may%40find%40pass%40word%40that%40nobody%40may%40find@proxy:8080";
/// Of "user:pass@word@that@", in base64.
constexpr char const* Encoded = "dXNlcjpwYXNzQHdvcmRAdGhhdEBub2JvZHlAbWF5QGZpbmRAcGFzc0";

TEST(AttackProxyPasswordTest, LeavesNoCopyBehind) {
  ProxyOptions options;
  auto const read = [&] {
    ProxySelection const proxies{options, [](char const* name) -> char const* {
                                   return std::string_view{name} == "https_proxy" ? Variable : nullptr;
                                 }};
    return proxies.For(Url::Parse("https://a.example/").GetOrigin())->Authorization;
  };
  auto const authorization = read();
  ASSERT_NE(authorization.Reveal().find(Encoded), std::string_view::npos);
  EXPECT_EQ(CountLeftBehind(Password, read), 0);
  EXPECT_EQ(CountLeftBehind(Encoded, read), 0);
  ProxyOptions given;
  given.Url = "http://proxy:8080";
  given.UserName = "user";
  given.Password = Secret{std::string_view{Password}};
  auto const take = [&] { ProxySelection const proxies{given, [](char const*) -> char const* { return nullptr; }}; };
  EXPECT_EQ(CountLeftBehind(Password, take), 0);
  EXPECT_EQ(CountLeftBehind(Encoded, take), 0);
}

}  // namespace
}  // namespace mtlspop::test
