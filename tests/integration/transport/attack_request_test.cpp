// Requests that would give a token away. The transport is the last to see them, whoever made them.

#include <gmock/gmock.h>

#include "transport_test.hpp"

namespace mtlspop::test {
namespace {

using namespace std::string_literals;

/// Servers that nobody may connect to.
class AttackRequestTest : public testing::Test {
 protected:
  std::string CodeOf(Request request, Binding const& binding = nullptr) {
    auto const error = ErrorOf([&] { Fetch(transport_, std::move(request), binding); });
    if (!error) return "was sent";
    EXPECT_TRUE(error->Details().NothingSent);
    EXPECT_FALSE(error->Details().Transient) << "trying again changes nothing";
    EXPECT_EQ(std::string{error->what()}.find("hunter2"), std::string::npos);
    EXPECT_EQ(plain_.ConnectionCount() + server_.ConnectionCount(), 0U);
    return std::string{error->Code().Name()};
  }
  static Request With(Request request, std::string name, std::string value) {
    request.Fields.Add(std::move(name), std::move(value));
    return request;
  }

  ScriptedServer plain_{ServeEcho};
  ScriptedServer server_{TlsServer(), ServeEcho};
  Transport const transport_ = MakeTransport();
};

TEST_F(AttackRequestTest, ABoundTokenNeedsItsCertificate) {
  for (auto const* value :
       {"mtls_pop hunter2", "MTLS_POP hunter2", "Mtls_Pop\thunter2", "mtls_pop", " mtls_pop hunter2",
        "\tmtls_pop hunter2", "Bearer a, mtls_pop hunter2", "Bearer a,mtls_pop"}) {
    EXPECT_EQ(CodeOf(With(Get(server_.Url()), "Authorization", value)), "bound_token_without_binding") << value;
    EXPECT_EQ(CodeOf(With(Get(server_.Url()), "X-Ms-Authorization-Auxiliary", value)), "bound_token_without_binding")
        << value;
  }
  auto second = With(Get(server_.Url()), "Authorization", "Bearer a");
  EXPECT_EQ(CodeOf(With(std::move(second), "authorization", "mtls_pop hunter2")), "bound_token_without_binding");
  EXPECT_EQ(CodeOf(With(Get(server_.Url()), "x-ms-tokenboundauth", "true")), "bound_token_without_binding");
  EXPECT_EQ(
      CodeOf(With(Get(plain_.Url()), "Authorization", "mtls_pop hunter2"), NewBinding()), "binding_requires_https");
}

TEST_F(AttackRequestTest, OtherSchemesNeedNone) {
  for (auto const* value : {"Bearer mtls_pop", "mtls_popx a", "Basic bXRsc19wb3A=", ""}) {
    EXPECT_EQ(CodeOf(With(Get(server_.Url()), "Authorization", value)), "was sent") << value;
    ASSERT_GT(server_.ConnectionCount(), 0U);
  }
  EXPECT_EQ(CodeOf(With(Get(server_.Url()), "Authorization", "mtls_pop hunter2"), NewBinding()), "was sent");
  EXPECT_EQ(CodeOf(With(Get(plain_.Url()), "Metadata", "true")), "was sent");
}

TEST_F(AttackRequestTest, NoTokenGoesInTheClear) {
  auto const code = "authorization_requires_https";
  for (auto const* value :
       {"Bearer hunter2", "mtls_pop hunter2", "PoP hunter2", "DPoP hunter2", "Basic hunter2", "hunter2"}) {
    EXPECT_EQ(CodeOf(With(Get(plain_.Url()), "aUTHORIZATION", value)), code) << value;
  }
  EXPECT_EQ(CodeOf(With(Get(plain_.Url()), "x-ms-authorization-auxiliary", "Bearer hunter2")), code);
  EXPECT_EQ(CodeOf(With(Get(plain_.Url()), "x-ms-copy-source-authorization", "Bearer hunter2")), code);
  EXPECT_EQ(CodeOf(With(Get(plain_.Url()), "Proxy-Authorization", "Basic hunter2")), code);
  EXPECT_EQ(CodeOf(With(Get(plain_.Url()), "X-MS-TokenBoundAuth", "true")), code);
  EXPECT_EQ(CodeOf(Get(plain_.Url("/?access_token=hunter2"))), code);
  EXPECT_EQ(CodeOf(Get(plain_.Url("/?a=b&access_token=hunter2"))), code);
  auto neverProxied = With(Get(plain_.Url()), "Authorization", "Bearer hunter2");
  neverProxied.NeverProxied = true;
  EXPECT_EQ(CodeOf(std::move(neverProxied)), code);
  EXPECT_EQ(CodeOf(Get(plain_.Url("/?no_access_token=a"))), "was sent");
}

/// The name that the certificate was checked for is the one that the request is for.
TEST_F(AttackRequestTest, ATokenIsForTheHostOfTheUrl) {
  auto const withHost = [&](std::string host, Request request) {
    return With(std::move(request), "Host", std::move(host));
  };
  auto const authorized = [&] { return With(Get(server_.Url()), "Authorization", "Bearer hunter2"); };
  auto const port = ":" + std::to_string(server_.Port());
  for (auto const& host :
       {"evil.example"s, "127.0.0.1"s, "127.0.0.1:443"s, "127.0.0.2" + port, ""s, "127.0.0.1" + port + "/",
        "a@127.0.0.1" + port, "127.0.0.1" + port + ", evil.example", "127.0.0.1" + port + "?"}) {
    EXPECT_EQ(CodeOf(withHost(host, authorized())), "invalid_argument") << host;
    EXPECT_EQ(CodeOf(withHost(host, Get(server_.Url())), NewBinding()), "invalid_argument") << host;
  }
  EXPECT_EQ(CodeOf(withHost("127.0.0.1" + port, authorized())), "was sent");
  EXPECT_EQ(CodeOf(withHost("evil.example", Get(server_.Url()))), "was sent") << "nothing is given away";
}

TEST_F(AttackRequestTest, NoControlCharacterIsSent) {
  for (char const character : "\x01\x08\x0b\x0c\x0e\x1b\x1f\x7f"s) {
    EXPECT_EQ(CodeOf(With(Get(server_.Url()), "X-A", "a"s + character + "b")), "invalid_argument") << int{character};
  }
  EXPECT_EQ(CodeOf(With(Get(server_.Url()), "X-A", "a\tb \xc3\xa9")), "was sent");
}

}  // namespace
}  // namespace mtlspop::test
