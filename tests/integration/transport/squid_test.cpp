// Squid as a proxy.

#include <gmock/gmock.h>

#include "support/nginx_server.hpp"
#include "support/squid_proxy.hpp"
#include "transport_test.hpp"

namespace mtlspop::test {
namespace {

using testing::HasSubstr;
using testing::Not;

class SquidTest : public testing::TestWithParam<SquidAuthentication> {
 protected:
  static TransportOptions Through(std::string url, bool withCredentials) {
    auto options = TrustingOptions();
    options.Proxy.Url = std::move(url);
    if (withCredentials) {
      options.Proxy.UserName = SquidProxy::UserName;
      options.Proxy.Password = Secret{std::string_view{SquidProxy::Password}};
    }
    return options;
  }
  static bool Authenticates() { return GetParam() == SquidAuthentication::Basic; }

  ScriptedServer vault_{TlsServer(TLS1_2_VERSION, TLS1_2_VERSION), ServeX5tS256};
  SquidProxy proxy_{GetParam(), LoopbackCertificate()};
  Binding const alice_ = NewBinding("alice");
};

TEST_P(SquidTest, TunnelsAndTheOriginRenegotiates) {
  auto const transport = MakeTransport(Through(proxy_.PlainUrl(), Authenticates()));
  EXPECT_EQ(Fetch(transport, Get(vault_.Url()), alice_).Body, alice_->X5tS256());
  EXPECT_TRUE(Fetch(transport, Get(vault_.Url()), alice_).Connection.Reused);
  EXPECT_EQ(vault_.ConnectionCount(), 1U);
}

TEST_P(SquidTest, TunnelsThroughTlsToTheProxy) {
  auto const transport = MakeTransport(Through(proxy_.TlsUrl(), Authenticates()));
  EXPECT_EQ(Fetch(transport, Get(vault_.Url()), alice_).Body, alice_->X5tS256());
  EXPECT_TRUE(Fetch(transport, Get(vault_.Url()), alice_).Connection.Reused);
}

TEST_P(SquidTest, ForwardsPlainRequests) {
  ScriptedServer plain{ServeEcho};
  auto const body = Pattern(200'000);
  for (auto const& url : {proxy_.PlainUrl(), proxy_.TlsUrl()}) {
    auto const transport = MakeTransport(Through(url, Authenticates()));
    EXPECT_TRUE(Fetch(transport, Post(plain.Url("/a"), body)).Body == body);
  }
}

TEST_P(SquidTest, CarriesBodies) {
  ScriptedServer echo{AskingTlsServer(), ServeEcho};
  auto const body = Pattern(2 * 1024 * 1024);
  for (auto const& url : {proxy_.PlainUrl(), proxy_.TlsUrl()}) {
    auto const transport = MakeTransport(Through(url, Authenticates()));
    EXPECT_TRUE(Fetch(transport, Post(echo.Url(), body), alice_).Body == body);
  }
}

TEST_P(SquidTest, SaysWhenItCannotReachTheOrigin) {
  auto const port = ReserveLoopbackPort();
  auto const transport = MakeTransport(Through(proxy_.PlainUrl(), Authenticates()));
  EXPECT_EQ(
      ErrorCodeOf([&] { Fetch(transport, Get("https://localhost:" + std::to_string(port) + "/"), alice_); }),
      "proxy_failed");
}

TEST_P(SquidTest, NginxBehindIt) {
  NginxServer const nginx{LoopbackCertificate(), Authority().CertificatePath()};
  auto const transport = MakeTransport(Through(proxy_.PlainUrl(), Authenticates()));
  EXPECT_THAT(Fetch(transport, Get(nginx.Url("/facts")), alice_).Body, HasSubstr("CN=alice|TLSv1.2|"));
}

INSTANTIATE_TEST_SUITE_P(
    Authentication,
    SquidTest,
    testing::Values(SquidAuthentication::None, SquidAuthentication::Basic),
    [](auto const& kind) { return kind.param == SquidAuthentication::Basic ? "Basic" : "None"; });

TEST(SquidRefusalTest, WrongOrNoCredentials) {
  ScriptedServer vault{TlsServer(), ServeX5tS256};
  SquidProxy const proxy{SquidAuthentication::Basic, LoopbackCertificate()};
  auto options = TrustingOptions();
  options.Proxy.Url = proxy.PlainUrl();
  EXPECT_EQ(ErrorCodeOf([&] { Fetch(MakeTransport(options), Get(vault.Url())); }), "proxy_authentication_required");
  options.Proxy.UserName = SquidProxy::UserName;
  options.Proxy.Password = Secret{std::string_view{"hunter2"}};
  auto const error = ErrorOf([&] { Fetch(MakeTransport(options), Get(vault.Url()), NewBinding()); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code().Name(), "proxy_authentication_required");
  EXPECT_THAT(error->what(), Not(HasSubstr("hunter2")));
  EXPECT_TRUE(error->Details().NothingSent);
  EXPECT_EQ(vault.ConnectionCount(), 0U);
}

}  // namespace
}  // namespace mtlspop::test
